"""What holds in the console's own sessions: limits, a pooler in between, the database that migrations reach too."""

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
from agents_app.dbtools.status import Problem

NO_LIMIT = "0"
ANOTHER = "Let MIGRATION_DATABASE_URL be another address of the database, and of the schema, of DATABASE_URL."
TRANSACTION_MODE = "A pooler in transaction mode is in between, through which no step can be applied."
DIRECT = "Set MIGRATION_DATABASE_URL to the address of the server itself."


@dataclass(frozen=True)
class ConsoleSession:
    """How the console's statements reach the server.

    `pooler` is the mode of the pooler in between, None where there is none. A limit is as the server writes it (`5s`).
    """

    pooler: str | None
    statement_timeout: str
    lock_timeout: str
    problems: tuple[Problem, ...]


def read_console_session(url: URL, direct: Connection) -> ConsoleSession | None:
    """What holds for the console at `url`, while migrations work on `direct`; None where both are SQLite's.

    Raises SQLAlchemy's errors where the database of `url` fails.
    """
    is_postgresql = url.get_backend_name() == "postgresql"
    if not is_postgresql or direct.dialect.name != "postgresql":
        is_same = printable_url(url) == printable_url(direct.engine.url)
        return None if is_same else ConsoleSession(None, "", "", (_another(direct),))
    engine = sa.create_engine(url, **engine_options(url, 1))
    try:
        with engine.connect() as connection:
            facts, is_same = session_facts(connection), database_identity(connection) == database_identity(direct)
    finally:
        engine.dispose()
    pooler = _mode(url) if facts.is_pooled else None
    problems = [*_limit_problems(facts), *([] if is_same else [_another(direct)])]
    if pooler == "transaction" and direct.engine.url == url:
        problems.append(Problem(TRANSACTION_MODE, DIRECT, "database.pooler"))
    return ConsoleSession(pooler, facts.statement_timeout, facts.lock_timeout, tuple(problems))


def require_same_database(url: URL, console: URL | None) -> None:
    """Refuse to work on another database than the console's own. Raises CommandError.

    Where the console's cannot be reached, as while its pooler is away, nothing is compared.
    """
    if console is None or console == url or url.get_backend_name() != "postgresql":
        return
    with suppress(DBAPIError), connect_without_schema(console) as one, connect_without_schema(url) as other:
        if database_identity(one) != database_identity(other):
            problem = _another(other)
            raise CommandError(f"{problem.what} {problem.do}")


def _another(direct: Connection) -> Problem:
    what = f"{printable_url(direct.engine.url)} leads to another database than DATABASE_URL, or to another schema."
    return Problem(what, ANOTHER, "database.migration_address")


def _limit_problems(facts: SessionFacts) -> Iterator[Problem]:
    limits = {"statement_timeout": facts.statement_timeout, "lock_timeout": facts.lock_timeout}
    for name, limit in limits.items():
        if limit == NO_LIMIT:
            what = f"{name} is off for the console: one statement can keep everybody waiting."
            yield Problem(what, f"Remove {name} from the options in DATABASE_URL.", "database.limits")


def _mode(url: URL) -> str:
    try:
        return pooler_mode(url) or "unknown"
    except psycopg2.Error:
        # Every connection that it may open is in use.
        return "unknown"
