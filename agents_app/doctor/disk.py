"""Free space on the disks that the console writes to."""

import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from sqlalchemy.engine import URL

from agents_app.doctor.check import Check, ok, problem, skipped, warning

MIB = 1024 * 1024
# Below the first is a problem, below the second a warning.
PROBLEM_BYTES, WARNING_BYTES = 64 * MIB, 512 * MIB


def checks(url: URL | None, folder: Path | None, *, newest_backup: int) -> Iterator[Check]:
    """Check the disks of an SQLite database and of the backups. `newest_backup` is the size of a backup in bytes."""
    size = 0
    if url and url.get_backend_name() == "sqlite":
        path = Path(str(url.database))
        with suppress(OSError):
            size = path.stat().st_size
        yield check_free_space("disk.database", path.parent, size, "Free space on that disk.")
    if folder:
        advice = "Free space on that disk, or set BACKUP_FOLDER to a folder on another disk."
        yield check_free_space("disk.backups", folder, max(newest_backup, size), advice)


def check_free_space(code: str, folder: Path, needed: int, advice: str) -> Check:
    """Whether the disk of a folder, which need not exist yet, has enough free space for this many bytes."""
    try:
        found = shutil.disk_usage(next(path for path in (folder, *folder.parents) if path.is_dir()))
    except OSError as error:
        return skipped(code, f"{error.filename} cannot be read: {error.strerror}.")
    detail = f"{_size(found.free)} of {_size(found.total)} are free on the disk of {folder}"
    facts = {"free_bytes": found.free, "total_bytes": found.total}
    if found.free < PROBLEM_BYTES:
        return problem(code, f"{detail}.", advice, **facts)
    if found.free < needed:
        return warning(
            code, f"{detail}, and the next backup or migration needs about {_size(needed)}.", advice, **facts
        )
    if found.free < WARNING_BYTES:
        return warning(code, f"{detail}.", advice, **facts)
    return ok(code, f"{detail}.", **facts)


def _size(count: int) -> str:
    return f"{count / MIB:,.0f} MB" if count < 10_000 * MIB else f"{count / MIB / 1024:,.0f} GB"
