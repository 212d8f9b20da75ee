"""What a WSGI server and the `flask` command load."""

import sys

from agents_app.app import create_app
from agents_app.errors import ConfigurationError

try:
    app = create_app()
except ConfigurationError as refusal:
    sys.exit(refusal.detail)
