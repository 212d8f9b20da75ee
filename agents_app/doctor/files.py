"""Files with keys and data: whether other users can read them, and whether this user can use them."""

import os
import pwd
import stat
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from sqlalchemy.engine import URL

from agents_app.config_sources import ENV_FILE
from agents_app.db import INSTANCE_FOLDER
from agents_app.doctor.check import Check, ok, problem, skipped, warning
from agents_app.paths import COMMAND, display_path

# The files that SQLite has while the database is in use.
SUFFIXES = ("", "-wal", "-shm")
RUN_AS_CONSOLE = f"Run this command as the user of the console: sudo -u USER {COMMAND} doctor"
Severity = Callable[..., Check]


def settings_files(env_file: Path, named: Mapping[str, Path]) -> Iterator[Check]:
    """Check who can read `.env` and the files that `NAME_FILE` settings name."""
    if _mode(env_file) is None:
        other = f" and the file of {ENV_FILE}" if ENV_FILE in named else ""
        yield ok("files.env", f"There is no {display_path(env_file)}; settings come from the environment{other}.")
    else:
        yield _check_mode("files.env", env_file, problem)
    for path in named.values():
        # Only a warning: in containers such files often have wide modes, and there are no other users.
        yield _check_mode("files.settings", path, warning)


def data_files(url: URL | None, folder: Path | None) -> Iterator[Check]:
    """Check who can read the SQLite file and the backups, and whether this user can write them. None means unknown."""
    if url is None:
        yield skipped("files.database", "The settings for the database are invalid.")
    elif url.get_backend_name() == "sqlite":
        yield from _results_or_problem("files.database", _sqlite(Path(str(url.database))))
    if folder is None:
        yield skipped("files.backups", "The setting for the backup folder is invalid.")
    else:
        yield from _results_or_problem("files.backups", _backups(folder))


def _results_or_problem(code: str, checks: Iterator[Check]) -> Iterator[Check]:
    try:
        yield from checks
    except OSError as error:
        yield problem(code, f"{error.filename} cannot be read: {error.strerror}.", RUN_AS_CONSOLE)


def _sqlite(path: Path) -> Iterator[Check]:
    code, folder = "files.database", path.parent
    if not folder.is_dir() and folder != INSTANCE_FOLDER:
        yield problem(code, f"There is no folder {folder}.", "Correct DATABASE_URL, or create the folder.")
        return
    if folder.is_dir() and not os.access(folder, os.W_OK | os.X_OK):
        what = f"This user cannot write to {folder}, and SQLite needs files there while the database is in use."
        yield problem(code, what, RUN_AS_CONSOLE)
    for file in (found for tail in SUFFIXES if (found := path.with_name(path.name + tail)).exists()):
        if not os.access(file, os.R_OK | os.W_OK):
            yield problem(code, f"This user cannot read and write {file}.", RUN_AS_CONSOLE)
        elif _owner(file) != _owner(path):
            what = f"{file} belongs to {_owner(file)}, and {path.name} to {_owner(path)}, who may have no access to it."
            yield problem(code, what, f"chown {_owner(path)} {file}")
    yield _check_mode(code, path, problem) if path.exists() else skipped(code, f"There is no {path} yet.")


def _backups(folder: Path) -> Iterator[Check]:
    code = "files.backups"
    existing = next(parent for parent in (folder, *folder.parents) if parent.exists())
    if not os.access(existing, os.R_OK | os.W_OK | os.X_OK):
        yield problem(code, f"This user cannot read and write {existing}, where backups are stored.", RUN_AS_CONSOLE)
        return
    if existing != folder:
        yield ok(code, f"There is no {folder} yet. The first backup creates it.")
        return
    exposed = sorted(path for path in folder.iterdir() if path.is_file() and _is_exposed(_mode(path) or 0))
    if exposed:
        more = f" and {len(exposed) - 1} more" if len(exposed) > 1 else ""
        what = f"Other users can read or change {exposed[0]}{more}."
        yield problem(code, what, f"chmod go-rwx {folder}/*", files=len(exposed))
    else:
        yield ok(code, f"This user can write to {folder}, and other users cannot read its files.")


def _owner(path: Path) -> str:
    number = path.stat().st_uid
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)


def _check_mode(code: str, path: Path, severity: Severity) -> Check:
    mode = _mode(path)
    if mode is None:
        return skipped(code, f"{path} cannot be read.")
    if _is_exposed(mode):
        return severity(
            code, f"Other users can read or change {path} (mode {mode:o}).", f"chmod 600 {path}", mode=f"{mode:o}"
        )
    return ok(code, f"Other users cannot read {path} (mode {mode:o}).", mode=f"{mode:o}")


def _is_exposed(mode: int) -> bool:
    # A group with read access is not reported: services often get their settings that way.
    return bool(mode & (stat.S_IRWXO | stat.S_IWGRP))


def _mode(path: Path) -> int | None:
    try:
        return stat.S_IMODE(path.stat().st_mode)
    except OSError:
        return None
