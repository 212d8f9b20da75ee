"""What Alembic runs for each command that looks at a database; all of it lives in `agents_app.dbtools`."""

from agents_app import dbtools, models
from agents_app.config import load
from agents_app.db import db

dbtools.run(models, db.metadata, load)
