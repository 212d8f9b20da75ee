"""Creates, finds and restores backups of a whole database, for PostgreSQL and SQLite."""

import os
import re
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType

from alembic.util import CommandError
from sqlalchemy.engine import URL

from agents_app.database.url import schema_of
from agents_app.dbtools.backup import postgresql, sqlite
from agents_app.dbtools.database.connections import connect, connect_without_schema
from agents_app.dbtools.database.encoding import require_utf8
from agents_app.dbtools.folders import create_folder
from agents_app.dbtools.position import Position, read_position
from agents_app.paths import COMMAND, display_path

BACKENDS: dict[str, ModuleType] = {"postgresql": postgresql, "sqlite": sqlite}
LABELS = {"postgresql": "PostgreSQL", "sqlite": "SQLite"}
LISTED_TABLES_MAX = 5
# The time in the name of a backup file.
TIME_FORMAT, TIME_IN_NAME = "%Y%m%dT%H%M%SZ", re.compile(r"-(\d{8}T\d{6}Z)(?:-\d+)?$")
# The number of backups that can begin within one second.
NAMES_PER_SECOND = 100


@dataclass(frozen=True)
class Backup:
    """A backup that was written and verified."""

    file: Path
    bytes: int
    revision: str | None
    seconds: float


@dataclass(frozen=True)
class BackupFile:
    """A backup file in a folder. Its content was not read."""

    file: Path
    bytes: int
    taken_at: datetime


def newest_backup(url: URL, folder: Path) -> BackupFile | None:
    """Return the newest file in `folder` that begins like a backup of this type of database. Raises OSError."""
    magic: bytes = BACKENDS[url.get_backend_name()].MAGIC
    files = [path for path in folder.iterdir() if path.is_file() and not path.name.startswith(".")]
    backups = [BackupFile(path, path.stat().st_size, _taken_at(path)) for path in files if _begins_with(path, magic)]
    return max(backups, key=lambda backup: backup.taken_at, default=None)


def _begins_with(path: Path, magic: bytes) -> bool:
    with path.open("rb") as file:
        return file.read(len(magic)) == magic


def _taken_at(path: Path) -> datetime:
    # The time in the name comes first, because copying a file can change its modification time.
    time_in_name = TIME_IN_NAME.search(path.stem)
    with suppress(ValueError):
        if time_in_name:
            return datetime.strptime(time_in_name[1], TIME_FORMAT).replace(tzinfo=UTC)
    return datetime.fromtimestamp(path.stat().st_mtime, UTC)


def create_backup(url: URL, folder: Path, file: Path | None = None) -> Backup:
    """Write a backup to `file`, or to a new file in `folder`. Only the owner may read it.

    Raises CommandError if the file exists or anything fails. Then no file remains.
    """
    started = time.monotonic()
    backend = BACKENDS[url.get_backend_name()]
    if url.get_backend_name() == "sqlite" and not Path(url.database or "").is_file():
        raise CommandError(f"There is no database {url.database}.")
    if not file:
        create_folder(folder)
    paths = [file] if file else _new_paths(url, folder, backend.SUFFIX)
    if all(path.exists() for path in paths):
        raise _file_exists_error(paths[0])
    with connect(url) as connection:
        revision = read_position(connection).current
    with _temporary_file(paths[0]) as temporary:
        _write(backend, url, temporary)
        path = _move_to_free_path(temporary, paths)
    return Backup(path, path.stat().st_size, revision, round(time.monotonic() - started, 2))


def _new_paths(url: URL, folder: Path, suffix: str) -> list[Path]:
    # The schema is part of the name because consoles in one database may share the folder.
    database = "-".join(filter(None, (Path(url.database or "").stem, schema_of(url))))
    stem = f"{database}-{datetime.now(UTC):{TIME_FORMAT}}"
    return [folder / f"{stem}{f'-{number}' if number > 1 else ''}{suffix}" for number in range(1, NAMES_PER_SECOND)]


@contextmanager
def _temporary_file(file: Path) -> Iterator[Path]:
    # An incomplete backup never has the final name, and is removed on every error.
    if not file.parent.is_dir():
        raise CommandError(f"There is no folder {file.parent}.")
    handle, name = tempfile.mkstemp(prefix=f".{file.name}.", dir=file.parent)
    temporary = Path(name)
    try:
        yield temporary
    finally:
        os.close(handle)
        temporary.unlink(missing_ok=True)


def _write(backend: ModuleType, url: URL, path: Path) -> None:
    try:
        backend.write(url, path)
    except CommandError as error:
        raise CommandError(f"No backup was written to {display_path(path.parent)}: {error}") from error
    with path.open("rb") as written:
        os.fsync(written.fileno())


def _move_to_free_path(temporary: Path, paths: list[Path]) -> Path:
    for path in paths:
        with suppress(FileExistsError):
            # Reserve the name first: renaming alone would replace a file that another process created since then.
            path.touch(mode=0o600, exist_ok=False)
            return temporary.replace(path)
    raise _file_exists_error(paths[0])


def _file_exists_error(file: Path) -> CommandError:
    return CommandError(f"{file} already exists. Choose another name.")


def restore_backup(url: URL, file: Path) -> Position:
    """Restore a backup into a database without its tables, and return the database's new position.

    Raises CommandError, and changes nothing, if the file is not a complete backup of this type of database.
    """
    backend = BACKENDS[url.get_backend_name()]
    _require_backup_of(url.get_backend_name(), file)
    if url.get_backend_name() == "postgresql":
        with connect_without_schema(url) as connection:
            require_utf8(connection)
    backend.verify(url, file)
    if existing := backend.existing_tables(url, file):
        hidden = len(existing) - LISTED_TABLES_MAX
        tables = ", ".join(existing[:LISTED_TABLES_MAX]) + (f" and {hidden} more" if hidden > 0 else "")
        raise CommandError(f"The database already has tables ({tables}). Restore into an empty database.")
    backend.restore(url, file)
    with connect(url) as connection:
        return read_position(connection)


def _require_backup_of(wanted: str, file: Path) -> None:
    with file.open("rb") as opened:
        start = opened.read(100)
    names = [name for name, backend in BACKENDS.items() if start.startswith(backend.MAGIC)]
    if names and names[0] != wanted:
        raise CommandError(f"{file} is a backup of {LABELS[names[0]]}, but DATABASE_URL names {LABELS[wanted]}.")
    if not names:
        raise CommandError(f"{file} {_describe_other_file(start)}")


def _describe_other_file(start: bytes) -> str:
    if not start:
        return "is empty."
    if start.startswith(b"{"):
        return f"contains saved rows. Restore them with: {COMMAND} db restore-rows"
    if start.startswith(b"--"):
        return "is an SQL script. Run it with: psql -v ON_ERROR_STOP=1 -f"
    return "is not a backup."
