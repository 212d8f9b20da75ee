"""Room on the disks that the console itself writes to."""

import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from sqlalchemy.engine import URL

from agents_app.doctor.check import Check, ok, problem, skipped, warning

MIB = 1024 * 1024
# Below the first nothing can be relied on; below the second it is time to act.
LEAST, LITTLE = 64 * MIB, 512 * MIB


def checks(url: URL | None, folder: Path | None, *, newest_backup: int) -> Iterator[Check]:
    """Room for an SQLite database, and in the folder of backups, where the newest one took so many bytes."""
    size = 0
    if url and url.get_backend_name() == "sqlite":
        path = Path(str(url.database))
        with suppress(OSError):
            size = path.stat().st_size
        yield room("disk.database", path.parent, size, "Make room there.")
    if folder:
        advice = "Make room there, or set BACKUP_FOLDER to a folder on another disk."
        yield room("disk.backups", folder, max(newest_backup, size), advice)


def room(code: str, folder: Path, needed: int, advice: str) -> Check:
    """Whether a folder, which need not be there yet, has room for this many bytes and some more."""
    try:
        found = shutil.disk_usage(next(path for path in (folder, *folder.parents) if path.is_dir()))
    except OSError as error:
        return skipped(code, f"{error.filename} cannot be looked at: {error.strerror}.")
    detail = f"{_size(found.free)} of {_size(found.total)} are free for {folder}"
    facts = {"free_bytes": found.free, "total_bytes": found.total}
    if found.free < LEAST:
        return problem(code, f"{detail}.", advice, **facts)
    if found.free < needed:
        return warning(
            code, f"{detail}, and the next backup or migration needs about {_size(needed)}.", advice, **facts
        )
    if found.free < LITTLE:
        return warning(code, f"{detail}.", advice, **facts)
    return ok(code, f"{detail}.", **facts)


def _size(count: int) -> str:
    return f"{count / MIB:,.0f} MB" if count < 10_000 * MIB else f"{count / MIB / 1024:,.0f} GB"
