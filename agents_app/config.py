"""Every setting, its environment variable and its check. An invalid one stops the start with a line that names it.

A setting is read from the environment, otherwise from `.env` in the project's root (`config_sources.py`). A variable
`NAME_FILE` gives the path of a file with the value of `NAME`.
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
from agents_app.config_keys import KEY_CHECKS, Keys, key_errors, load_keys
from agents_app.config_monitoring import MONITORING_CHECKS, MonitoringSettings
from agents_app.config_sign_on import SIGN_ON_CHECKS, SignOnSettings
from agents_app.database import migration_limits
from agents_app.database.url import parse_url, with_schema
from agents_app.errors import ConfigurationError
from agents_app.paths import HOME
from agents_app.values.origins import Origin, split

T = TypeVar("T")

KEY_SETTINGS = tuple(KEY_CHECKS)
DEFAULT_DATABASE = parse_url("sqlite:///instance/console.db")
# The key in `SettingErrors` for a file of settings that cannot be read.
ENV_FILE = ".env"
# A sentence for each invalid name or setting, by that name.
SettingErrors = dict[str, str]


@dataclass(frozen=True)
class Settings(MonitoringSettings, SignOnSettings, migration_limits.LimitSettings):
    """Every setting, checked. Keys are checked only when they are used, because migrations need no keys."""

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
    api_rate_limit: int = 6_000
    backup_folder: Path = HOME / "backups"
    connection_tests: bool = True
    connection_test_networks: tuple[str, ...] = ()
    # Where each setting was read, also an invalid one. A setting without a source has its default.
    sources: Mapping[str, str] = field(default_factory=dict, compare=False)

    @property
    def is_https(self) -> bool:
        """Whether browsers use https, so that cookies can be `Secure` and HSTS can be sent."""
        return self.origin.scheme == "https"

    @property
    def migration_url(self) -> URL:
        """The URL of the database for migrations, backups and restores."""
        return self.migration_database_url or self.database_url

    @property
    def base_url(self) -> str:
        """The URL of the console in a browser."""
        return self.public_url or str(Origin("http", *self.bind))

    @property
    def origin(self) -> Origin:
        """The scheme, host and port of `base_url`."""
        return split(self.base_url)[0]

    @property
    def sub_path(self) -> str:
        """The path of `base_url`, such as /agents. Empty if the console has a host of its own."""
        return split(self.base_url)[1]

    @cached_property
    def keys(self) -> Keys:
        """The keys. Raises ConfigurationError with a sentence that names the first invalid setting."""
        return load_keys(self._key_texts)

    @property
    def key_errors(self) -> dict[str, str]:
        """A sentence for each key setting that is missing or invalid."""
        return key_errors(self._key_texts)

    @property
    def _key_texts(self) -> dict[str, str | None]:
        return {name: getattr(self, name.lower()) for name in KEY_SETTINGS}


def settings() -> Settings:
    """The settings of the running app."""
    found: Settings = current_app.extensions["settings"]
    return found


def load(environ: Mapping[str, str] | None = None, env_file: Path | None = HOME / ".env") -> Settings:
    """Read every setting. Raises ConfigurationError with a sentence that names the first invalid setting."""
    loaded, errors = load_with_errors(environ, env_file)
    for sentence in errors.values():
        raise ConfigurationError(sentence)
    return loaded


def load_with_errors(
    environ: Mapping[str, str] | None = None, env_file: Path | None = HOME / ".env"
) -> tuple[Settings, SettingErrors]:
    """Read every setting, and return the errors too, but not `key_errors`. An invalid setting has its default."""
    errors: SettingErrors = {}
    texts: config_sources.SettingTexts = {}
    known: dict[str, Any] = {}
    sources: dict[str, str] = {}
    with _collect_error(errors, ENV_FILE):
        texts = _read_texts(environ, env_file, errors.setdefault)
    if ENV_FILE in errors:
        # The settings of the environment can be used without the file.
        texts = _read_texts(environ, None, errors.setdefault)
    for name, check in CHECKS.items():
        # A value with an error in its file is not used.
        if errors.keys() & {name, f"{name}_FILE"}:
            continue
        with _collect_error(errors, name):
            if text := config_sources.read_text(name, texts):
                sources[name] = text.source
                known[name.lower()] = _check(name, check, text.value)
    if "DATABASE_URL" not in errors:
        known.setdefault("database_url", DEFAULT_DATABASE)
    _apply_schema(known, errors)
    loaded = Settings(**{"database_url": DEFAULT_DATABASE, **known}, sources=sources)
    for names, sentence in _conflicting_settings(loaded):
        # A conflict with an invalid value would be misleading.
        if not errors.keys() & set(names):
            errors[names[0]] = sentence
    return loaded, errors


def read_texts(environ: Mapping[str, str] | None, env_file: Path | None) -> dict[str, str]:
    """The text of each setting by its name: from the environment, then from `.env`, or from the file of `NAME_FILE`.

    An empty text counts as not set. Raises ConfigurationError if a file cannot be read.
    """
    texts = _read_texts(environ, env_file, config_sources.raise_error)
    return {name: text.value for name in CHECKS if (text := config_sources.read_text(name, texts))}


def setting_files(environ: Mapping[str, str] | None, env_file: Path | None) -> dict[str, Path]:
    """The files with settings, by the variable that names each. Raises ConfigurationError if `.env` cannot be read."""
    texts = _read_texts(environ, env_file, lambda _name, _sentence: None)
    found: dict[str, Path] = {}
    for name in (config_sources.ENV_FILE, *(f"{name}_FILE" for name in CHECKS)):
        # `load_with_errors` reports the error.
        with suppress(ConfigurationError):
            if path := config_sources.read_path(name, texts):
                found[name] = path
    return found


def _read_texts(
    environ: Mapping[str, str] | None, env_file: Path | None, on_error: config_sources.OnError
) -> config_sources.SettingTexts:
    given = config_sources.environment() if environ is None else environ
    texts = config_sources.read_env_files(env_file, given, CHECKS, on_error)
    for name, value in given.items():
        if value.strip():
            texts[name] = config_sources.SettingText(value, config_sources.FROM_ENVIRONMENT)
    config_sources.report_misspelled_names(given, texts, CHECKS, on_error)
    return texts


@contextmanager
def _collect_error(errors: SettingErrors, name: str) -> Iterator[None]:
    try:
        yield
    except ConfigurationError as refusal:
        errors[name] = refusal.detail


def _check(name: str, check: Callable[[str], T], text: str) -> T:
    try:
        return check(text)
    except ValueError as error:
        raise ConfigurationError(f"{name} {error}") from None
    except RuntimeError:  # of `expanduser`
        raise ConfigurationError(f"{name} begins with ~ and a user name that does not exist on this machine.") from None


def _apply_schema(known: dict[str, Any], errors: SettingErrors) -> None:
    schema: Any = known.get("database_schema")
    for name in ("DATABASE_URL", "MIGRATION_DATABASE_URL") if schema else ():
        with _collect_error(errors, name):
            if url := known.get(name.lower()):
                known[name.lower()] = _check(name, partial(with_schema, url), schema)


def _conflicting_settings(loaded: Settings) -> Iterator[tuple[tuple[str, str], str]]:
    if loaded.public_url is None and not ipaddress.ip_address(loaded.bind[0]).is_loopback:
        yield ("BIND", "PUBLIC_URL"), "BIND must be a loopback address unless PUBLIC_URL is set."
    if loaded.migration_url.get_backend_name() != loaded.database_url.get_backend_name():
        sentence = "MIGRATION_DATABASE_URL must be another URL of the same database as DATABASE_URL."
        yield ("MIGRATION_DATABASE_URL", "DATABASE_URL"), sentence
    if loaded.session_idle > loaded.session_max:
        yield ("SESSION_IDLE", "SESSION_MAX"), "SESSION_IDLE must not be longer than SESSION_MAX (both are in minutes)."
    yield from (*loaded.sign_on_conflicts(), *loaded.monitoring_conflicts(loaded.bind, loaded._key_texts.values()))


# In the order of `.env.example`, which describes each setting.
CHECKS: dict[str, Callable[[str], Any]] = {
    "DATABASE_URL": parse_url,
    "MIGRATION_DATABASE_URL": parse_url,
    "DATABASE_SCHEMA": config_values.schema,
    "SECRET_KEY": str,
    "ENCRYPTION_KEYS": str,
    "TOKEN_PEPPERS": str,
    "PUBLIC_URL": config_values.public_url,
    "BIND": config_values.address,
    "WORKERS": config_values.whole_number(1, 64),
    "POOL_SIZE": config_values.whole_number(1, 100),
    "PROXY_HOPS": config_values.whole_number(0, 5),
    "SESSION_IDLE": config_values.minutes,
    "SESSION_MAX": config_values.minutes,
    **SIGN_ON_CHECKS,
    "TOKEN_DAYS": config_values.whole_number(1, 3650),
    "DELETED_SECRETS_DAYS": config_values.whole_number(0, 3650),
    "EVENTS_DAYS": config_values.whole_number(1, 3650),
    "API_DOCS_PATH": config_values.path,
    "API_DOCS_PUBLIC": config_values.boolean,
    "API_RATE_LIMIT": config_values.whole_number(0, 1_000_000),
    **MONITORING_CHECKS,
    "BACKUP_FOLDER": lambda text: HOME / Path(text).expanduser(),
    "CONNECTION_TESTS": config_values.on_or_off,
    "CONNECTION_TEST_NETWORKS": config_values.networks,
    **migration_limits.CHECKS,
}
