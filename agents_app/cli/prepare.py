"""`flask prepare`: what `flask serve` does first without PUBLIC_URL. Nothing else creates keys."""

import base64
import fcntl
import os
import secrets
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import click
from flask import current_app
from flask.cli import with_appcontext

from agents_app import config, dbtools
from agents_app.cli.commands import ConsoleCommand, schema_behind_error
from agents_app.cli.output import print_message, print_warning
from agents_app.errors import ConfigurationError, Unavailable
from agents_app.file_errors import is_missing
from agents_app.operations import encryption_keys, health
from agents_app.paths import COMMAND, HOME, HOME_VARIABLE, display_path

ENV_FILE = HOME / ".env"


def _make_named_key(name: str) -> str:
    return f"{name}:{base64.b64encode(secrets.token_bytes(32)).decode()}"


KEY_FACTORIES: dict[str, Callable[[], str]] = {
    "SECRET_KEY": lambda: secrets.token_urlsafe(32),
    "ENCRYPTION_KEYS": lambda: _make_named_key("k1"),
    "TOKEN_PEPPERS": lambda: _make_named_key("p1"),
}


@click.command(cls=ConsoleCommand)
@with_appcontext
def prepare() -> None:
    """Create missing keys and SQLite tables.

    Keys are added to .env. On PostgreSQL this only checks the schema; `flask db deploy` changes it.
    """
    create_what_is_missing()


def create_what_is_missing() -> None:
    """Create missing keys and SQLite tables, which the settings of the app then have.

    Raises ConfigurationError if a key is invalid or cannot be written, and Unavailable if another schema is behind.
    """
    _require_writable_home()
    check_configured_keys(ENV_FILE)
    is_behind = migrate_sqlite_or_check_schema()
    # A new server needs its keys even if its tables come later.
    if add_missing_keys(ENV_FILE):
        current_app.extensions["settings"] = config.load()
    if is_behind:
        raise schema_behind_error(health.schema())


def check_configured_keys(file: Path) -> None:
    """Raise ConfigurationError if a key in the settings is invalid, before anything is created."""
    others = {name: KEY_FACTORIES[name]() for name in _missing(file)}
    _ = config.load({**os.environ, **others}, file).keys


def migrate_sqlite_or_check_schema() -> bool:
    """Migrate an SQLite database to the latest revision. Returns whether another database is behind."""
    url = config.settings().database_url
    is_sqlite = url.get_backend_name() == "sqlite"
    try:
        state = health.schema()
        # The file of `make run` has no other process. On PostgreSQL the last steps wait for `flask db deploy --finish`.
        is_behind = bool(state.pending) if is_sqlite else not state.is_ready
    except Unavailable as refusal:
        if not is_sqlite:
            # The server can start without the database. /readyz reports it.
            print_warning(refusal)
            return False
        # The migration reports what is wrong with the file.
        is_behind = True
    if is_behind and is_sqlite:
        _create_or_upgrade()
    return is_behind and not is_sqlite


def add_missing_keys(file: Path) -> list[str]:
    """Append missing keys to the file, and let only its owner read it. Returns their names.

    Raises ConfigurationError if the file cannot be written, or if the database has secrets that need a missing key.
    """
    if not (missing := _missing(file)):
        return []
    if file.exists() and not file.is_file():
        # A device such as /dev/null loses what is written, and its mode must not change.
        raise ConfigurationError(
            f"{', '.join(missing)} must be set. They cannot be written to {display_path(file)}, because it is not a "
            + "regular file. Replace it, or set them in the environment."
        )
    try:
        with os.fdopen(os.open(file, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600), "r+b") as stream:
            # Two processes that start at the same time must not both create keys.
            fcntl.flock(stream, fcntl.LOCK_EX)
            missing = _missing(file)
            _refuse_new_encryption_key(missing)
            os.fchmod(stream.fileno(), 0o600)
            stream.write(_lines(missing, stream.read()))
    except OSError as error:
        names = ", ".join(_missing(file))
        problem = f"{names} must be set, and {display_path(file)} cannot be written: {error.strerror}."
        raise ConfigurationError(problem) from None
    if missing:
        wrote = f"Wrote {', '.join(missing)} to {display_path(file)}."
        print_message(f"{wrote} Keep a copy: stored secrets cannot be read without it.")
    return missing


def _create_or_upgrade() -> None:
    settings = config.settings()
    url, backup_folder, limits = settings.database_url, settings.backup_folder, settings.migration_limits
    file = Path(url.database or "")
    lines = [f"{'Creating' if is_missing(file) else 'Upgrading'} the database {display_path(file)}..."]
    # The reader needs one line, not one for each step, and none where the file cannot be created.
    dbtools.upgrade_to_head(url, backup_folder, lambda _step: print_message(lines.pop()) if lines else None, limits)


def _require_writable_home() -> None:
    url = config.settings().database_url
    files = [ENV_FILE] if _missing(ENV_FILE) else []
    if url.get_backend_name() == "sqlite":
        files.append(Path(url.database or ""))
    wanted = [file for file in files if file.is_relative_to(HOME) and is_missing(file)]
    try:
        if wanted:
            tempfile.TemporaryFile(dir=HOME).close()
    except OSError:
        what = f"This user cannot write to {HOME}, where {wanted[0].name} belongs."
        raise ConfigurationError(f"{what} Change to another folder, or set {HOME_VARIABLE} to one.") from None


def _missing(file: Path) -> list[str]:
    given = config.read_texts(None, file)
    return [name for name in config.KEY_SETTINGS if name not in given]


def _refuse_new_encryption_key(missing: list[str]) -> None:
    known: list[str] = []
    with suppress(Unavailable):
        known = encryption_keys.known_ids()
    if "ENCRYPTION_KEYS" in missing and known:
        raise ConfigurationError(
            f"ENCRYPTION_KEYS is not set, and this database has secrets that need the key {known[0]}. Restore that "
            + "key. If it is lost for ever, set ENCRYPTION_KEYS to a new key with another name, and run: "
            + f"{COMMAND} secrets give-up {known[0]}"
        )


def _lines(names: list[str], before: bytes) -> bytes:
    start = "\n" if before and not before.endswith(b"\n") else ""
    return (start + "".join(f"{name}={KEY_FACTORIES[name]()}\n" for name in names)).encode()
