"""Makes `flask db` and `alembic` safe to use. It knows Alembic, PostgreSQL and SQLite, but nothing about agents."""

from agents_app.database.migration_limits import Limits
from agents_app.dbtools.commands.group import init_app
from agents_app.dbtools.configuration import alembic_config
from agents_app.dbtools.database.encoding import require_utf8
from agents_app.dbtools.database.read_only import require_writable
from agents_app.dbtools.deployment import upgrade_to_head
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
from agents_app.dbtools.operations import sqlite_rebuilds as sqlite_rebuilds
from agents_app.dbtools.operations import table_fills as table_fills
from agents_app.dbtools.operations import unique_constraints as unique_constraints
from agents_app.dbtools.overview import Overview, read_overview
from agents_app.dbtools.position import Position, Step, read_position
from agents_app.dbtools.runner.environment import run_command
from agents_app.dbtools.saved_rows import save as save

__all__ = [
    "Limits",
    "Overview",
    "Position",
    "Step",
    "alembic_config",
    "init_app",
    "read_overview",
    "read_position",
    "require_utf8",
    "require_writable",
    "run_command",
    "upgrade_to_head",
]
