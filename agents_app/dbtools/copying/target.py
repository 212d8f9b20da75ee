"""The database that a copy is written to: another one than the console's, without rows, at the same revision."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy.engine import URL, Connection

from agents_app.database.session import database_identity
from agents_app.database.url import printable_url
from agents_app.db import INSTANCE_FOLDER
from agents_app.dbtools.copying.rows import NOTHING_COPIED
from agents_app.dbtools.database.advice import SETTING
from agents_app.dbtools.database.connections import connect, connect_without_schema, create_file_or_schema
from agents_app.dbtools.database.encoding import require_utf8
from agents_app.dbtools.database.read_only import require_writable
from agents_app.dbtools.output import print_progress
from agents_app.dbtools.position import read_position, require_no_table_conflict
from agents_app.dbtools.records.tables import TABLES
from agents_app.dbtools.runner.error_messages import readable_errors

# The steps that create the tables write to these, and the copy replaces what they wrote.
RECORDS = {table.name for table in TABLES}
SAME = "--to names the console's own database. Name another one, or another schema of it: --schema NAME"
DEFERRABLE = """
SELECT format('ALTER TABLE %I ALTER CONSTRAINT %I', relname, conname)
FROM pg_constraint JOIN pg_class ON pg_class.oid = conrelid
WHERE contype = 'f' AND NOT condeferrable AND relname = ANY(:tables)
AND relnamespace = to_regnamespace(quote_ident(current_schema()))
"""
SEQUENCES = """
SELECT relname, attname, pg_get_serial_sequence(quote_ident(relname), attname)
FROM pg_class JOIN pg_attribute ON attrelid = pg_class.oid AND attnum > 0 AND NOT attisdropped
WHERE relname = ANY(:tables) AND relnamespace = to_regnamespace(quote_ident(current_schema()))
AND pg_get_serial_sequence(quote_ident(relname), attname) IS NOT NULL
"""

SET_VALUE = sa.text("SELECT setval(CAST(:sequence AS regclass), :value)")


@contextmanager
def naming_target(url: URL) -> Iterator[None]:
    """Raise CommandError for errors of the target. Where advice names a setting, it names `--to`."""
    try:
        with readable_errors(url):
            yield
    except CommandError as error:
        text = str(error)
        for name in (SETTING, "MIGRATION_DATABASE_URL", "DATABASE_URL"):
            text = text.replace(name, "--to")
        raise CommandError(text) from error


def require_usable(source: Connection, target: URL, script: ScriptDirectory, tables: list[sa.Table]) -> None:
    """Raise CommandError or Unavailable, and change nothing, if the target is the source or cannot get the copy."""
    if target.get_backend_name() == "sqlite":
        path = Path(target.database or "")
        if path.parent != INSTANCE_FOLDER and not path.parent.is_dir():
            raise CommandError(f"There is no folder {path.parent}. {NOTHING_COPIED}")
        if not path.exists():
            return
        if source.dialect.name == "sqlite" and path.samefile(source.engine.url.database or ""):
            raise CommandError(SAME)
    with connect_without_schema(target) as connection:
        is_postgresql = connection.dialect.name == "postgresql"
        if is_postgresql and source.dialect.name == "postgresql" and _is_same(connection, source):
            raise CommandError(SAME)
        if is_postgresql and connection.scalar(sa.text("SELECT current_schema()")) is None:
            # The schema is created later.
            return
        require_utf8(connection)
        require_writable(connection)
        position = read_position(connection, script)
        if position.is_ahead:
            what = f"{printable_url(target)} is at {position.current}, which is from a newer release."
            raise CommandError(f"{what} {NOTHING_COPIED}")
        require_no_table_conflict(connection, script, position)
        require_no_rows(connection, tables)


def _is_same(one: Connection, other: Connection) -> bool:
    return database_identity(one) == database_identity(other)


def require_no_rows(connection: Connection, tables: list[sa.Table]) -> None:
    """Raise CommandError if one of the tables has rows. The records of deployments do not count."""
    present = set(sa.inspect(connection).get_table_names())
    for table in tables:
        if table.name in present - RECORDS and connection.scalar(sa.select(sa.literal(1)).select_from(table).limit(1)):
            what = f"{printable_url(connection.engine.url)} is not empty: {table.name} has rows."
            raise CommandError(f"{what} Name a new database, or on PostgreSQL a new schema. {NOTHING_COPIED}")


def create_tables(target: URL, script: ScriptDirectory, config: Config) -> None:
    """Apply every pending step to the target. One that is interrupted continues with the next call."""
    create_file_or_schema(target)
    with connect(target) as connection:
        if not read_position(connection, script).pending:
            return
    print_progress(f"Creating the tables in {printable_url(target)}.")
    config.attributes |= {"database_url": target, "console_url": None, "command": "copy", "report": lambda _line: None}
    command.upgrade(config, "head")


@contextmanager
def unordered_rows(connection: Connection, tables: list[sa.Table]) -> Iterator[None]:
    """Let rows of these tables refer to rows that are inserted later in the block. SQLite checks them at the end."""
    found = []
    if connection.dialect.name == "postgresql":
        found = list(connection.scalars(sa.text(DEFERRABLE), {"tables": [table.name for table in tables]}))
        for alter in found:
            connection.exec_driver_sql(f"{alter} DEFERRABLE")
        connection.exec_driver_sql("SET CONSTRAINTS ALL DEFERRED")
    yield
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql("SET CONSTRAINTS ALL IMMEDIATE")
        for alter in found:
            connection.exec_driver_sql(f"{alter} NOT DEFERRABLE")


def set_sequences(connection: Connection, tables: list[sa.Table]) -> None:
    """Let the sequences of the tables continue after the greatest number in use. SQLite does this by itself."""
    if connection.dialect.name != "postgresql":
        return
    by_name = {table.name: table for table in tables}
    for table, column, sequence in connection.execute(sa.text(SEQUENCES), {"tables": list(by_name)}).all():
        greatest = connection.scalar(sa.select(sa.func.max(by_name[table].c[column])))
        if greatest is not None:
            connection.execute(SET_VALUE, {"sequence": sequence, "value": greatest})
