"""Opens PostgreSQL sessions, sets their limits, and detects a connection pooler in between.

libpq gets a backend process id when it connects (PQbackendPID), and pg_backend_pid() returns the id of the process that
answers a query. They differ behind a pooler that invents the first one: PgBouncer, pgcat, Odyssey and Supavisor do. A
proxy that only forwards bytes (HAProxy, a tunnel), or that starts a server session with the client's own parameters
(Pgpool-II), behaves like the server itself. A proxy that invents ids but keeps sessions is treated as a pooler, which
costs one statement per transaction. Amazon does not document what its RDS Proxy does. Both cases work there, because it
keeps the session of a client that has set something.

On a direct connection, the URL's `options` are sent to the server unchanged, and limits are set once after connecting.
Through a pooler, nothing is set for longer than a transaction, because another client may get the session next, and
`options` are never sent: PgBouncer refuses them, or silently drops them if `ignore_startup_parameters` names them.
There, each transaction begins by setting the options and the limits. This is correct in session mode and in transaction
mode. Only migrations need to know the mode, because they need a session of their own.
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
# The option of a statement whose transaction is read-only by choice.
READS_ONLY = "reads_only"

# The array is evaluated only on a direct connection.
DETECT_AND_SET = "SELECT pg_backend_pid() = %s, CASE WHEN pg_backend_pid() = %s THEN {} END"
FACTS = """
SELECT current_setting('statement_timeout'), current_setting('lock_timeout'), current_schema(),
    pg_encoding_to_char(encoding) FROM pg_database WHERE datname = current_database()
"""
# Equal on all connections to one database, through any address; a standby or a copy has another start time.
IDENTITY = "SELECT pg_postmaster_start_time(), oid FROM pg_database WHERE datname = current_database()"


@dataclass(frozen=True)
class SessionFacts:
    """The settings that apply in a transaction.

    Limits are in the server's format (`5s`). `schema` is the one in which tables are found, None if it does not exist.
    """

    is_pooled: bool
    statement_timeout: str
    lock_timeout: str
    schema: str | None
    encoding: str


class SessionCreator:
    """Opens the PostgreSQL connections of an engine (SQLAlchemy's `creator`).

    `limits` are settings that apply unless the URL's `options` set them. With `keeps_session`, settings through a
    pooler last as long as the session (see `dedicated_session`), and transaction mode is refused.
    """

    def __init__(
        self, url: URL, application: str, limits: Mapping[str, str] | None = None, *, keeps_session: bool = False
    ) -> None:
        self._connect, self._options = libpq_parameters(url)
        self._connect["application_name"] = application
        self._limits = dict(limits or {})
        # psycopg2 always uses UTF-8, see `libpq_parameters`.
        self._url_settings = {name: value for name, value in session_settings(url).items() if name != "client_encoding"}
        self._keeps_session = keeps_session
        self._is_direct = False

    def __call__(self, connection_record: Any) -> Any:
        """Open a connection. Raises psycopg2.OperationalError, and Unavailable if a pooler cannot keep a session."""
        connection = self._open()
        try:
            is_direct = self._detect_and_set_limits(connection)
            if is_direct and self._options and not self._is_direct:
                # No pooler can refuse or drop the options, so connect again with them.
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
            # The address may belong to a pooler now.
            self._is_direct = False
            raise

    def _detect_and_set_limits(self, connection: Any) -> bool:
        # One statement, which sets nothing behind a pooler: the setting would reach another client.
        process = connection.info.backend_pid
        limits = {name: value for name, value in self._limits.items() if name not in self._url_settings}
        calls, values = set_config_sql(limits, for_transaction=False)
        with answer_timeout(connection):
            return bool(_execute(connection, DETECT_AND_SET.format(calls), (process, process, *values))[0])

    def _prepare_pooled(self, connection: Any, record: Any) -> None:
        settings = {**self._limits, **self._url_settings}
        if self._keeps_session:
            if _find_mode(connection, self._connect) == "transaction":
                raise transaction_mode_error()
            calls, values = set_config_sql(settings, for_transaction=False)
            _execute(connection, f"SELECT {calls}", values)
        else:
            connection.cursor_factory = PooledCursor
            calls, values = set_config_sql(settings, for_transaction=True)
            record.info[BEGINS_WITH] = (f"SELECT {calls}", values)
        record.info["is_pooled"] = True


def libpq_parameters(url: URL) -> tuple[dict[str, Any], str]:
    """Return the libpq parameters of a URL without `options`, and the `options`."""
    dialect = url.get_dialect()()
    connect: dict[str, Any] = {"connect_timeout": CONNECT_TIMEOUT_S, **dialect.create_connect_args(url)[1]}
    # This overrides PGCLIENTENCODING, `options` and the role's own settings.
    connect["client_encoding"] = "utf8"
    return connect, str(connect.pop("options", ""))


def set_config_sql(settings: Mapping[str, str], *, for_transaction: bool) -> tuple[str, tuple[Any, ...]]:
    """Return an SQL expression that sets these settings for the transaction or for the session, and its values."""
    calls = ", ".join(["set_config(%s, %s, %s)"] * len(settings))
    values = [part for name, value in settings.items() for part in (name, value, for_transaction)]
    return f"ARRAY[{calls}]::text[]", tuple(values)


def is_pooled(connection: Connection) -> bool:
    """Return whether this connection goes through a pooler."""
    return "is_pooled" in connection.info


def pooler_mode(url: URL) -> PoolMode | None:
    """Return the mode of the pooler at a URL, None if there is no pooler. Raises psycopg2.OperationalError."""
    connect, _ = libpq_parameters(url)
    with closing(psycopg2.connect(**connect, options="")) as connection:
        with answer_timeout(connection):
            is_direct = _execute(connection, "SELECT pg_backend_pid()", ())[0] == connection.info.backend_pid
        return None if is_direct else _find_mode(connection, connect)


def _find_mode(connection: Any, connect: dict[str, Any]) -> PoolMode:
    connection.autocommit = True
    mode = pool_mode(connection, {**connect, "options": ""})
    connection.autocommit = False
    return mode


def transaction_mode_error() -> Unavailable:
    """Return the error for work that needs a session, such as a migration, through a pooler in transaction mode."""
    problem = "This address belongs to a connection pooler in transaction mode, where locks end with each transaction."
    return Unavailable(f"{problem} Set MIGRATION_DATABASE_URL to the server's own address.", code="transaction_mode")


@contextmanager
def dedicated_session(engine: Engine) -> Iterator[Connection]:
    """Connect, and discard the session's locks and settings at the end, even if a pooler keeps the session open."""
    with engine.connect() as connection:
        try:
            yield connection
        finally:
            _discard_session_state(connection)


def _discard_session_state(connection: Connection) -> None:
    if connection.closed or connection.invalidated or not is_pooled(connection):
        return
    driver: Any = connection.connection.dbapi_connection
    # If the session cannot be reached, no other client gets it either.
    with suppress(psycopg2.Error):
        driver.rollback()
        _execute(driver, "DISCARD ALL", ())


def session_facts(connection: Connection) -> SessionFacts:
    """Return the settings of this connection. Pass one of `db.reading()` for the settings of the console."""
    return SessionFacts(is_pooled(connection), *connection.execute(sa.text(FACTS)).one())


def database_identity(connection: Connection) -> tuple[Any, ...]:
    """Return values that are equal for two connections only if both use the same database and schema."""
    return (*connection.execute(sa.text(IDENTITY)).one(), connection.scalar(sa.text("SELECT current_schema()")))


def _execute(driver: Any, statement: str, values: tuple[Any, ...]) -> tuple[Any, ...]:
    driver.autocommit = True
    with driver.cursor() as cursor:
        cursor.execute(statement, values or None)
        row: tuple[Any, ...] = cursor.fetchone() if cursor.description else ()
    driver.autocommit = False
    return row


@event.listens_for(Engine, "handle_error")
def _disconnect_from_read_only_server(context: Any) -> None:
    # If a primary became a standby, no pooled connection leads to the new primary.
    options = context.execution_context.execution_options if context.execution_context else {}
    if getattr(context.original_exception, "pgcode", None) == READ_ONLY and READS_ONLY not in options:
        context.is_disconnect = True


@event.listens_for(Engine, "begin")
def _set_options_in_pooled_transaction(connection: Connection) -> None:
    if statement := connection.info.get(BEGINS_WITH):
        connection.exec_driver_sql(*statement)
