"""What `flask doctor` looks at: each part of an installation by itself, so that a broken one hides no other.

Nothing is changed, and no file is made.
"""

from agents_app.doctor.check import GROUPS, Check, Result
from agents_app.doctor.run import examine

__all__ = ["GROUPS", "Check", "Result", "examine"]
