"""The checks of `flask doctor`. Each group of checks runs, even if another group has a problem.

Nothing is changed, and no file is created.
"""

from agents_app.doctor.bundle import default_name, write_bundle
from agents_app.doctor.check import GROUPS, Check, Result
from agents_app.doctor.run import run_checks

__all__ = ["GROUPS", "Check", "Result", "default_name", "run_checks", "write_bundle"]
