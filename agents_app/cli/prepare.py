"""`flask prepare`: what `make run` does before it serves. Keys are made here and nowhere else."""

import base64
import fcntl
import os
import secrets
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import click
from flask.cli import with_appcontext

from agents_app import config
from agents_app.cli.console import ConsoleCommand, say, schema_behind, warn
from agents_app.dbtools import upgrade_to_head
from agents_app.errors import ConfigurationError, Unavailable
from agents_app.operations import encryption_keys, health
from agents_app.paths import ROOT

ENV_FILE = ROOT / ".env"


def _named_key(name: str) -> str:
    return f"{name}:{base64.b64encode(secrets.token_bytes(32)).decode()}"


MAKERS: dict[str, Callable[[], str]] = {
    "SECRET_KEY": lambda: secrets.token_urlsafe(32),
    "ENCRYPTION_KEYS": lambda: _named_key("k1"),
    "TOKEN_PEPPERS": lambda: _named_key("p1"),
}


@click.command(cls=ConsoleCommand)
@with_appcontext
def prepare() -> None:
    """Set up what is missing: keys in .env, and the tables of an SQLite file.

    On PostgreSQL the schema is looked at and left alone; `flask db deploy` moves it.
    """
    check_given_keys(ENV_FILE)
    bring_schema_to_head()
    add_missing_keys(ENV_FILE)


def check_given_keys(file: Path) -> None:
    """Raise ConfigurationError where a key that is given is wrong, before anything is made."""
    others = {name: MAKERS[name]() for name in _missing(file)}
    _ = config.load({**os.environ, **others}, file).keys


def bring_schema_to_head() -> None:
    """Migrate SQLite; on PostgreSQL only check. Raises Unavailable with what to do."""
    url = config.settings().database_url
    is_sqlite = url.get_backend_name() == "sqlite"
    try:
        is_behind = bool(health.schema().pending)
    except Unavailable as refusal:
        if not is_sqlite:
            # Whoever serves copes with a database that is away, and says so at /readyz.
            warn(refusal)
            return
        # The migration says what is wrong with the file.
        is_behind = True
    if is_behind and is_sqlite:
        upgrade_to_head(url, config.settings().backup_folder)
    elif is_behind:
        raise schema_behind()


def add_missing_keys(file: Path) -> None:
    """Append keys that no setting gives to the file, readable by its owner alone.

    Raises ConfigurationError where it cannot be written, or where the database was encrypted with a key that is gone.
    """
    if not (missing := _missing(file)):
        return
    if file.exists() and not file.is_file():
        # Such as /dev/null: what is written there is lost, and its mode must not be changed.
        raise ConfigurationError(f"{', '.join(missing)} must be set, and {file.name} is not a file to write them to.")
    try:
        with os.fdopen(os.open(file, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600), "r+b") as stream:
            # Two that start at once must not both make keys.
            fcntl.flock(stream, fcntl.LOCK_EX)
            missing = _missing(file)
            _refuse_to_replace(missing)
            os.fchmod(stream.fileno(), 0o600)
            stream.write(_lines(missing, stream.read()))
    except OSError as error:
        names = ", ".join(_missing(file))
        problem = f"{names} must be set, and {file.name} cannot be written: {error.strerror}."
        raise ConfigurationError(problem) from None
    if missing:
        say(f"Wrote {', '.join(missing)} to {file.name}. Keep a copy: without them stored secrets cannot be read.")


def _missing(file: Path) -> list[str]:
    given = config.read_texts(None, file)
    return [name for name in config.KEY_SETTINGS if name not in given]


def _refuse_to_replace(missing: list[str]) -> None:
    known: list[str] = []
    with suppress(Unavailable):
        known = encryption_keys.known_ids()
    if "ENCRYPTION_KEYS" in missing and known:
        raise ConfigurationError(
            f"ENCRYPTION_KEYS is not set, and this database holds secrets under the key {known[0]}. Put it back."
        )


def _lines(names: list[str], before: bytes) -> bytes:
    start = "\n" if before and not before.endswith(b"\n") else ""
    return (start + "".join(f"{name}={MAKERS[name]()}\n" for name in names)).encode()
