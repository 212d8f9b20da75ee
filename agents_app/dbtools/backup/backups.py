"""Backups of a whole database, whichever it is, and what is done with them."""

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
from agents_app.dbtools.output import display_path
from agents_app.dbtools.position import Position, read_position

TOOLS: dict[str, ModuleType] = {"postgresql": postgresql, "sqlite": sqlite}
CALLED = {"postgresql": "PostgreSQL", "sqlite": "SQLite"}
SHOWN = 5
# How the names of backups say when they were taken.
STAMP, STAMPED = "%Y%m%dT%H%M%SZ", re.compile(r"-(\d{8}T\d{6}Z)(?:-\d+)?$")
# Of so many backups that begin in one second each finds a name.
AT_ONCE = 100


@dataclass(frozen=True)
class Backup:
    """A backup that was written and read back."""

    file: Path
    bytes: int
    revision: str | None
    seconds: float


@dataclass(frozen=True)
class BackupFile:
    """A backup in a folder; what is in it was not read."""

    file: Path
    bytes: int
    taken_at: datetime


def newest_backup(url: URL, folder: Path) -> BackupFile | None:
    """The newest file in `folder` that begins like a whole backup of this kind of database. Raises OSError.

    Its name says when it was taken, where it is one of ours: a file that is copied may get the time of the copy.
    """
    magic: bytes = TOOLS[url.get_backend_name()].MAGIC
    files = [path for path in folder.iterdir() if path.is_file() and not path.name.startswith(".")]
    found = [BackupFile(path, path.stat().st_size, _taken_at(path)) for path in files if _begins_with(path, magic)]
    return max(found, key=lambda one: one.taken_at, default=None)


def _begins_with(path: Path, magic: bytes) -> bool:
    with path.open("rb") as opened:
        return opened.read(len(magic)) == magic


def _taken_at(path: Path) -> datetime:
    stamp = STAMPED.search(path.stem)
    with suppress(ValueError):
        if stamp:
            return datetime.strptime(stamp[1], STAMP).replace(tzinfo=UTC)
    return datetime.fromtimestamp(path.stat().st_mtime, UTC)


def create_backup(url: URL, folder: Path, file: Path | None = None) -> Backup:
    """Write a backup to `file`, else to a new one in `folder`; only its owner may read it.

    Raises CommandError where the file is there already or anything goes wrong; then no file is left behind.
    """
    started = time.monotonic()
    tools = TOOLS[url.get_backend_name()]
    if url.get_backend_name() == "sqlite" and not Path(url.database or "").is_file():
        raise CommandError(f"There is no database {url.database}.")
    names = [file] if file else _new_names(url, folder, tools.SUFFIX)
    if all(name.exists() for name in names):
        raise _is_there(names[0])
    with connect(url) as connection:
        revision = read_position(connection).current
    with _part(names[0]) as part:
        _write(tools, url, part)
        kept = _named(part, names)
    return Backup(kept, kept.stat().st_size, revision, round(time.monotonic() - started, 2))


def _new_names(url: URL, folder: Path, suffix: str) -> list[Path]:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    # Consoles that share a database may share the folder too.
    whose = "-".join(filter(None, (Path(url.database or "").stem, schema_of(url))))
    stem = f"{whose}-{datetime.now(UTC):{STAMP}}"
    return [folder / f"{stem}{f'-{number}' if number > 1 else ''}{suffix}" for number in range(1, AT_ONCE)]


@contextmanager
def _part(file: Path) -> Iterator[Path]:
    # It gets its name when it is whole; whatever happens before, nothing of it is left.
    if not file.parent.is_dir():
        raise CommandError(f"There is no folder {file.parent}.")
    handle, name = tempfile.mkstemp(prefix=f".{file.name}.", dir=file.parent)
    part = Path(name)
    try:
        yield part
    finally:
        os.close(handle)
        part.unlink(missing_ok=True)


def _write(tools: ModuleType, url: URL, part: Path) -> None:
    try:
        tools.write(url, part)
    except CommandError as refusal:
        raise CommandError(f"No backup was written to {display_path(part.parent)}: {refusal}") from refusal
    with part.open("rb") as written:
        os.fsync(written.fileno())


def _named(part: Path, names: list[Path]) -> Path:
    for name in names:
        with suppress(FileExistsError):
            # A name is taken before it is filled: renaming alone would replace what somebody else wrote meanwhile.
            name.touch(mode=0o600, exist_ok=False)
            return part.replace(name)
    raise _is_there(names[0])


def _is_there(file: Path) -> CommandError:
    return CommandError(f"{file} is there already. Choose another name.")


def restore_backup(url: URL, file: Path) -> Position:
    """Restore a backup into a database that has none of its tables; answers where that one is then.

    Raises CommandError, and changes nothing, where the file is no whole backup of this kind of database.
    """
    tools = TOOLS[url.get_backend_name()]
    _refuse_other_kinds(file, url.get_backend_name())
    if url.get_backend_name() == "postgresql":
        with connect_without_schema(url) as connection:
            require_utf8(connection)
    tools.check(url, file)
    in_the_way = tools.tables_in_the_way(url, file)
    if in_the_way:
        more = f" and {len(in_the_way) - SHOWN} more" if len(in_the_way) > SHOWN else ""
        tables = ", ".join(in_the_way[:SHOWN]) + more
        raise CommandError(f"The database has tables already ({tables}). Restore into an empty one.")
    tools.read(url, file)
    with connect(url) as connection:
        return read_position(connection)


def _refuse_other_kinds(file: Path, wanted: str) -> None:
    with file.open("rb") as opened:
        start = opened.read(100)
    kinds = [name for name, tools in TOOLS.items() if start.startswith(tools.MAGIC)]
    if kinds and kinds[0] != wanted:
        raise CommandError(f"{file} is a backup of {CALLED[kinds[0]]}, and DATABASE_URL names {CALLED[wanted]}.")
    if not kinds:
        raise CommandError(f"{file} {_what_else(start)}")


def _what_else(start: bytes) -> str:
    if not start:
        return "is empty."
    if start.startswith(b"{"):
        return "holds saved rows. Put them back with: flask db restore-rows"
    if start.startswith(b"--"):
        return "is an SQL script. Apply it with: psql -v ON_ERROR_STOP=1 -f"
    return "is no backup."
