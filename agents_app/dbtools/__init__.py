"""What makes `flask db` and `alembic` safe to use: knows Alembic, PostgreSQL and SQLite, but no agents."""

from agents_app.dbtools import constraints as constraints
from agents_app.dbtools import enums as enums
from agents_app.dbtools import extensions as extensions
from agents_app.dbtools import indexes as indexes
from agents_app.dbtools import labels as labels
from agents_app.dbtools import saving as saving
from agents_app.dbtools import tables as tables
from agents_app.dbtools.configuration import alembic_config
from agents_app.dbtools.encoding import require_utf8
from agents_app.dbtools.environment import run
from agents_app.dbtools.flask_group import init_app
from agents_app.dbtools.overview import Overview, overview
from agents_app.dbtools.patience import Patience
from agents_app.dbtools.read_only import require_changes
from agents_app.dbtools.revision import Step
from agents_app.dbtools.state import SchemaState, schema_state, upgrade_to_head

__all__ = [
    "Overview",
    "Patience",
    "SchemaState",
    "Step",
    "alembic_config",
    "init_app",
    "overview",
    "require_changes",
    "require_utf8",
    "run",
    "schema_state",
    "upgrade_to_head",
]
