"""The app of a process: for the commands, and for a WSGI server (`agents_app.wsgi:app`)."""

import atexit
import gc
import sys

from agents_app import terminal
from agents_app.app import create_app
from agents_app.cli import standard_output
from agents_app.db import db
from agents_app.errors import ConfigurationError

standard_output.report_failures()
terminal.replace_unprintable()
terminal.require_valid(sys.argv[1:])
# What is loaded stays. `flask_command.py` switched the collector off.
gc.freeze()
gc.enable()
try:
    app = create_app()
    atexit.register(db.close_pool_of, app)
except ConfigurationError as refusal:
    from agents_app.cli.doctor import app_with_doctor_only

    app = app_with_doctor_only(refusal)
