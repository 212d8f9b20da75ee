"""Backup and restore of a PostgreSQL database with pg_dump and pg_restore."""

import os
import re
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import sqlalchemy as sa
from alembic.util import CommandError
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError

from agents_app.database.quoting import quote_name
from agents_app.database.url import schema_of
from agents_app.dbtools.backup.dump_scope import dump_scope
from agents_app.dbtools.backup.pg_programs import find_program, run_program, run_script
from agents_app.dbtools.database import trigrams
from agents_app.dbtools.database.connections import (
    connect,
    connect_without_schema,
    create_file_or_schema,
    url_for_programs,
)
from agents_app.dbtools.database.schema import current_schema
from agents_app.dbtools.output import print_progress, progress_bar
from agents_app.dbtools.position import migrations_folder
from agents_app.dbtools.version_table import VERSION_TABLE
from agents_app.paths import COMMAND

MAGIC = b"PGDMP"
SUFFIX = ".dump"
LOCK_WAIT_MS = 60_000

TABLES = """
SELECT nspname || '.' || relname FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
WHERE relkind IN ('r', 'p') AND nspname = ANY(:schemas)
"""
# Lines of the list that `pg_restore --list` prints.
LISTED_TABLE = re.compile(r"^\d+; \d+ \d+ TABLE (?!DATA )(\S+) (\S+) ", re.MULTILINE)
LISTED_EXTENSION = re.compile(r"^\d+; \d+ \d+ EXTENSION - (\S+)")
# Entries that describe the file itself.
FILE_ENTRY = re.compile(r"^;|^\d+; \d+ \d+ (ENCODING|STDSTRINGS|SEARCHPATH) - ")
ENTRY_IN_SCHEMA = r"^\d+; \d+ \d+ [A-Z ]+ {} "
# The first version that has the setting. From it on, pg_restore sets it before everything else, also for older servers.
HAS_TRANSACTION_TIMEOUT = 17
# The index of a search can be left out. Its operator class is that of an extension, and named with its schema.
SEARCH_INDEX = re.compile(rf"^\d+; \d+ \d+ INDEX \S+ ({trigrams.PREFIX}\S+) ")
SEARCH_INDEX_SQL = b"CREATE INDEX " + trigrams.PREFIX.encode()
OPERATOR_CLASS = re.compile(rb'("([^"]|"")+"|\w+)\.gin_trgm_ops')
SKIPPED_INDEX = "Skipped the index {name}: a search works without it, and takes longer. See: {command} doctor"
# CREATE EXTENSION sets the comment itself, and only the extension's owner may change it.
EXTENSION_COMMENT = re.compile(r"^\d+; \d+ \d+ COMMENT - EXTENSION ")


def write(url: URL, path: Path) -> None:
    """Write the console's part of the database, in its current state, to an existing file, and verify it."""
    with connect(url) as connection:
        scope = dump_scope(connection, migrations_folder())
        tables = connection.scalars(sa.text(TABLES), {"schemas": scope.schemas}).all()
    pg_dump = find_program("pg_dump", _server_version(url))
    command = [pg_dump, "--format=custom", "--verbose", "--encoding=UTF8", *scope.arguments]
    with progress_bar("Backup", len(tables)) as advance:
        run_program(
            [*command, f"--lock-wait-timeout={LOCK_WAIT_MS}", f"--file={path}"],
            url_for_programs(url),
            lambda line: advance("dumping contents of table" in line),
        )
    verify(url, path)


def verify(url: URL, path: Path) -> None:
    """Read a whole backup. Raises CommandError if it is damaged."""
    try:
        run_program([find_program("pg_restore", _server_version(url)), f"--file={os.devnull}", str(path)])
    except CommandError as error:
        raise CommandError(f"{path} is damaged: {error}") from error


def existing_tables(url: URL, path: Path) -> list[str]:
    """Return the tables of the backup that already exist in the database.

    Raises CommandError if the backup is from a console in another schema.
    """
    pg_restore = find_program("pg_restore", _server_version(url))
    listed = LISTED_TABLE.findall(run_program([pg_restore, "--list", str(path)]))
    with connect_without_schema(url) as connection:
        own = schema_of(url) or current_schema(connection)
        schemas = sorted({schema for schema, _ in listed})
        present = set(connection.scalars(sa.text(TABLES), {"schemas": [own] if schema_of(url) else schemas}))
    consoles = [schema for schema, table in listed if table == VERSION_TABLE.name]
    if consoles and own not in consoles:
        raise CommandError(f"{path} is from a console in the schema {consoles[0]}, {_other_schema(own, consoles[0])}")
    return sorted({f"{schema}.{table}" for schema, table in listed} & present)


def _other_schema(own: str, other: str) -> str:
    setting = "without DATABASE_SCHEMA" if other == "public" else f"with DATABASE_SCHEMA={other}"
    return f"and this console uses {own}. Restore it {setting}, then rename it: ALTER SCHEMA ... RENAME TO ..."


def restore(url: URL, path: Path) -> None:
    """Restore a backup in one transaction, without extensions that this role may not create.

    If the URL names a schema, it is created first, and only this schema is restored.
    """
    server = _server_version(url)
    pg_restore, psql = find_program("pg_restore", server), find_program("psql", server)
    listed = run_program([pg_restore, "--list", str(path)])
    table_count = len(LISTED_TABLE.findall(listed))
    create_file_or_schema(url)
    command = [pg_restore, "--file=-", "--single-transaction", "--no-owner", "--no-privileges"]
    with tempfile.NamedTemporaryFile("w", encoding="utf-8") as entries, progress_bar("Restore", table_count) as advance:
        entries.writelines(_select_entries(url, listed))
        entries.flush()
        with connect(url) as connection:
            operator_class = trigrams.operator_class(connection)
        try:
            run_script(
                [*command, f"--use-list={entries.name}", str(path)],
                psql,
                url_for_programs(url),
                lambda lines: _name_operator_class(_select_lines(lines, server, advance), operator_class),
            )
        except CommandError as error:
            raise CommandError(f"{error} Nothing was changed.") from error


def _select_lines(lines: Iterable[bytes], server: int, advance: Callable[[int], None]) -> Iterator[bytes]:
    """The SQL of pg_restore, without a setting that the server does not know."""
    is_head = True
    for line in lines:
        is_head = is_head and not line.startswith(b"SET client_encoding")
        if line.startswith(b"COPY ") and line.endswith(b" FROM stdin;\n"):
            advance(1)
        if not is_head or server >= HAS_TRANSACTION_TIMEOUT or not line.startswith(b"SET transaction_timeout"):
            yield line


def _name_operator_class(lines: Iterable[bytes], operator_class: str | None) -> Iterator[bytes]:
    """The SQL of pg_restore. The indexes of a search name what the database had before it, wherever that is."""
    named = operator_class.encode().replace(b"\\", rb"\\") if operator_class is not None else rb"\g<0>"
    is_data = False
    for line in lines:
        is_data = line != b"\\.\n" if is_data else line.startswith(b"COPY ") and line.endswith(b" FROM stdin;\n")
        is_index = line.startswith(SEARCH_INDEX_SQL) and not is_data
        yield OPERATOR_CLASS.sub(named, line) if is_index else line


def _select_entries(url: URL, listed: str) -> Iterator[str]:
    lines = listed.splitlines(keepends=True)
    indexes = [line for line in lines if SEARCH_INDEX.match(line) and _is_in_schema(url, line)]
    fits = bool(indexes) and _can_have_indexes(url, lines)
    for line in lines:
        extension, index = LISTED_EXTENSION.match(line), SEARCH_INDEX.match(line)
        if extension and not _can_create_extension(url, extension[1]):
            print_progress(f"Skipped the extension {extension[1]}, because this role may not create it here.")
        elif index and line in indexes and not fits:
            print_progress(SKIPPED_INDEX.format(name=index[1], command=COMMAND))
        elif extension or (not EXTENSION_COMMENT.match(line) and _is_in_schema(url, line)):
            yield line


def _can_have_indexes(url: URL, lines: list[str]) -> bool:
    """Whether the database can have indexes of a search. If the backup lacks their extension, it is created here."""
    names = {extension[1] for line in lines if (extension := LISTED_EXTENSION.match(line))}
    with connect(url) as connection:
        if trigrams.operator_class(connection) is None and trigrams.EXTENSION in names:
            return _can_create_extension(url, trigrams.EXTENSION)
        is_possible = trigrams.missing_feature(connection) is None
        connection.commit()
    return is_possible


def _is_in_schema(url: URL, line: str) -> bool:
    schema = schema_of(url)
    if schema is None:
        return True
    return bool(FILE_ENTRY.match(line) or re.match(ENTRY_IN_SCHEMA.format(re.escape(schema)), line))


def _can_create_extension(url: URL, extension: str) -> bool:
    # Tried and rolled back, because the catalog of a managed server does not show what a role may create.
    with connect(url) as connection:
        try:
            connection.exec_driver_sql(f"CREATE EXTENSION IF NOT EXISTS {quote_name(connection, extension)} CASCADE")
        except DBAPIError:
            return False
        finally:
            connection.rollback()
    return True


def _server_version(url: URL) -> int:
    with connect_without_schema(url) as connection:
        return int(connection.exec_driver_sql("SHOW server_version_num").scalar_one()) // 10_000
