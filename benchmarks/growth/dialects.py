"""What PostgreSQL and SQLite write differently in the statements that fill a database."""

import hashlib
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa


@dataclass(frozen=True)
class Dialect:
    """How a database writes a value. Each is a format with the place of an SQL expression."""

    uuid: str
    """An id that belongs to a text."""
    ago: str
    """The time so many seconds ago."""
    json: str
    """JSON from a text."""
    day: str
    """A date from a text."""
    before: tuple[str, ...] = ()
    """What makes the session faster. What is lost by a crash can be filled again."""
    after: tuple[str, ...] = ()
    """What the database does by itself in the course of time."""


POSTGRESQL = Dialect(
    uuid="md5({})::uuid",
    ago="now() - ({}) * interval '1 second'",
    json="CAST({} AS jsonb)",
    day="CAST({} AS date)",
    before=("SET synchronous_commit = off", "SET work_mem = '64MB'", "SET statement_timeout = 0"),
    after=("VACUUM ANALYZE",),
)
SQLITE = Dialect(
    uuid="md5({})",
    ago="strftime('%Y-%m-%d %H:%M:%f000', 'now', (-({})) || ' seconds')",
    json="{}",
    day="{}",
    before=("PRAGMA synchronous = OFF", "PRAGMA cache_size = -200000"),
)


def execute(engine: sa.Engine, *statements: str) -> None:
    """Execute statements in one session, each in a transaction of its own."""
    connection: Any = engine.raw_connection()
    try:
        raw = connection.driver_connection
        if engine.name == "postgresql":
            raw.autocommit = True
        else:
            raw.isolation_level = None
            raw.create_function("md5", 1, lambda text: hashlib.md5(text.encode()).hexdigest(), deterministic=True)
        cursor = raw.cursor()
        for statement in statements:
            cursor.execute(statement)
        cursor.close()
    finally:
        connection.detach()
        connection.close()


def dialect_of(engine: sa.Engine) -> Dialect:
    """The dialect of a database."""
    return POSTGRESQL if engine.name == "postgresql" else SQLITE
