"""The console's own sessions: their limits, their pooler, and whether migrations reach the same database."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

import psycopg2
import sqlalchemy as sa
from alembic.util import CommandError
from sqlalchemy.engine import URL, Connection
from sqlalchemy.exc import DBAPIError

from agents_app.database.session import SessionFacts, database_identity, pooler_mode, session_facts
from agents_app.database.url import printable_url
from agents_app.db import engine_options
from agents_app.dbtools.database.connections import connect_without_schema
from agents_app.dbtools.problems import Problem

NO_LIMIT = "0"
USE_SAME_DATABASE = "Set MIGRATION_DATABASE_URL to another address of the database and the schema of DATABASE_URL."
TRANSACTION_MODE = "The connection uses a pooler in transaction mode, through which no step can be applied."
USE_DIRECT_ADDRESS = "Set MIGRATION_DATABASE_URL to the address of the server itself."


@dataclass(frozen=True)
class ConsoleSession:
    """The sessions in which the console sends its statements.

    `pooler` is the mode of the connection pooler, None without one. Limits are written as by the server (`5s`).
    """

    pooler: str | None
    statement_timeout: str
    lock_timeout: str
    problems: tuple[Problem, ...]


def read_console_session(url: URL, direct: Connection) -> ConsoleSession | None:
    """The sessions of the console at `url`, while migrations use `direct`; None if both are the same SQLite file.

    Raises SQLAlchemy's errors if the database of `url` fails.
    """
    is_postgresql = url.get_backend_name() == "postgresql"
    if not is_postgresql or direct.dialect.name != "postgresql":
        is_same = printable_url(url) == printable_url(direct.engine.url)
        return None if is_same else ConsoleSession(None, "", "", (_other_database(direct),))
    engine = sa.create_engine(url, **engine_options(url, 1))
    try:
        with engine.connect() as connection:
            facts, is_same = session_facts(connection), database_identity(connection) == database_identity(direct)
    finally:
        engine.dispose()
    pooler = _pooler_mode(url) if facts.is_pooled else None
    problems = [*_limit_problems(facts), *([] if is_same else [_other_database(direct)])]
    if pooler == "transaction" and direct.engine.url == url:
        problems.append(Problem(TRANSACTION_MODE, USE_DIRECT_ADDRESS, "database.pooler"))
    return ConsoleSession(pooler, facts.statement_timeout, facts.lock_timeout, tuple(problems))


def require_same_database(url: URL, console: URL | None) -> None:
    """Raise CommandError if `url` leads to another database than `console`, the URL of the console.

    Nothing is compared if the console's database cannot be reached, for example because its pooler is stopped.
    """
    if console is None or console == url or url.get_backend_name() != "postgresql":
        return
    with suppress(DBAPIError), connect_without_schema(console) as one, connect_without_schema(url) as other:
        if database_identity(one) != database_identity(other):
            problem = _other_database(other)
            raise CommandError(f"{problem.what} {problem.do}")


def _other_database(direct: Connection) -> Problem:
    what = f"{printable_url(direct.engine.url)} leads to another database than DATABASE_URL, or to another schema."
    return Problem(what, USE_SAME_DATABASE, "database.migration_address")


def _limit_problems(facts: SessionFacts) -> Iterator[Problem]:
    limits = {"statement_timeout": facts.statement_timeout, "lock_timeout": facts.lock_timeout}
    for name, limit in limits.items():
        if limit == NO_LIMIT:
            what = f"{name} is disabled for the console. One slow statement can block all others."
            yield Problem(what, f"Remove {name} from the options in DATABASE_URL.", "database.limits")


def _pooler_mode(url: URL) -> str:
    try:
        return pooler_mode(url) or "unknown"
    except psycopg2.Error:
        # Every connection that the pooler may open is in use.
        return "unknown"
