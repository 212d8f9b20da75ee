"""A separate process that applies files of agents. With `stepwise` it waits before each statement. It is not a test."""

import sys
from pathlib import Path
from uuid import UUID

import click
from sqlalchemy import event

from agents_app.database.errors import DEADLOCK
from agents_app.db import db
from agents_app.errors import Conflict, Unavailable
from agents_app.operations import agent_files
from agents_app.operations.permissions import Actor
from agents_app.schemas.agent_files import read
from agents_app.values.choices import Door, Role
from tests import make


def apply(actor: Actor, *paths: str) -> None:
    """Apply each file, again where others were faster. Print its name and the number of changed agents.

    A deadlock is raised.
    """
    for path in map(Path, paths):
        while True:
            try:
                done = agent_files.apply(actor, read(path.read_bytes()), note=path.stem)
            except (Conflict, Unavailable) as refused:
                state = getattr(getattr(refused.__cause__, "orig", None), "pgcode", None)
                if refused.code not in ("conflict", "database_busy") or state == DEADLOCK:
                    raise
            else:
                click.echo(f"{path.stem} {done.counts['changed'] + done.counts['new']}")
                break


def stepwise(actor: Actor, path: str) -> None:
    """Apply a file. Print the beginning of each statement and COMMIT, and wait for a line before it is sent."""
    event.listen(db.engine, "before_cursor_execute", lambda *given: _step(given[2]))
    event.listen(db.engine, "commit", lambda _connection: _step("COMMIT"))
    apply(actor, path)


def _step(statement: str) -> None:
    click.echo(" ".join(statement.split()[:3]))
    sys.stdin.readline()


if __name__ == "__main__":
    act, url, account_id, *paths = sys.argv[1:]
    operator = Actor(UUID(account_id), "operator", Door.TERMINAL, role=Role.ADMIN)
    with make.make_app(url).app_context():
        {"apply": apply, "stepwise": stepwise}[act](operator, *paths)
