"""Creates an empty scratch database for a rehearsal, and removes it at the end, also after an error."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa
from alembic.util import CommandError
from sqlalchemy.engine import URL, Connection
from sqlalchemy.exc import DBAPIError

from agents_app.database.quoting import quote_if_needed, quote_name
from agents_app.database.url import schema_of, with_schema
from agents_app.dbtools.database.connections import autocommit_connection, connect, create_file_or_schema
from agents_app.dbtools.database.schema import current_schema
from agents_app.dbtools.output import print_progress

NOT_EMPTY = "The scratch database must be empty, and must not be the database in DATABASE_URL."
INSUFFICIENT_PRIVILEGE = "42501"
OWN_SESSIONS = (
    "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = :name AND usename = current_user"
)
# A running rehearsal need not be connected to its copy, so it cannot be detected.
LEFT = "was left by a killed rehearsal, unless a rehearsal is still running."
LEFT_DATABASES = "SELECT datname FROM pg_database WHERE starts_with(datname, :start) ORDER BY 1"
DATABASE_OPTIONS = """
SELECT format('ENCODING %L LC_COLLATE %L LC_CTYPE %L', pg_encoding_to_char(encoding), datcollate, datctype)
FROM pg_database WHERE datname = current_database()
"""
# Objects other than tables that a backup may contain, in the syntax of DROP.
OTHER_OBJECTS = """
SELECT 'EXTENSION IF EXISTS ' || quote_ident(extname) FROM pg_extension
UNION SELECT 'SCHEMA IF EXISTS ' || quote_ident(nspname) FROM pg_namespace WHERE nspname !~ '^pg_'
UNION SELECT 'ROUTINE IF EXISTS ' || CAST(oid AS regprocedure) FROM pg_proc
WHERE pronamespace = to_regnamespace(quote_ident(current_schema()))
UNION SELECT 'SEQUENCE IF EXISTS ' || CAST(oid AS regclass) FROM pg_class
WHERE relkind = 'S' AND relnamespace = to_regnamespace(quote_ident(current_schema()))
UNION SELECT 'TYPE IF EXISTS ' || CAST(oid AS regtype) FROM pg_type
WHERE typtype IN ('e', 'd', 'r') AND typnamespace = to_regnamespace(quote_ident(current_schema()))
"""


@contextmanager
def scratch_database(url: URL, given: URL | None, folder: Path) -> Iterator[URL]:
    """Yield the URL of an empty database of the same type: `given`, which is emptied at the end, or a new one.

    Raises CommandError if it cannot be created or is not empty.
    """
    if given is not None:
        with _given_database(url, given) as scratch_url:
            yield scratch_url
    elif url.get_backend_name() == "sqlite":
        yield URL.create("sqlite", database=str(folder / "scratch.sqlite"))
    else:
        with _new_database(url) as scratch_url:
            yield scratch_url


@contextmanager
def _new_database(url: URL) -> Iterator[URL]:
    start = f"{(url.database or '')[:40]}_scratch_"
    name = f"{start}{uuid.uuid4().hex[:8]}"
    try:
        with autocommit_connection(url) as connection:
            for left in connection.scalars(sa.text(LEFT_DATABASES), {"start": start}):
                print_progress(f"The database {left} {LEFT} To remove it: DROP DATABASE {quote_name(connection, left)}")
            # The same encoding and locale as the real database.
            options = connection.scalar(sa.text(DATABASE_OPTIONS))
            connection.exec_driver_sql(f"CREATE DATABASE {quote_name(connection, name)} {options} TEMPLATE template0")
    except DBAPIError as error:
        if getattr(error.orig, "pgcode", None) != INSUFFICIENT_PRIVILEGE:
            raise
        role = f"ALTER ROLE {quote_if_needed(url.username or '')} CREATEDB"
        raise CommandError(
            f"This role may not create databases. Allow it ({role}), or give an empty database with --scratch-url."
        ) from error
    try:
        yield url.set(database=name)
    except BaseException:
        # The original error is more useful than an error of the removal.
        try:
            _drop(url, name)
        except DBAPIError:
            remove_sql = f"DROP DATABASE IF EXISTS {quote_if_needed(name)}"
            print_progress(f"The database {name} could not be removed. To remove it: {remove_sql}")
        raise
    _drop(url, name)


def _drop(url: URL, name: str) -> None:
    # An ordinary role may not use WITH (FORCE) while autovacuum runs there. Without FORCE, autovacuum stops by itself.
    with autocommit_connection(url) as connection:
        connection.execute(sa.text(OWN_SESSIONS), {"name": name})
        connection.exec_driver_sql(f"DROP DATABASE {quote_name(connection, name)}")


@contextmanager
def _given_database(url: URL, given: URL) -> Iterator[URL]:
    if given.get_backend_name() != url.get_backend_name():
        raise CommandError("The scratch database must have the same type as the database in DATABASE_URL.")
    given = _with_same_schema(url, given)
    if given.set(password=None) == url.set(password=None):
        raise CommandError(NOT_EMPTY)
    has_new_schema = create_file_or_schema(given)
    with connect(given) as connection:
        tables = sa.inspect(connection).get_table_names()
        before = _other_objects(connection)
    if tables:
        raise CommandError(NOT_EMPTY)
    try:
        yield given
    finally:
        with connect(given) as connection:
            _drop_all(connection, before)
            if has_new_schema:
                connection.exec_driver_sql(f"DROP SCHEMA {quote_name(connection, current_schema(connection))} CASCADE")
            connection.commit()


def _with_same_schema(url: URL, given: URL) -> URL:
    # A backup of a schema can only be restored into a schema with the same name.
    schema = schema_of(url)
    try:
        return given if schema is None else with_schema(given, schema)
    except ValueError as error:
        raise CommandError(f"The scratch database {error}") from None


def _other_objects(connection: Connection) -> set[str]:
    return set(connection.scalars(sa.text(OTHER_OBJECTS))) if connection.dialect.name == "postgresql" else set()


def _drop_all(connection: Connection, before: set[str]) -> None:
    is_postgresql = connection.dialect.name == "postgresql"
    if not is_postgresql:
        connection.exec_driver_sql("PRAGMA defer_foreign_keys = ON")
    cascade = " CASCADE" if is_postgresql else ""
    for table in sa.inspect(connection).get_table_names():
        connection.exec_driver_sql(f"DROP TABLE IF EXISTS {quote_name(connection, table)}{cascade}")
    for name in sorted(_other_objects(connection) - before):
        connection.exec_driver_sql(f"DROP {name} CASCADE")
