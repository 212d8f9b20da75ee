"""The newest backup in BACKUP_FOLDER. There can be backups in other places, so these checks only warn."""

from datetime import timedelta
from pathlib import Path

from sqlalchemy.engine import URL

from agents_app.db import now
from agents_app.dbtools.backup import backups
from agents_app.doctor.check import Check, ok, skipped, warning
from agents_app.paths import COMMAND

CODE = "backups.newest"
AGE_MAX = timedelta(days=7)
ADVICE = f"Run {COMMAND} db backup. If you back up in another way, ignore this warning."


def check_newest(url: URL | None, folder: Path | None) -> tuple[Check, int]:
    """The age of the newest backup, and its size in bytes; 0 if there is no backup."""
    if url is None or folder is None:
        return skipped(CODE, "The settings for the database or the folder are invalid."), 0
    try:
        found = backups.newest_backup(url, folder)
    except FileNotFoundError:
        found = None
    except OSError as error:
        return skipped(CODE, f"BACKUP_FOLDER cannot be read: {error.filename}: {error.strerror}."), 0
    return (
        (_age(found, folder), found.bytes) if found else (warning(CODE, f"There is no backup in {folder}.", ADVICE), 0)
    )


def _age(found: backups.BackupFile, folder: Path) -> Check:
    passed = max(now() - found.taken_at, timedelta())
    detail = f"The newest backup in {folder} is {found.file.name}, {_duration(passed)} old."
    taken = found.taken_at.isoformat()
    facts = {"file": str(found.file), "taken_at": taken, "age_seconds": int(passed.total_seconds())}
    return warning(CODE, detail, ADVICE, **facts) if passed > AGE_MAX else ok(CODE, detail, **facts)


def _duration(passed: timedelta) -> str:
    hours = int(passed.total_seconds() // 3600)
    if hours >= 48:
        return f"{passed.days} days"
    return f"{hours} h" if hours else f"{int(passed.total_seconds() // 60)} min"
