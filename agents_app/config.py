"""Each setting, its environment variable and its check. A bad one stops the start with one line that names it.

A setting comes from the environment, else from `.env` at the project's root, which `config_sources.py` reads. A setting
with `_FILE` behind its name gives the path of a file that holds the value.
"""

import ipaddress
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cached_property, partial
from pathlib import Path
from typing import Any, TypeVar

from flask import current_app
from sqlalchemy.engine import URL

from agents_app import config_sources, config_values
from agents_app.config_keys import KEY_CHECKS, Keys, keys_of, wrong_keys
from agents_app.database.url import parse_url, with_schema
from agents_app.errors import ConfigurationError
from agents_app.paths import ROOT
from agents_app.values.origins import Origin, split

T = TypeVar("T")

KEY_SETTINGS = tuple(KEY_CHECKS)
DEFAULT_DATABASE = parse_url("sqlite:///instance/console.db")
# How a file of settings that cannot be read is called among what is wrong.
ENV = ".env"
# What is wrong, by the name that is wrong: a sentence each.
Wrong = dict[str, str]


@dataclass(frozen=True)
class Settings:
    """Every setting, checked but for the keys, which are checked when first asked for: migrations need none."""

    database_url: URL = field(repr=False)
    migration_database_url: URL | None = field(default=None, repr=False)
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
    # Where each setting that is set was read; the others have their defaults.
    sources: Mapping[str, str] = field(default_factory=dict, compare=False)

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

    @property
    def sub_path(self) -> str:
        """The path of that address, such as /agents; empty where the console has the whole host."""
        return split(self.base_url)[1]

    @cached_property
    def keys(self) -> Keys:
        """The keys, or ConfigurationError with one sentence that names the first setting that is wrong."""
        return keys_of(self._key_texts)

    @property
    def wrong_keys(self) -> dict[str, str]:
        """What is wrong with the keys: a sentence for each setting."""
        return wrong_keys(self._key_texts)

    @property
    def _key_texts(self) -> dict[str, str | None]:
        return {name: getattr(self, name.lower()) for name in KEY_SETTINGS}


def settings() -> Settings:
    """The settings of the running app."""
    found: Settings = current_app.extensions["settings"]
    return found


def load(environ: Mapping[str, str] | None = None, env_file: Path | None = ROOT / ".env") -> Settings:
    """Read every setting. Raises ConfigurationError with one sentence that names the first setting that is wrong."""
    loaded, wrong = examine(environ, env_file)
    for sentence in wrong.values():
        raise ConfigurationError(sentence)
    return loaded


def examine(environ: Mapping[str, str] | None = None, env_file: Path | None = ROOT / ".env") -> tuple[Settings, Wrong]:
    """Read every setting; a wrong one has its default. Answers all that is wrong too, keys aside (`wrong_keys`)."""
    wrong: Wrong = {}
    texts: config_sources.Texts = {}
    known: dict[str, Any] = {}
    sources: dict[str, str] = {}
    with _noting(wrong, ENV):
        texts = _texts(environ, env_file, wrong.setdefault)
    if ENV in wrong:
        # What the environment says is known all the same.
        texts = _texts(environ, None, wrong.setdefault)
    for name, check in CHECKS.items():
        # A text that is unclear where it stands is not used.
        if wrong.keys() & {name, f"{name}_FILE"}:
            continue
        with _noting(wrong, name):
            if text := config_sources.text_of(name, texts):
                known[name.lower()] = _check(name, check, text.value)
                sources[name] = text.source
    if "DATABASE_URL" not in wrong:
        known.setdefault("database_url", DEFAULT_DATABASE)
    _name_schema(known, wrong)
    loaded = Settings(**{"database_url": DEFAULT_DATABASE, **known}, sources=sources)
    for names, sentence in _wrong_together(loaded):
        # One that is wrong by itself says nothing about the other.
        if not wrong.keys() & set(names):
            wrong[names[0]] = sentence
    return loaded, wrong


def read_values(environ: Mapping[str, str] | None, env_file: Path | None) -> dict[str, str]:
    """The settings' texts by name: environment first, then `.env`; `NAME_FILE` is read in place of `NAME`.

    An empty one counts as not set. Raises ConfigurationError where a file cannot be read.
    """
    texts = _texts(environ, env_file, config_sources.stop)
    return {name: text.value for name in CHECKS if (text := config_sources.text_of(name, texts))}


def value_files(environ: Mapping[str, str] | None, env_file: Path | None) -> dict[str, Path]:
    """The files that settings are in, by what names them. Raises ConfigurationError where `.env` cannot be read."""
    texts = _texts(environ, env_file, lambda _name, _sentence: None)
    found: dict[str, Path] = {}
    for name in (config_sources.ENV_FILE, *(f"{name}_FILE" for name in CHECKS)):
        # `examine` says what is wrong with one.
        with suppress(ConfigurationError):
            if path := config_sources.path_of(name, texts):
                found[name] = path
    return found


def _texts(
    environ: Mapping[str, str] | None, env_file: Path | None, refuse: config_sources.Refuse
) -> config_sources.Texts:
    given = config_sources.environment() if environ is None else environ
    texts = config_sources.stored(env_file, given, CHECKS, refuse)
    for name, value in given.items():
        if value.strip():
            texts[name] = config_sources.Text(value, config_sources.FROM_ENVIRONMENT)
    config_sources.refuse_slips(given, texts, CHECKS, refuse)
    return texts


@contextmanager
def _noting(wrong: Wrong, name: str) -> Iterator[None]:
    try:
        yield
    except ConfigurationError as refusal:
        wrong[name] = refusal.detail


def _check(name: str, check: Callable[[str], T], text: str) -> T:
    try:
        return check(text)
    except ValueError as error:
        raise ConfigurationError(f"{name} {error}") from None
    except RuntimeError:  # of `expanduser`
        raise ConfigurationError(f"{name} begins with ~ and the name of nobody here.") from None


def _name_schema(known: dict[str, Any], wrong: Wrong) -> None:
    if not (schema := known.get("database_schema")):
        return
    for name in ("DATABASE_URL", "MIGRATION_DATABASE_URL"):
        with _noting(wrong, name):
            if url := known.get(name.lower()):
                known[name.lower()] = _check(name, partial(with_schema, url), schema)


def _wrong_together(loaded: Settings) -> Iterator[tuple[tuple[str, str], str]]:
    if loaded.public_url is None and not ipaddress.ip_address(loaded.bind[0]).is_loopback:
        sentence = "BIND must be a loopback address until PUBLIC_URL says how people reach the console."
        yield ("BIND", "PUBLIC_URL"), sentence
    if loaded.migration_url.get_backend_name() != loaded.database_url.get_backend_name():
        sentence = "MIGRATION_DATABASE_URL must name the database of DATABASE_URL, by another address."
        yield ("MIGRATION_DATABASE_URL", "DATABASE_URL"), sentence
    if loaded.session_idle > loaded.session_max:
        yield ("SESSION_IDLE", "SESSION_MAX"), "SESSION_IDLE must not be longer than SESSION_MAX (both are minutes)."


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
