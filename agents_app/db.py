"""How the console talks to its database: engine, column types, names of constraints, reading and writing.

No table is defined here (see `models/`) and no rule (see `operations/`).
"""

import errno
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import event
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.engine import URL, Connection, Dialect, Engine
from sqlalchemy.orm import DeclarativeBase, Session

from agents_app.database.errors import MISSING_FILE, translate_driver_errors
from agents_app.database.session import SessionCreator, autocommit
from agents_app.paths import ROOT

# Where the SQLite database stands unless DATABASE_URL says otherwise.
INSTANCE_FOLDER = ROOT / "instance"

POOL_TIMEOUT_S = 3
STATEMENT_TIMEOUT_MS = 5_000
LOCK_TIMEOUT_MS = 2_000

NAMING_CONVENTION = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}

Json = sa.JSON().with_variant(JSONB(), "postgresql")

# Byte order on both databases, so that the same rows come back in the same order.
ByteOrderedText = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


class UtcDateTime(sa.TypeDecorator[datetime]):
    """A time that is aware and in UTC on every database (SQLite gives times back without a zone)."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("A time without a zone cannot be stored.")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Base(DeclarativeBase):
    """The parent of every table's class."""

    metadata = sa.MetaData(naming_convention=NAMING_CONVENTION)


class Database(SQLAlchemy):
    """Flask-SQLAlchemy's engine handling, with one way to read and one way to write."""

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A Core connection for SELECTs, each its own transaction: no BEGIN and no ROLLBACK round trip.

        Through a pooler they are one transaction, since limits hold in transactions only there.
        """
        reading = self.engine.execution_options(console_begin="")
        with translate_driver_errors(), reading.connect() as connection, autocommit(connection):
            yield connection

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        """A session that commits when the block ends and rolls back when it raises: the only way to write.

        Raises Conflict when a constraint says no, StorageFull and Unavailable when the database fails.
        """
        writing = self.engine.execution_options(console_begin="BEGIN IMMEDIATE")
        with translate_driver_errors(), Session(writing, expire_on_commit=False) as session, session.begin():
            yield session

    def close_pool(self) -> None:
        """Close the pool, so that processes that are forked now do not share its connections."""
        self.engine.dispose()


db = Database(model_class=Base)


def now() -> datetime:
    """The present time, aware and in UTC."""
    return datetime.now(UTC)


def lock_table(session: Session, table: type[Base]) -> None:
    """Keep every other writer off this table until the transaction ends (SQLite's writers are alone already)."""
    if session.get_bind().dialect.name == "postgresql":
        session.execute(sa.text(f"LOCK TABLE {table.__tablename__} IN SHARE ROW EXCLUSIVE MODE"))


def engine_options(url: URL, pool_size: int) -> dict[str, Any]:
    """What `create_engine` needs for this database: one pool, short patience."""
    options: dict[str, Any] = {
        "pool_size": pool_size,
        "max_overflow": 0,
        "pool_timeout": POOL_TIMEOUT_S,
        "pool_pre_ping": True,
        "hide_parameters": True,
    }
    if url.get_backend_name() == "postgresql":
        limits = {
            "statement_timeout": str(STATEMENT_TIMEOUT_MS),
            "lock_timeout": str(LOCK_TIMEOUT_MS),
            "timezone": "UTC",
        }
        options["creator"] = SessionCreator(url, "agent-console", limits)
    else:
        options["connect_args"] = {"timeout": LOCK_TIMEOUT_MS / 1000}
    return options


def create_sqlite_file(url: URL) -> None:
    """Make the file of an SQLite URL, readable by its owner alone, where it is missing. Raises OSError.

    Of folders only our own `instance/` is made: any other that is missing is a slip in DATABASE_URL.
    """
    if url.get_backend_name() != "sqlite" or url.database is None:
        return
    path = Path(url.database)
    if path.parent == INSTANCE_FOLDER:
        path.parent.mkdir(exist_ok=True)
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))


@event.listens_for(Engine, "do_connect")
def _refuse_missing_sqlite_file(dialect: Dialect, _record: object, arguments: list[Any], _options: object) -> None:
    # SQLite itself would make an empty database, which everybody may read, of any slip in its name.
    path = Path(arguments[0]) if dialect.name == "sqlite" and arguments[0] != ":memory:" else None
    if path and not path.exists():
        has_folder = path.parent == INSTANCE_FOLDER or path.parent.is_dir()
        raise sqlite3.OperationalError(MISSING_FILE if has_folder else os.strerror(errno.ENOENT))


@event.listens_for(Engine, "connect")
def _prepare_sqlite_connection(dbapi_connection: Any, _record: object) -> None:
    if not isinstance(dbapi_connection, sqlite3.Connection):
        return
    # The driver must not begin transactions by itself: `_begin_on_sqlite` does.
    dbapi_connection.isolation_level = None
    # SQLite ignores foreign keys unless every connection asks for them.
    dbapi_connection.execute("PRAGMA foreign_keys = ON")
    dbapi_connection.execute("PRAGMA journal_mode = WAL")


@event.listens_for(Engine, "begin")
def _begin_on_sqlite(connection: Connection) -> None:
    # A deferred BEGIN that later writes fails at once when another writer came between, so writers say IMMEDIATE.
    if connection.dialect.name == "sqlite":
        statement = connection.get_execution_options().get("console_begin", "BEGIN")
        if statement:
            connection.exec_driver_sql(statement)
