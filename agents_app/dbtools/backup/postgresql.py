"""A whole PostgreSQL database into one file of pg_dump, and back."""

import os
import re
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import sqlalchemy as sa
from alembic.util import CommandError
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError

from agents_app.database.quoting import quote_name
from agents_app.database.url import schema_of
from agents_app.dbtools.backup.dump_scope import dump_scope
from agents_app.dbtools.backup.pg_programs import find_program, run_program
from agents_app.dbtools.database.connections import (
    connect,
    connect_without_schema,
    create_file_or_schema,
    url_for_programs,
)
from agents_app.dbtools.database.schema import current_schema
from agents_app.dbtools.output import print_progress, progress_bar
from agents_app.dbtools.position import VERSION_TABLE, migrations_folder

MAGIC = b"PGDMP"
SUFFIX = ".dump"
LOCK_WAIT_MS = 60_000

TABLES = """
SELECT nspname || '.' || relname FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
WHERE relkind IN ('r', 'p') AND nspname = ANY(:schemas)
"""
LISTED = re.compile(r"^\d+; \d+ \d+ TABLE (?!DATA )(\S+) (\S+) ", re.MULTILINE)
EXTENSION = re.compile(r"^\d+; \d+ \d+ EXTENSION - (\S+)")
# What belongs to no schema and is no matter of any program: how the file itself is to be read.
OF_THE_FILE = re.compile(r"^;|^\d+; \d+ \d+ (ENCODING|STDSTRINGS|SEARCHPATH) - ")
IN_SCHEMA = r"^\d+; \d+ \d+ [A-Z ]+ {} "
# An extension brings its comment along, and nobody but its owner may write another one.
ITS_COMMENT = re.compile(r"^\d+; \d+ \d+ COMMENT - EXTENSION ")


def write(url: URL, path: Path) -> None:
    """Write the console's part of the database as it is at this moment to a file that is there, and read it back."""
    with connect(url) as connection:
        scope = dump_scope(connection, migrations_folder())
        tables = connection.scalars(sa.text(TABLES), {"schemas": scope.schemas}).all()
    dump = [find_program("pg_dump", _server(url)), "--format=custom", "--verbose", "--encoding=UTF8", *scope.arguments]
    with progress_bar("Backup", len(tables)) as advance:
        run_program(
            [*dump, f"--lock-wait-timeout={LOCK_WAIT_MS}", f"--file={path}"],
            url_for_programs(url),
            lambda line: advance("dumping contents of table" in line),
        )
    check(url, path)


def check(url: URL, path: Path) -> None:
    """Read a backup from its beginning to its end. Raises CommandError where it is damaged."""
    try:
        run_program([find_program("pg_restore", _server(url)), f"--file={os.devnull}", str(path)])
    except CommandError as error:
        raise CommandError(f"{path} is damaged: {error}") from error


def tables_in_the_way(url: URL, path: Path) -> list[str]:
    """The tables that are in the backup and in the database too.

    Raises CommandError where the backup is of a console in another schema.
    """
    listed = LISTED.findall(run_program([find_program("pg_restore", _server(url)), "--list", str(path)]))
    with connect_without_schema(url) as connection:
        own = schema_of(url) or current_schema(connection)
        schemas = sorted({schema for schema, _ in listed})
        present = set(connection.scalars(sa.text(TABLES), {"schemas": [own] if schema_of(url) else schemas}))
    consoles = [schema for schema, table in listed if table == VERSION_TABLE.name]
    if consoles and own not in consoles:
        raise CommandError(f"{path} is of a console in the schema {consoles[0]}, {_not_here(own, consoles[0])}")
    return sorted({f"{schema}.{table}" for schema, table in listed} & present)


def _not_here(own: str, other: str) -> str:
    instead = "without DATABASE_SCHEMA" if other == "public" else f"with DATABASE_SCHEMA={other}"
    return f"and this one uses {own}. Restore it {instead}; ALTER SCHEMA ... RENAME TO ... then gives it another name."


def read(url: URL, path: Path) -> None:
    """Restore a backup: everything of the console in it but extensions that this role may not make.

    One transaction does it, in a schema that is made before where the URL names one.
    """
    restore = [find_program("pg_restore", _server(url)), "--exit-on-error", "--single-transaction", "--verbose"]
    listed = run_program([restore[0], "--list", str(path)])
    create_file_or_schema(url)
    with tempfile.NamedTemporaryFile("w", encoding="utf-8") as chosen, _bar(listed) as advance:
        chosen.writelines(_without_what_is_not_ours_to_make(url, listed))
        chosen.flush()
        try:
            run_program(
                [*restore, "--no-owner", "--no-privileges", f"--use-list={chosen.name}", str(path)],
                url_for_programs(url),
                lambda line: advance("processing data for table" in line),
            )
        except CommandError as refusal:
            raise CommandError(f"{refusal} Nothing was changed.") from refusal


def _bar(listed: str) -> AbstractContextManager[Callable[[int], None]]:
    return progress_bar("Restore", len(LISTED.findall(listed)))


def _without_what_is_not_ours_to_make(url: URL, listed: str) -> Iterator[str]:
    for line in listed.splitlines(keepends=True):
        extension = EXTENSION.match(line)
        if extension and not _may_make(url, extension[1]):
            print_progress(f"Left out the extension {extension[1]}, which this role may not make here.")
        elif extension or (not ITS_COMMENT.match(line) and _is_ours(url, line)):
            yield line


def _is_ours(url: URL, line: str) -> bool:
    # Where no schema is named, whatever was taken comes back.
    schema = schema_of(url)
    return schema is None or bool(OF_THE_FILE.match(line) or re.match(IN_SCHEMA.format(re.escape(schema)), line))


def _may_make(url: URL, extension: str) -> bool:
    # Tried, since what a role may do here is told by no catalog of a managed server.
    with connect(url) as connection:
        try:
            connection.exec_driver_sql(f"CREATE EXTENSION IF NOT EXISTS {quote_name(connection, extension)} CASCADE")
        except DBAPIError:
            return False
        finally:
            connection.rollback()
    return True


def _server(url: URL) -> int:
    with connect_without_schema(url) as connection:
        return int(connection.exec_driver_sql("SHOW server_version_num").scalar_one()) // 10_000
