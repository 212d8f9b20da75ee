"""A whole SQLite database into a copy of its file, and back, while others write."""

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
    """Write the database as it is at this moment to a file that is there and empty, and read it back."""
    with _refusing(), _opened(_file(url)) as source, _opened(path) as copy:
        # A copy that fails is thrown away, so that nothing is needed to undo it, nor left beside it.
        copy.execute("PRAGMA journal_mode = OFF")
        _copy("Backup", source, copy)
        # So that the backup is one file, without others beside it.
        copy.execute("PRAGMA journal_mode = DELETE")
    check(url, path)


def check(_url: URL, path: Path) -> None:
    """Read a backup from its beginning to its end. Raises CommandError where it is damaged."""
    with _refusing(path), _opened(path) as copy:
        found = copy.execute("PRAGMA integrity_check").fetchone()[0]
    if found != "ok":
        raise CommandError(f"{path} is damaged: {' '.join(found.split())}.")


def tables_in_the_way(url: URL, _path: Path) -> list[str]:
    """The tables that the database has already."""
    file = _file(url)
    if not file.exists():
        return []
    with _refusing(file), _opened(file) as database:
        return [name for (name,) in database.execute(TABLES)]


def read(url: URL, path: Path) -> None:
    """Restore a backup: everything in it, in one transaction."""
    create_sqlite_file(url)
    with _refusing(_file(url)), _opened(path) as source, _opened(_file(url)) as database:
        _copy("Restore", source, database)


def _file(url: URL) -> Path:
    return Path(url.database or "")


@contextmanager
def _opened(path: Path) -> Iterator[sqlite3.Connection]:
    if not path.is_file():
        raise CommandError(f"There is no database {path}.")
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True, isolation_level=None)) as opened:
        yield opened


@contextmanager
def _refusing(file: Path | None = None) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise CommandError(f"{file}: {error}." if file else f"{error}.") from error


def _copy(label: str, source: sqlite3.Connection, target: sqlite3.Connection) -> None:
    # Inside a transaction the source stands still; without one every writer would make the copy begin anew.
    source.execute("BEGIN")
    source.execute("SELECT count(*) FROM sqlite_master").fetchone()
    with progress_bar(label, source.execute("PRAGMA page_count").fetchone()[0]) as advance:
        done = 0

        def tell(_status: int, remaining: int, total: int) -> None:
            nonlocal done
            advance(total - remaining - done)
            done = total - remaining

        source.backup(target, pages=PAGES, progress=tell)
    source.execute("COMMIT")
