"""Steps that are stopped right before a statement of theirs, for the tests of what becomes of them."""

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
NOT_NULL = "op.set_not_null('agents', 'status_reason')"
FILLED = "UPDATE agents SET status_reason = 'x'"
FILL = """
rows = sa.table('agents', sa.column('id', sa.Uuid()), sa.column('status_reason', sa.Text()))
op.fill_rows(rows, rows.c.status_reason.is_(None), lambda row: {'status_reason': 'x'}, '')
"""
END_MIGRATIONS = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE application_name = 'agent-console migration' AND datname = current_database()
"""
AS_IT_WAS = "was undone."
ON_ITS_WAY = "its committed changes remain, the rest was undone."


def project_with(folder: Path, url: str, step: str) -> Project:
    """Migrations that add one step to a database at head."""
    project = Project(folder, url)
    project.revision(HEAD, "pass")
    project.revision("next", step)
    return project


@contextmanager
def right_before(word: str, *acts: Callable[[], object]) -> Iterator[None]:
    """Do something right before a statement that holds this word: each time the next of `acts`."""
    left = list(acts)

    def listen(_connection: Connection, _cursor: Any, statement: str, *_rest: Any) -> None:
        if word in statement and left:
            left.pop(0)()

    event.listen(Engine, "before_cursor_execute", listen)
    try:
        yield
    finally:
        event.remove(Engine, "before_cursor_execute", listen)


def refusal_of(project: Project) -> str:
    """What an upgrade that must fail says, in one line."""
    with pytest.raises(CommandError) as refusal:
        command.upgrade(project.config(), "head")
    assert "\n" not in str(refusal.value)
    return str(refusal.value)


def raising(error: type[BaseException]) -> Callable[[], None]:
    """What raises this when it is called."""

    def act() -> None:
        raise error

    return act
