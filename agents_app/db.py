"""The console's database access: engine, column types, constraint names, reading and writing.

Tables are in `models/`, rules in `operations/`.
"""

import errno
import os
import sqlite3
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from flask import Flask, current_app, g, has_request_context
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import event
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.engine import URL, Connection, Dialect, Engine
from sqlalchemy.orm import DeclarativeBase, Session

from agents_app.database.errors import MISSING_FILE, translate_driver_errors
from agents_app.database.pool import NO_BEGIN, ConsoleConnection
from agents_app.database.quoting import quote_if_needed
from agents_app.database.session import SessionCreator
from agents_app.database.sqlite_connections import WRITE, WRITE_AT_ONCE, WriterRow
from agents_app.database.stored_json import read_json
from agents_app.paths import HOME

# The folder of the SQLite database, unless DATABASE_URL names another one.
INSTANCE_FOLDER = HOME / "instance"

# Where `g` has the connection of a request while no block uses it.
CONNECTION = "connection"
# Where an app has the row of those who write to its SQLite file.
WRITERS = "writers"
POOL_TIMEOUT_S = 3
STATEMENT_TIMEOUT_MS = 5_000
LOCK_TIMEOUT_MS = 2_000

# The `info` of a column that a migration fills by itself. `flask db restore-rows` keeps what was filled in, or replaces
# it, and so finds no newer values there.
FILLED = "filled"
KEEP_FILLED, REPLACE_FILLED = {FILLED: "keep"}, {FILLED: "replace"}

NAMING_CONVENTION = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}

# The `info` of the metadata of models, and of a CHECK of theirs that has no name.
OF_MODELS, UNNAMED = "of models", "unnamed"

Json = sa.JSON().with_variant(JSONB(), "postgresql")

# A column in which None means that there is nothing, not the null of JSON.
OptionalJson = sa.JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")

# Sorted by bytes on both databases, so that both return rows in the same order.
ByteOrderedText = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


class UtcDateTime(sa.TypeDecorator[datetime]):
    """An aware time in UTC on every database (SQLite returns times without a zone)."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("A time without a zone cannot be stored.")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None or value.tzinfo is UTC:
            return value
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Base(DeclarativeBase):
    """The base class of all models."""

    metadata = sa.MetaData(naming_convention=NAMING_CONVENTION, info={OF_MODELS: True})


@event.listens_for(sa.CheckConstraint, "before_parent_attach")
def _name_check(check: sa.CheckConstraint, parent: Any) -> None:
    # SQLAlchemy fails without naming the table. `flask db migrate` names it.
    if check.name is None and isinstance(parent, sa.Table) and parent.metadata.info.get(OF_MODELS):
        check.name, check.info[UNNAMED] = "without_a_name", True


class Database(SQLAlchemy):
    """Flask-SQLAlchemy's engine, with one way to read and one way to write."""

    has_committed = False
    """Whether this process has written: an error in what follows does not mean that nothing was changed."""

    def init_app(self, app: Flask) -> None:
        """As the method of SQLAlchemy. The connection of a request returns to the pool when the request ends."""
        super().init_app(app)
        app.extensions[WRITERS] = WriterRow()
        app.teardown_appcontext(_return_connection)

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A Core connection for SELECTs. Each is its own transaction, without round trips for BEGIN and ROLLBACK.

        Through a pooler all of them are one transaction, because limits apply only inside transactions there.
        """
        with translate_driver_errors(), self._connection(NO_BEGIN) as connection:
            yield connection

    @contextmanager
    def transaction(self, *, waits: bool = True) -> Iterator[Session]:
        """A session that commits at the end of the block and rolls back on an exception. The only way to write.

        One that does not wait is for what can be stored later: on SQLite it fails if another one writes just now.
        Raises Conflict if a constraint is violated, StorageFull or Unavailable if the database fails.
        """
        with (
            translate_driver_errors(),
            self._turn(waits=waits) as until,
            self._connection(WRITE if waits else WRITE_AT_ONCE, until) as connection,
            Session(connection, expire_on_commit=False) as session,
            session.begin(),
        ):
            # On SQLite the lock is taken here, before anything is read.
            session.connection()
            yield session
        self.has_committed = True

    def _turn(self, *, waits: bool) -> AbstractContextManager[float | None]:
        if self.engine.dialect.name != "sqlite":
            return nullcontext()
        writers: WriterRow = current_app.extensions[WRITERS]
        return writers.turn(LOCK_TIMEOUT_MS / 1000 if waits else 0)

    @contextmanager
    def _connection(self, begin: str, until: float | None = None) -> Iterator[Connection]:
        """The connection of the request, unless a block around this one uses it: then another one."""
        free: list[ConsoleConnection] | None = g.setdefault(CONNECTION, []) if has_request_context() else None
        is_taken = not free
        connection = free.pop() if free else ConsoleConnection(self.engine)
        try:
            if is_taken and begin != NO_BEGIN:
                connection.replace_if_dead()
            connection.start_block(begin, until)
            yield connection
            connection.end_block()
        except BaseException:
            connection.close()
            raise
        if free is None or free:
            connection.close()
        else:
            free.append(connection)

    def release(self) -> None:
        """Return the connection of the request to the pool, before the request waits for another program."""
        _return_connection(None)

    def close_pool(self) -> None:
        """Close the pool, so that forked processes do not share its connections."""
        self.engine.dispose()

    def close_pool_of(self, app: Flask) -> None:
        """Close the pool of an app whose process ends.

        SQLite then moves what was written into the database file, so that a copy of this file alone has everything.
        """
        with app.app_context():
            self.close_pool()


def _return_connection(_error: BaseException | None) -> None:
    for connection in g.pop(CONNECTION, []):
        connection.close()


db = Database(model_class=Base)


def now() -> datetime:
    """Return the current time, aware and in UTC."""
    return datetime.now(UTC)


def lock_table(session: Session, table: type[Base]) -> None:
    """Block other writers of this table until the transaction ends. SQLite has only one writer at a time anyway."""
    if session.get_bind().dialect.name == "postgresql":
        session.execute(sa.text(f"LOCK TABLE {quote_if_needed(table.__tablename__)} IN SHARE ROW EXCLUSIVE MODE"))


def engine_options(url: URL, pool_size: int) -> dict[str, Any]:
    """Return the options of `create_engine` for this database: one pool with short time limits."""
    options: dict[str, Any] = {
        "pool_size": pool_size,
        "max_overflow": 0,
        "pool_timeout": POOL_TIMEOUT_S,
        "hide_parameters": True,
        "json_deserializer": read_json,
    }
    if url.get_backend_name() == "postgresql":
        limits = {
            "statement_timeout": str(STATEMENT_TIMEOUT_MS),
            "lock_timeout": str(LOCK_TIMEOUT_MS),
            "timezone": "UTC",
            # With many rows, PostgreSQL would compile statements that read few of them, which takes seconds.
            "jit": "off",
        }
        options["creator"] = SessionCreator(url, "agent-console", limits)
    else:
        options["connect_args"] = {"timeout": LOCK_TIMEOUT_MS / 1000}
    return options


def create_sqlite_file(url: URL) -> None:
    """Create the file of an SQLite URL if it is missing, readable only by its owner. Raises OSError.

    Only the folder `instance/` is created: if another folder is missing, DATABASE_URL is probably wrong.
    """
    if url.get_backend_name() != "sqlite" or url.database is None:
        return
    path = Path(url.database)
    if path.parent == INSTANCE_FOLDER:
        path.parent.mkdir(exist_ok=True)
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))


@event.listens_for(Engine, "do_connect")
def _refuse_missing_sqlite_file(dialect: Dialect, _record: object, arguments: list[Any], _options: object) -> None:
    # For a mistyped name, SQLite itself would create an empty database that everyone can read.
    if dialect.name != "sqlite" or arguments[0] == ":memory:":
        return
    path = Path(arguments[0])
    try:
        path.stat()
    except FileNotFoundError:
        has_folder = path.parent == INSTANCE_FOLDER or path.parent.is_dir()
        raise sqlite3.OperationalError(f"{MISSING_FILE}: {path}" if has_folder else os.strerror(errno.ENOENT)) from None
    except OSError as error:
        raise sqlite3.OperationalError(error.strerror) from None
