"""What a WSGI server and the `flask` command load."""

from agents_app.app import create_app
from agents_app.cli.doctor import only_doctor
from agents_app.errors import ConfigurationError

try:
    app = create_app()
except ConfigurationError as refusal:
    app = only_doctor(refusal)
