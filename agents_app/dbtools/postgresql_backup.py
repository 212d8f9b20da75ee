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

from agents_app.dbtools.clients import program, run
from agents_app.dbtools.columns import quoted
from agents_app.dbtools.connections import looking, url_for_programs
from agents_app.dbtools.say import progress, say

MAGIC = b"PGDMP"
SUFFIX = ".dump"
LOCK_WAIT_MS = 60_000

TABLES = """
SELECT nspname || '.' || relname FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
WHERE relkind IN ('r', 'p') AND nspname NOT LIKE 'pg\\_%' AND nspname <> 'information_schema'
"""
LISTED = re.compile(r"^\d+; \d+ \d+ TABLE (?!DATA )(\S+) (\S+) ", re.MULTILINE)
EXTENSION = re.compile(r"^\d+; \d+ \d+ EXTENSION - (\S+)")
# An extension brings its comment along, and nobody but its owner may write another one.
ITS_COMMENT = re.compile(r"^\d+; \d+ \d+ COMMENT - EXTENSION ")


def write(url: URL, path: Path) -> None:
    """Write the database as it is at this moment to a file that is there and empty, and read it back."""
    server, tables = _look(url)
    dump = [program("pg_dump", server), "--format=custom", "--verbose", f"--lock-wait-timeout={LOCK_WAIT_MS}"]
    with progress("Backup", len(tables)) as advance:
        run([*dump, f"--file={path}"], url_for_programs(url), lambda line: advance("dumping contents of table" in line))
    check(url, path)


def check(url: URL, path: Path) -> None:
    """Read a backup from its beginning to its end. Raises CommandError where it is damaged."""
    try:
        run([program("pg_restore", _look(url)[0]), f"--file={os.devnull}", str(path)])
    except CommandError as error:
        raise CommandError(f"{path} is damaged: {error}") from error


def tables_in_the_way(url: URL, path: Path) -> list[str]:
    """The tables that are in the backup and in the database too."""
    server, present = _look(url)
    listed = LISTED.findall(run([program("pg_restore", server), "--list", str(path)]))
    return sorted({f"{schema}.{table}" for schema, table in listed} & present)


def read(url: URL, path: Path) -> None:
    """Restore a backup: everything in it but extensions that this role may not make, in one transaction."""
    server, _ = _look(url)
    restore = [program("pg_restore", server), "--exit-on-error", "--single-transaction", "--verbose"]
    listed = run([restore[0], "--list", str(path)])
    with tempfile.NamedTemporaryFile("w", encoding="utf-8") as chosen, _bar(listed) as advance:
        chosen.writelines(_without_what_is_not_ours_to_make(url, listed))
        chosen.flush()
        try:
            run(
                [*restore, "--no-owner", "--no-privileges", f"--use-list={chosen.name}", str(path)],
                url_for_programs(url),
                lambda line: advance("processing data for table" in line),
            )
        except CommandError as refusal:
            raise CommandError(f"{refusal} Nothing was changed.") from refusal


def _bar(listed: str) -> AbstractContextManager[Callable[[int], None]]:
    return progress("Restore", len(LISTED.findall(listed)))


def _without_what_is_not_ours_to_make(url: URL, listed: str) -> Iterator[str]:
    for line in listed.splitlines(keepends=True):
        extension = EXTENSION.match(line)
        if extension and not _may_make(url, extension[1]):
            say(f"Left out the extension {extension[1]}, which this role may not make here.")
        elif not ITS_COMMENT.match(line):
            yield line


def _may_make(url: URL, extension: str) -> bool:
    # Tried, since what a role may do here is told by no catalog of a managed server.
    with looking(url) as connection:
        try:
            connection.exec_driver_sql(f"CREATE EXTENSION IF NOT EXISTS {quoted(connection, extension)} CASCADE")
        except DBAPIError:
            return False
        finally:
            connection.rollback()
    return True


def _look(url: URL) -> tuple[int, set[str]]:
    with looking(url) as connection:
        version = int(connection.exec_driver_sql("SHOW server_version_num").scalar_one())
        return version // 10_000, set(connection.scalars(sa.text(TABLES)))
