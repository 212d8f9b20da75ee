"""Makes `flask db` and `alembic` safe to use. It knows Alembic, PostgreSQL and SQLite, but nothing about agents.

What it offers is imported when it is used: Alembic is large, and `flask serve` does without it.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from agents_app.database.migration_limits import Limits as Limits
    from agents_app.dbtools.commands.group import init_app as init_app
    from agents_app.dbtools.configuration import alembic_config as alembic_config
    from agents_app.dbtools.database.encoding import require_utf8 as require_utf8
    from agents_app.dbtools.database.read_only import require_writable as require_writable
    from agents_app.dbtools.deployment import upgrade_to_head as upgrade_to_head
    from agents_app.dbtools.overview import Overview as Overview
    from agents_app.dbtools.overview import read_overview as read_overview
    from agents_app.dbtools.position import Position as Position
    from agents_app.dbtools.position import Step as Step
    from agents_app.dbtools.position import read_position as read_position
    from agents_app.dbtools.runner.environment import run_command as run_command

MODULES = {
    "Limits": "agents_app.database.migration_limits",
    "Overview": "agents_app.dbtools.overview",
    "Position": "agents_app.dbtools.position",
    "Step": "agents_app.dbtools.position",
    "alembic_config": "agents_app.dbtools.configuration",
    "init_app": "agents_app.dbtools.commands.group",
    "read_overview": "agents_app.dbtools.overview",
    "read_position": "agents_app.dbtools.position",
    "require_utf8": "agents_app.dbtools.database.encoding",
    "require_writable": "agents_app.dbtools.database.read_only",
    "run_command": "agents_app.dbtools.runner.environment",
    "upgrade_to_head": "agents_app.dbtools.deployment",
}


def __getattr__(name: str) -> Any:
    if name not in MODULES:
        raise AttributeError(f"The module {__name__} has no {name}.")
    return getattr(import_module(MODULES[name]), name)
