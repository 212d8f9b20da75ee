"""The operations of `op` that Alembic does not have, or that behave differently in this project."""

# They are imported together, because a step can call each.
from agents_app.dbtools.operations import constraints as constraints
from agents_app.dbtools.operations import dangers as dangers
from agents_app.dbtools.operations import enum_values as enum_values
from agents_app.dbtools.operations import enums as enums
from agents_app.dbtools.operations import extensions as extensions
from agents_app.dbtools.operations import index_renames as index_renames
from agents_app.dbtools.operations import indexes as indexes
from agents_app.dbtools.operations import renames as renames
from agents_app.dbtools.operations import requirements as requirements
from agents_app.dbtools.operations import rows_and_tables as rows_and_tables
from agents_app.dbtools.operations import search_indexes as search_indexes
from agents_app.dbtools.operations import sqlite_rebuilds as sqlite_rebuilds
from agents_app.dbtools.operations import table_fills as table_fills
from agents_app.dbtools.operations import unique_constraints as unique_constraints
