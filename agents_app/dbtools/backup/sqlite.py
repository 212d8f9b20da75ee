"""Backup and restore of an SQLite file, while other processes write to it."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from alembic.util import CommandError
from sqlalchemy.engine import URL

from agents_app.db import create_sqlite_file
from agents_app.dbtools.output import progress_bar

MAGIC = b"SQLite format 3\0"
SUFFIX = ".sqlite"
PAGES = 1_000
TABLES = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY 1"


def write(url: URL, path: Path) -> None:
    """Write the database, in its current state, to an existing empty file, and verify it."""
    with _readable_errors(), _open(_database_file(url)) as source, _open(path) as copy:
        # A failed copy is deleted, so it needs no journal.
        copy.execute("PRAGMA journal_mode = OFF")
        _copy("Backup", source, copy)
        # The backup is then a single file.
        copy.execute("PRAGMA journal_mode = DELETE")
    verify(url, path)


def verify(_url: URL, path: Path) -> None:
    """Read a whole backup. Raises CommandError if it is damaged."""
    with _readable_errors(path), _open(path) as copy:
        result = copy.execute("PRAGMA integrity_check").fetchone()[0]
    if result != "ok":
        raise CommandError(f"{path} is damaged: {' '.join(result.split())}.")


def existing_tables(url: URL, _path: Path) -> list[str]:
    """Return all tables of the database."""
    file = _database_file(url)
    if not file.exists():
        return []
    with _readable_errors(file), _open(file) as database:
        return [name for (name,) in database.execute(TABLES)]


def restore(url: URL, path: Path) -> None:
    """Restore a whole backup in one transaction."""
    create_sqlite_file(url)
    file = _database_file(url)
    with _readable_errors(file), _open(path) as source, _open(file) as database:
        _copy("Restore", source, database)


def _database_file(url: URL) -> Path:
    return Path(url.database or "")


@contextmanager
def _open(path: Path) -> Iterator[sqlite3.Connection]:
    if not path.is_file():
        raise CommandError(f"There is no database {path}.")
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True, isolation_level=None)) as connection:
        yield connection


@contextmanager
def _readable_errors(file: Path | None = None) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise CommandError(f"{file}: {error}." if file else f"{error}.") from error


def _copy(label: str, source: sqlite3.Connection, target: sqlite3.Connection) -> None:
    # Inside a transaction the source does not change. Without one, SQLite restarts the copy after each write.
    source.execute("BEGIN")
    source.execute("SELECT count(*) FROM sqlite_master").fetchone()
    with progress_bar(label, source.execute("PRAGMA page_count").fetchone()[0]) as advance:
        done = 0

        def update(_status: int, remaining: int, total: int) -> None:
            nonlocal done
            advance(total - remaining - done)
            done = total - remaining

        source.backup(target, pages=PAGES, progress=update)
    source.execute("COMMIT")
