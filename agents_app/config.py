"""Each setting, its environment variable and its check. A bad one stops the start with one line that names it.

A setting comes from the environment, else from `.env` at the project's root. A setting with `_FILE` behind its name
gives the path of a file that holds the value.
"""

import ipaddress
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cached_property, partial
from pathlib import Path
from typing import Any, TypeVar

from dotenv.parser import parse_stream
from flask import current_app
from sqlalchemy.engine import URL

from agents_app import config_values
from agents_app.database_url import ROOT, parse_url, with_schema
from agents_app.encryption import Keyring, parse_keys
from agents_app.errors import ConfigurationError
from agents_app.origins import Origin, split
from agents_app.weak_keys import check_secret

T = TypeVar("T")

KEY_SETTINGS = ("SECRET_KEY", "ENCRYPTION_KEYS", "TOKEN_PEPPERS")


@dataclass(frozen=True, repr=False)
class Keys:
    """The three kinds of key, checked."""

    secret_key: str
    encryption: Keyring
    peppers: dict[str, bytes]


@dataclass(frozen=True)
class Settings:
    """Every setting, checked but for the keys, which are checked when first asked for: migrations need none."""

    database_url: URL
    migration_database_url: URL | None = None
    database_schema: str | None = None
    secret_key: str | None = field(default=None, repr=False)
    encryption_keys: str | None = field(default=None, repr=False)
    token_peppers: str | None = field(default=None, repr=False)
    public_url: str | None = None
    bind: tuple[str, int] = ("127.0.0.1", 8000)
    workers: int = 1
    pool_size: int = 8
    proxy_hops: int = 0
    session_idle: timedelta = timedelta(minutes=120)
    session_max: timedelta = timedelta(hours=12)
    token_days: int = 90
    deleted_secrets_days: int = 30
    events_days: int = 365
    api_docs_path: str = "/gibberish-xyz-123"
    api_docs_public: bool = True
    log_level: str = "info"
    backup_folder: Path = ROOT / "backups"

    @property
    def is_https(self) -> bool:
        """Whether people reach the console over https, so that cookies and HSTS can rely on it."""
        return self.origin.scheme == "https"

    @property
    def migration_url(self) -> URL:
        """The database as migrations, backups and restores reach it."""
        return self.migration_database_url or self.database_url

    @property
    def base_url(self) -> str:
        """Where people find the console in a browser."""
        return self.public_url or str(Origin("http", *self.bind))

    @property
    def origin(self) -> Origin:
        """The scheme, host and port of that address."""
        return split(self.base_url)[0]

    @cached_property
    def keys(self) -> Keys:
        """The keys, or ConfigurationError with one sentence that names the first setting that is wrong."""
        secret_key = _present("SECRET_KEY", self.secret_key)
        _check("SECRET_KEY", check_secret, secret_key)
        encryption = _check("ENCRYPTION_KEYS", parse_keys, _present("ENCRYPTION_KEYS", self.encryption_keys))
        peppers = _check("TOKEN_PEPPERS", parse_keys, _present("TOKEN_PEPPERS", self.token_peppers))
        if set(encryption.values()) & set(peppers.values()):
            raise ConfigurationError("TOKEN_PEPPERS repeats a key of ENCRYPTION_KEYS; each needs its own.")
        if secret_key in f"{self.encryption_keys} {self.token_peppers}":
            raise ConfigurationError("SECRET_KEY repeats a key of another setting; each needs its own.")
        return Keys(secret_key, Keyring(encryption), peppers)


def settings() -> Settings:
    """The settings of the running app."""
    found: Settings = current_app.extensions["settings"]
    return found


def load(environ: Mapping[str, str] | None = None, env_file: Path | None = ROOT / ".env") -> Settings:
    """Read every setting. Raises ConfigurationError with one sentence that names the first setting that is wrong."""
    values = read_values(environ, env_file)
    known: dict[str, Any] = {}
    for name, check in CHECKS.items():
        text = values.get(name)
        if text:
            known[name.lower()] = _check(name, check, text)
    known.setdefault("database_url", parse_url("sqlite:///instance/console.db"))
    _name_schema(known)
    loaded = Settings(**known)
    _check_together(loaded)
    return loaded


def read_values(environ: Mapping[str, str] | None, env_file: Path | None) -> dict[str, str]:
    """The settings' texts by name: environment first, then `.env`; `NAME_FILE` is read in place of `NAME`.

    An empty one counts as not set. Raises ConfigurationError where a file cannot be read.
    """
    given = os.environ if environ is None else environ
    stored = _stored(env_file) if env_file else {}
    texts = {name: text for source in (stored, given) for name, text in source.items() if text and text.strip()}
    return {name: text for name in CHECKS if (text := _text_of(name, texts))}


def _stored(env_file: Path) -> dict[str, str]:
    try:
        if not env_file.is_file():
            return {}
        with env_file.open(encoding="utf-8-sig") as stream:
            found = list(parse_stream(stream))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{env_file.name} cannot be read: {_why(error)}.") from None
    # A line that is passed over may be the one that names the database.
    if unclear := [one.original.line for one in found if one.error or (one.key and one.value is None)]:
        raise ConfigurationError(f"{env_file.name} has a line that is not NAME=value: line {unclear[0]}.")
    return {one.key: one.value for one in found if one.key and one.value is not None}


def _text_of(name: str, texts: Mapping[str, str]) -> str:
    path = texts.get(f"{name}_FILE")
    if not path:
        return texts.get(name, "").strip()
    if name in texts:
        raise ConfigurationError(f"{name} and {name}_FILE are both set. Keep one of them.")
    try:
        return (ROOT / path).read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{name}_FILE cannot be read: {_why(error)}.") from None


def _why(error: OSError | UnicodeDecodeError) -> str:
    return getattr(error, "strerror", None) or "it is not text"


def _check(name: str, check: Callable[[str], T], text: str) -> T:
    try:
        return check(text)
    except ValueError as error:
        raise ConfigurationError(f"{name} {error}") from None
    except RuntimeError:  # of `expanduser`
        raise ConfigurationError(f"{name} begins with ~ and the name of nobody here.") from None


def _present(name: str, text: str | None) -> str:
    if text is None:
        raise ConfigurationError(f"{name} is not set. `make run` writes one into .env; see .env.example.")
    return text


def _name_schema(known: dict[str, Any]) -> None:
    if not (schema := known.get("database_schema")):
        return
    for name in ("DATABASE_URL", "MIGRATION_DATABASE_URL"):
        if url := known.get(name.lower()):
            known[name.lower()] = _check(name, partial(with_schema, url), schema)


def _check_together(loaded: Settings) -> None:
    if loaded.public_url is None and not ipaddress.ip_address(loaded.bind[0]).is_loopback:
        raise ConfigurationError("BIND must be a loopback address until PUBLIC_URL says how people reach the console.")
    if loaded.session_idle > loaded.session_max:
        raise ConfigurationError("SESSION_IDLE must not be longer than SESSION_MAX (both are minutes).")


# In the order of `.env.example`, which explains each.
CHECKS: dict[str, Callable[[str], Any]] = {
    "DATABASE_URL": parse_url,
    "MIGRATION_DATABASE_URL": parse_url,
    "DATABASE_SCHEMA": config_values.schema,
    "SECRET_KEY": str,
    "ENCRYPTION_KEYS": str,
    "TOKEN_PEPPERS": str,
    "PUBLIC_URL": config_values.public_url,
    "BIND": config_values.address,
    "WORKERS": config_values.whole(1, 64),
    "POOL_SIZE": config_values.whole(1, 100),
    "PROXY_HOPS": config_values.whole(0, 5),
    "SESSION_IDLE": config_values.minutes,
    "SESSION_MAX": config_values.minutes,
    "TOKEN_DAYS": config_values.whole(1, 3650),
    "DELETED_SECRETS_DAYS": config_values.whole(0, 3650),
    "EVENTS_DAYS": config_values.whole(1, 3650),
    "API_DOCS_PATH": config_values.path,
    "API_DOCS_PUBLIC": config_values.yes_or_no,
    "LOG_LEVEL": config_values.log_level,
    "BACKUP_FOLDER": lambda text: ROOT / Path(text).expanduser(),
}
