"""A whole PostgreSQL database into one file of pg_dump, and back."""

import os
import re
from pathlib import Path

import sqlalchemy as sa
from alembic.util import CommandError
from sqlalchemy.engine import URL

from agents_app.dbtools.clients import program, run
from agents_app.dbtools.connections import looking
from agents_app.dbtools.say import progress

MAGIC = b"PGDMP"
SUFFIX = ".dump"
LOCK_WAIT_MS = 60_000

TABLES = """
SELECT nspname || '.' || relname FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
WHERE relkind IN ('r', 'p') AND nspname NOT LIKE 'pg\\_%' AND nspname <> 'information_schema'
"""
LISTED = re.compile(r"^\d+; \d+ \d+ TABLE (?!DATA )(\S+) (\S+) ", re.MULTILINE)


def write(url: URL, path: Path) -> None:
    """Write the database as it is at this moment to a file that is there and empty, and read it back."""
    server, tables = _look(url)
    dump = [program("pg_dump", server), "--format=custom", "--verbose", f"--lock-wait-timeout={LOCK_WAIT_MS}"]
    with progress("Backup", len(tables)) as advance:
        run([*dump, f"--file={path}"], url, lambda line: advance("dumping contents of table" in line))
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
    """Restore a backup: everything in it, in one transaction."""
    server, _ = _look(url)
    restore = [program("pg_restore", server), "--exit-on-error", "--single-transaction", "--verbose"]
    tables = len(LISTED.findall(run([restore[0], "--list", str(path)])))
    with progress("Restore", tables) as advance:
        run(
            [*restore, "--no-owner", "--no-privileges", str(path)],
            url,
            lambda line: advance("processing data for table" in line),
        )


def _look(url: URL) -> tuple[int, set[str]]:
    with looking(url) as connection:
        version = int(connection.exec_driver_sql("SHOW server_version_num").scalar_one())
        return version // 10_000, set(connection.scalars(sa.text(TABLES)))
