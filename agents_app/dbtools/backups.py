"""Backups of a whole database, whichever it is, and what is done with them."""

import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType

from alembic.util import CommandError
from sqlalchemy.engine import URL

from agents_app.dbtools import postgresql_backup, sqlite_backup
from agents_app.dbtools.connections import looking
from agents_app.dbtools.state import SchemaState, schema_state

TOOLS: dict[str, ModuleType] = {"postgresql": postgresql_backup, "sqlite": sqlite_backup}
CALLED = {"postgresql": "PostgreSQL", "sqlite": "SQLite"}
SHOWN = 5


@dataclass(frozen=True)
class Backup:
    """A backup that was written and read back."""

    file: Path
    bytes: int
    revision: str | None
    seconds: float


def backup(url: URL, folder: Path, file: Path | None = None) -> Backup:
    """Write a backup to `file`, else to a new one in `folder`; only its owner may read it.

    Raises CommandError where the file is there already or anything goes wrong; then no file is left behind.
    """
    started = time.monotonic()
    tools = TOOLS[url.get_backend_name()]
    if url.get_backend_name() == "sqlite" and not Path(url.database or "").is_file():
        raise CommandError(f"There is no database {url.database}.")
    if file is None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = folder / f"{Path(url.database or '').stem}-{datetime.now(UTC):%Y%m%dT%H%M%SZ}{tools.SUFFIX}"
    with looking(url) as connection:
        revision = schema_state(connection).current
    with _new(file) as part:
        tools.write(url, part)
    return Backup(file, file.stat().st_size, revision, round(time.monotonic() - started, 2))


@contextmanager
def _new(file: Path) -> Iterator[Path]:
    # Whoever sees a file of this name sees all of it.
    _refuse_present(file)
    if not file.parent.is_dir():
        raise CommandError(f"There is no folder {file.parent}.")
    handle, name = tempfile.mkstemp(prefix=f".{file.name}.", dir=file.parent)
    part = Path(name)
    try:
        yield part
        os.fsync(handle)
        _refuse_present(file)
        part.rename(file)
    finally:
        os.close(handle)
        part.unlink(missing_ok=True)


def _refuse_present(file: Path) -> None:
    if file.exists():
        raise CommandError(f"{file} is there already. Choose another name.")


def restore(url: URL, file: Path) -> SchemaState:
    """Restore a backup into a database that has none of its tables; answers where that one is then.

    Raises CommandError, and changes nothing, where the file is no whole backup of this kind of database.
    """
    tools = TOOLS[url.get_backend_name()]
    _refuse_other_kinds(file, url.get_backend_name())
    tools.check(url, file)
    in_the_way = tools.tables_in_the_way(url, file)
    if in_the_way:
        more = f" and {len(in_the_way) - SHOWN} more" if len(in_the_way) > SHOWN else ""
        tables = ", ".join(in_the_way[:SHOWN]) + more
        raise CommandError(f"The database has tables already ({tables}). Restore into an empty one.")
    tools.read(url, file)
    with looking(url) as connection:
        return schema_state(connection)


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
