"""Steps, and the one a database is at."""

from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection

VERSION = sa.table("alembic_version", sa.column("version_num"))


@dataclass(frozen=True)
class Step:
    """One migration."""

    revision: str
    name: str


def current_revision(connection: Connection) -> str | None:
    """The revision this database is at; None before the first."""
    if not sa.inspect(connection).has_table(VERSION.name):
        return None
    return connection.scalar(sa.select(VERSION.c.version_num))
