"""Alembic runs this for each command that needs a database. The work is done by `agents_app.dbtools`."""

import sys

from agents_app import dbtools, models, terminal
from agents_app.config import load
from agents_app.db import db

terminal.replace_unprintable()
terminal.require_valid(sys.argv[1:])
dbtools.run_command(models, db.metadata, load)
