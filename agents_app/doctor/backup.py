"""The newest backup in BACKUP_FOLDER. What is kept in other places is not seen, so that nothing here is a problem."""

from datetime import timedelta
from pathlib import Path

from sqlalchemy.engine import URL

from agents_app.db import now
from agents_app.dbtools.backup import backups
from agents_app.doctor.check import Check, ok, skipped, warning

CODE = "backups.newest"
OLD = timedelta(days=7)
TAKE_ONE = "flask db backup; nothing, where backups are made and kept in another way."


def look(url: URL | None, folder: Path | None) -> tuple[Check, int]:
    """How old the newest backup is, and how many bytes it takes; 0 where there is none."""
    if url is None or folder is None:
        return skipped(CODE, "The settings do not say which database, or which folder."), 0
    try:
        found = backups.newest_backup(url, folder)
    except FileNotFoundError:
        found = None
    except OSError as error:
        return skipped(CODE, f"{error.filename} cannot be read: {error.strerror}."), 0
    return (
        (_age(found, folder), found.bytes)
        if found
        else (warning(CODE, f"There is no backup in {folder}.", TAKE_ONE), 0)
    )


def _age(found: backups.BackupFile, folder: Path) -> Check:
    passed = max(now() - found.taken_at, timedelta())
    detail = f"The newest backup in {folder} is {found.file.name}, {_in_words(passed)} old."
    taken = found.taken_at.isoformat()
    facts = {"file": str(found.file), "taken_at": taken, "age_seconds": int(passed.total_seconds())}
    return warning(CODE, detail, TAKE_ONE, **facts) if passed > OLD else ok(CODE, detail, **facts)


def _in_words(passed: timedelta) -> str:
    hours = int(passed.total_seconds() // 3600)
    if hours >= 48:
        return f"{passed.days} days"
    return f"{hours} h" if hours else f"{int(passed.total_seconds() // 60)} min"
