"""What the session of a PostgreSQL connection has set, and how a connection pooler in between is noticed.

libpq knows the process that serves a connection from its start (PQbackendPID), and the server says which one answers
(pg_backend_pid()). They differ behind a pooler that makes the first one up: PgBouncer, pgcat, Odyssey and Supavisor do.
What only passes bytes on (HAProxy, a tunnel), or starts a session of the server with what the client asks for
(Pgpool-II), is like the server itself. A proxy that makes numbers up and keeps sessions is taken for a pooler, which
costs a statement a transaction. Amazon does not say what its RDS Proxy does: either is right there, since it keeps a
session for a client that has set something.

Directly, the URL's `options` go to the server as they are, and limits are set once after connecting. Through a pooler
nothing is set for longer than a transaction, since another client may have the session next, and `options` are never
sent: PgBouncer refuses them, or forgets them without a word where `ignore_startup_parameters` names them. There each
transaction begins with what they set, and with the limits. That is right in session mode and in transaction mode, so
the mode matters only to migrations, which need a session of their own.
"""

from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import psycopg2
import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.engine import URL, Connection, Engine

from agents_app.database.errors import READ_ONLY
from agents_app.database.pool_mode import PoolMode, pool_mode
from agents_app.database.pooler_queue import PooledCursor, answer_timeout
from agents_app.database.url import session_settings
from agents_app.errors import Unavailable

CONNECT_TIMEOUT_S = 3
# The statement that each transaction of a pooled connection begins with, in `Connection.info`.
BEGINS_WITH = "begins_with"

LOOK_AND_SET = "SELECT pg_backend_pid() = %s, CASE WHEN pg_backend_pid() = %s THEN {} END"
FACTS = """
SELECT current_setting('statement_timeout'), current_setting('lock_timeout'), current_schema(),
    pg_encoding_to_char(encoding) FROM pg_database WHERE datname = current_database()
"""
# The same on every connection to one database, by whatever address; a standby or a copy has another start time.
IDENTITY = "SELECT pg_postmaster_start_time(), oid FROM pg_database WHERE datname = current_database()"


@dataclass(frozen=True)
class SessionFacts:
    """What holds in a transaction: limits as the server writes them (`5s`), the schema that tables are looked for in
    (None: there is no such schema), and the encoding of the database.
    """

    is_pooled: bool
    statement_timeout: str
    lock_timeout: str
    schema: str | None
    encoding: str


class SessionCreator:
    """Opens the PostgreSQL connections of one engine: its `creator`.

    `limits` are settings that hold where the URL's `options` do not set them. With `keeps_session` what is set through
    a pooler lasts as long as the session (see `dedicated_session`), and transaction mode is refused.
    """

    def __init__(
        self, url: URL, application: str, limits: Mapping[str, str] | None = None, *, keeps_session: bool = False
    ) -> None:
        self._connect, self._options = libpq_parameters(url)
        self._connect["application_name"] = application
        self._limits = dict(limits or {})
        # psycopg2 reads and writes UTF-8, see `parameters`.
        self._given = {name: value for name, value in session_settings(url).items() if name != "client_encoding"}
        self._keeps_session = keeps_session
        self._is_direct = False

    def __call__(self, connection_record: Any) -> Any:
        """A connection. Raises psycopg2.OperationalError, and Unavailable for a pooler that cannot keep a session."""
        connection = self._open()
        try:
            is_direct = self._look_and_set(connection)
            if is_direct and self._options and not self._is_direct:
                # Now that no pooler would refuse or forget them, once more with the options.
                connection.close()
                self._is_direct = True
                return self(connection_record)
            self._is_direct = is_direct
            if not is_direct:
                self._prepare_pooled(connection, connection_record)
        except BaseException:
            connection.close()
            raise
        return connection

    def _open(self) -> Any:
        try:
            return psycopg2.connect(**self._connect, options=self._options if self._is_direct else "")
        except psycopg2.Error:
            # A pooler may stand there by now.
            self._is_direct = False
            raise

    def _look_and_set(self, connection: Any) -> bool:
        # One statement, which sets nothing behind a pooler: what it set there would be another client's.
        process = connection.info.backend_pid
        limits = {name: value for name, value in self._limits.items() if name not in self._given}
        calls, values = set_config(limits, for_transaction=False)
        with answer_timeout(connection):
            return bool(_ask(connection, LOOK_AND_SET.format(calls), (process, process, *values))[0])

    def _prepare_pooled(self, connection: Any, record: Any) -> None:
        settings = {**self._limits, **self._given}
        if self._keeps_session:
            if _mode_of(connection, self._connect) == "transaction":
                raise transaction_mode_error()
            calls, values = set_config(settings, for_transaction=False)
            _ask(connection, f"SELECT {calls}", values)
        else:
            connection.cursor_factory = PooledCursor
            calls, values = set_config(settings, for_transaction=True)
            record.info[BEGINS_WITH] = (f"SELECT {calls}", values)
        record.info["is_pooled"] = True


def libpq_parameters(url: URL) -> tuple[dict[str, Any], str]:
    """What libpq is given for a URL, without `options`, and these by themselves."""
    dialect = url.get_dialect()()
    found: dict[str, Any] = {"connect_timeout": CONNECT_TIMEOUT_S, **dialect.create_connect_args(url)[1]}
    # Before PGCLIENTENCODING, `options` and the role's own settings.
    found["client_encoding"] = "utf8"
    return found, str(found.pop("options", ""))


def set_config(settings: Mapping[str, str], *, for_transaction: bool) -> tuple[str, tuple[Any, ...]]:
    """An SQL expression that makes settings, until the transaction or the session ends, and its values."""
    calls = ", ".join(["set_config(%s, %s, %s)"] * len(settings))
    values = [part for name, value in settings.items() for part in (name, value, for_transaction)]
    return f"ARRAY[{calls}]::text[]", tuple(values)


def is_pooled(connection: Connection) -> bool:
    """Whether a pooler is between this connection and the server."""
    return "is_pooled" in connection.info


def pooler_mode(url: URL) -> PoolMode | None:
    """The mode of the pooler that a URL leads to, None where it leads to a server. Raises psycopg2.OperationalError."""
    connect, _ = libpq_parameters(url)
    with closing(psycopg2.connect(**connect, options="")) as connection:
        with answer_timeout(connection):
            is_direct = _ask(connection, "SELECT pg_backend_pid()", ())[0] == connection.info.backend_pid
        return None if is_direct else _mode_of(connection, connect)


def _mode_of(connection: Any, connect: dict[str, Any]) -> PoolMode:
    connection.autocommit = True
    mode = pool_mode(connection, {**connect, "options": ""})
    connection.autocommit = False
    return mode


def transaction_mode_error() -> Unavailable:
    """The refusal of what needs a session, such as a migration, where there is none."""
    what = (
        "This address leads to a connection pooler in transaction mode, which keeps no lock longer than a transaction."
    )
    return Unavailable(f"{what} Set MIGRATION_DATABASE_URL to the server's own address.", code="transaction_mode")


@contextmanager
def dedicated_session(engine: Engine) -> Iterator[Connection]:
    """A connection whose locks and settings end with the block, also where a pooler keeps the server's session."""
    with engine.connect() as connection:
        try:
            yield connection
        finally:
            _leave(connection)


def _leave(connection: Connection) -> None:
    if connection.closed or connection.invalidated or not is_pooled(connection):
        return
    driver: Any = connection.connection.dbapi_connection
    # A session that cannot be reached is not given to another client either.
    with suppress(psycopg2.Error):
        driver.rollback()
        _ask(driver, "DISCARD ALL", ())


def session_facts(connection: Connection) -> SessionFacts:
    """What holds on this connection; with one of `db.reading()`, what holds for the console."""
    return SessionFacts(is_pooled(connection), *connection.execute(sa.text(FACTS)).one())


def database_identity(connection: Connection) -> tuple[Any, ...]:
    """What two connections have in common if and only if they lead to the same database and schema."""
    return (*connection.execute(sa.text(IDENTITY)).one(), connection.scalar(sa.text("SELECT current_schema()")))


@contextmanager
def autocommit(connection: Connection) -> Iterator[None]:
    """Let each statement be its own transaction, without BEGIN and ROLLBACK, where a connection has its own session."""
    # Not by SQLAlchemy's isolation level: to reset that it asks the server, and where the server has gone by then, the
    # connection is never returned to the pool.
    if connection.dialect.name != "postgresql" or is_pooled(connection):
        yield
        return
    driver: Any = connection.connection.dbapi_connection
    driver.autocommit = True
    try:
        yield
    finally:
        if not driver.closed:
            driver.autocommit = False


def _ask(driver: Any, statement: str, values: tuple[Any, ...]) -> tuple[Any, ...]:
    driver.autocommit = True
    with driver.cursor() as cursor:
        cursor.execute(statement, values or None)
        row: tuple[Any, ...] = cursor.fetchone() if cursor.description else ()
    driver.autocommit = False
    return row


@event.listens_for(Engine, "handle_error")
def _leave_what_is_read_only(context: Any) -> None:
    # A primary that became a standby: every connection of the pool leads to it, and none to the new primary.
    if getattr(context.original_exception, "pgcode", None) == READ_ONLY:
        context.is_disconnect = True


@event.listens_for(Engine, "begin")
def _begin_pooled(connection: Connection) -> None:
    if statement := connection.info.get(BEGINS_WITH):
        connection.exec_driver_sql(*statement)
