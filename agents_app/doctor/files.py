"""Files: who else can read what holds keys and data, and whether this user can use it."""

import os
import pwd
import stat
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from sqlalchemy.engine import URL

from agents_app.db import INSTANCE_FOLDER
from agents_app.doctor.check import Check, ok, problem, skipped, warning

# What SQLite keeps beside its file while it is in use.
BESIDE = ("", "-wal", "-shm")
AS_ANOTHER = "Look again as the user that the console runs as: sudo -u USER flask doctor"
Kind = Callable[..., Check]


def settings_files(env_file: Path, named: Mapping[str, Path]) -> Iterator[Check]:
    """Who can read `.env`, and the files that settings are in by `NAME_FILE` (`named`)."""
    if _mode(env_file) is None:
        yield ok("files.env", f"There is no {env_file.name}; settings come from the environment.")
    else:
        yield _closed("files.env", env_file, problem)
    for path in named.values():
        # Containers are given such files with wide modes, and have no other users.
        yield _closed("files.settings", path, warning)


def data_files(url: URL | None, folder: Path | None) -> Iterator[Check]:
    """Who can read the SQLite file and the backups, and whether this user can write them. None is not known."""
    if url is None:
        yield skipped("files.database", "The settings do not say which database.")
    elif url.get_backend_name() == "sqlite":
        yield from _looked_at("files.database", _sqlite(Path(str(url.database))))
    if folder is None:
        yield skipped("files.backups", "The settings do not say which folder backups are in.")
    else:
        yield from _looked_at("files.backups", _backups(folder))


def _looked_at(code: str, checks: Iterator[Check]) -> Iterator[Check]:
    try:
        yield from checks
    except OSError as error:
        yield problem(code, f"{error.filename} cannot be looked at: {error.strerror}.", AS_ANOTHER)


def _sqlite(path: Path) -> Iterator[Check]:
    code, folder = "files.database", path.parent
    if not folder.is_dir() and folder != INSTANCE_FOLDER:
        yield problem(code, f"There is no folder {folder}.", "Correct DATABASE_URL, or make the folder.")
        return
    if folder.is_dir() and not os.access(folder, os.W_OK | os.X_OK):
        what = f"This user may not write in {folder}, where SQLite keeps files while the database is in use."
        yield problem(code, what, AS_ANOTHER)
    for file in (found for tail in BESIDE if (found := path.with_name(path.name + tail)).exists()):
        if not os.access(file, os.R_OK | os.W_OK):
            yield problem(code, f"This user may not read and write {file}.", AS_ANOTHER)
        elif _owner(file) != _owner(path):
            what = f"{file} belongs to {_owner(file)}, and {path.name} to {_owner(path)}, who may be shut out."
            yield problem(code, what, f"chown {_owner(path)} {file}")
    yield _closed(code, path, problem) if path.exists() else skipped(code, f"There is no {path} yet.")


def _backups(folder: Path) -> Iterator[Check]:
    code = "files.backups"
    there = next(parent for parent in (folder, *folder.parents) if parent.exists())
    if not os.access(there, os.R_OK | os.W_OK | os.X_OK):
        yield problem(code, f"This user may not read and write {there}, where backups go.", AS_ANOTHER)
        return
    if there != folder:
        yield ok(code, f"There is no {folder} yet; the first backup makes it.")
        return
    exposed = sorted(path for path in folder.iterdir() if path.is_file() and _is_open(_mode(path) or 0))
    if exposed:
        more = f" and {len(exposed) - 1} more" if len(exposed) > 1 else ""
        what = f"Others can read or change {exposed[0]}{more}."
        yield problem(code, what, f"chmod go-rwx {folder}/*", files=len(exposed))
    else:
        yield ok(code, f"{folder} can be written, and its files are closed to others.")


def _owner(path: Path) -> str:
    number = path.stat().st_uid
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)


def _closed(code: str, path: Path, kind: Kind) -> Check:
    mode = _mode(path)
    if mode is None:
        return skipped(code, f"{path} cannot be looked at.")
    if _is_open(mode):
        return kind(code, f"Others can read or change {path} (mode {mode:o}).", f"chmod 600 {path}", mode=f"{mode:o}")
    return ok(code, f"{path} is closed to others (mode {mode:o}).", mode=f"{mode:o}")


def _is_open(mode: int) -> bool:
    # A group that may read is a usual way to give a service its settings.
    return bool(mode & (stat.S_IRWXO | stat.S_IWGRP))


def _mode(path: Path) -> int | None:
    try:
        return stat.S_IMODE(path.stat().st_mode)
    except OSError:
        return None
