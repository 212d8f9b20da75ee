"""Helpers for tests of interrupted steps: code that runs before a certain statement of a step."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.util import CommandError
from sqlalchemy import event
from sqlalchemy.engine import Connection, Engine

from tests.dbtools.tools import Project, head_revision

HEAD = head_revision()
NOT_NULL_STEP = "op.set_not_null('agents', 'status_reason')"
FILL_WITH_SQL = "UPDATE agents SET status_reason = 'x'"
FILL_STEP = """
rows = sa.table('agents', sa.column('id', sa.Uuid()), sa.column('status_reason', sa.Text()))
op.fill_rows(rows, rows.c.status_reason.is_(None), lambda row: {'status_reason': 'x'}, '')
"""
TERMINATE_MIGRATIONS = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE application_name = 'agent-console migration' AND datname = current_database()
"""
UNDONE = "was undone."
PARTLY_COMMITTED = "its committed changes remain, the rest was undone."


def project_with_step(folder: Path, url: str, step: str) -> Project:
    """Create migrations that add one step to a database at head."""
    project = Project(folder, url)
    project.revision(HEAD, "pass")
    project.revision("next", step)
    return project


@contextmanager
def run_before_statement(word: str, *actions: Callable[[], object]) -> Iterator[None]:
    """Before each statement that contains this word, run the next of `actions`."""
    remaining = list(actions)

    def listen(_connection: Connection, _cursor: Any, statement: str, *_rest: Any) -> None:
        if word in statement and remaining:
            remaining.pop(0)()

    event.listen(Engine, "before_cursor_execute", listen)
    try:
        yield
    finally:
        event.remove(Engine, "before_cursor_execute", listen)


def upgrade_error(project: Project) -> str:
    """Upgrade, and return the error message, which must be one line."""
    with pytest.raises(CommandError) as error:
        command.upgrade(project.config(), "head")
    assert "\n" not in str(error.value)
    return str(error.value)


def raise_error(error: type[BaseException]) -> Callable[[], None]:
    """Return a function that raises this error."""

    def raise_it() -> None:
        raise error

    return raise_it
