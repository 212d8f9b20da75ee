"""How settings may be shown to admins of any account: no key, no password and no content of a file."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from itertools import chain
from pathlib import Path
from typing import Any

from sqlalchemy.engine import URL

from agents_app.config import CHECKS, Settings
from agents_app.config_sign_on import PasswordSignIn
from agents_app.database.url import printable_url
from agents_app.paths import HOME
from agents_app.values.choices import Role

# The parameters of a database URL that hold no secret and no path. The others are left out.
SHOWN_PARAMETERS = ("host", "port", "service", "sslmode", "target_session_attrs")
# Parts of a database URL that hold nothing else. A password that was written into another part has other characters.
PLAIN_NAME, PLAIN_HOST = re.compile(r"[\w.@+-]+"), re.compile(r"[\w.:,@/\[\]-]+")
UNUSUAL = "set, but not shown: a part of it may contain a password"
NOT_SET, SET, DEFAULT = "not set", "set", "default"


@dataclass(frozen=True)
class ShownSetting:
    """A setting: its name, its value as it would be written in `.env`, and where it was read."""

    name: str
    value: str
    source: str


def shown_settings(settings: Settings) -> tuple[ShownSetting, ...]:
    """Every setting, in the order of `.env.example`."""
    return tuple(
        ShownSetting(name, _shown(name, getattr(settings, name.lower())), settings.sources.get(name, DEFAULT))
        for name in CHECKS
    )


def _shown(name: str, value: Any) -> str:
    if value is None:
        return NOT_SET
    # A new setting is hidden until it is added to SHOWN.
    return SHOWN[name](value) if name in SHOWN else SET


def _database(url: URL) -> str:
    if url.get_backend_name() == "sqlite":
        return printable_url(url.set(database=_path(Path(url.database or ""))))
    shown = url.set(query={name: value for name, value in url.query.items() if name in SHOWN_PARAMETERS})
    names = filter(None, (shown.username, shown.database))
    hosts = filter(None, (shown.host, *chain(*shown.normalized_query.values())))
    is_plain = all(map(PLAIN_NAME.fullmatch, names)) and all(map(PLAIN_HOST.fullmatch, hosts))
    return printable_url(shown) if is_plain else UNUSUAL


def _path(path: Path) -> str:
    return str(path.relative_to(HOME) if path.is_relative_to(HOME) else path)


def _minutes(length: timedelta) -> str:
    return str(length // timedelta(minutes=1))


def _number(number: float) -> str:
    return f"{number:.10g}"


def _bind(address: tuple[str, int]) -> str:
    host, port = address
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _switch(is_on: bool) -> str:
    return str(is_on).lower()


def _on_or_off(is_on: bool) -> str:
    return "on" if is_on else "off"


def _networks(networks: tuple[str, ...]) -> str:
    return ", ".join(networks) or "all networks that docs/connections.md allows"


def _roles(roles: Mapping[str, Role]) -> str:
    # An address may be that of a person in another account.
    is_plain = not any("@" in value for value in roles)
    return ", ".join(f"{value}={role}" for value, role in roles.items()) if is_plain else SET


def _password_sign_in(rule: PasswordSignIn) -> str:
    return f"{len(rule.emails)} addresses" if rule.emails else _on_or_off(rule.is_on)


SHOWN: dict[str, Callable[[Any], str]] = {
    "DATABASE_URL": _database,
    "MIGRATION_DATABASE_URL": _database,
    "DATABASE_SCHEMA": str,
    "PUBLIC_URL": str,
    "BIND": _bind,
    "WORKERS": str,
    "POOL_SIZE": str,
    "PROXY_HOPS": str,
    "SESSION_IDLE": _minutes,
    "SESSION_MAX": _minutes,
    "OIDC_ISSUER": lambda issuer: issuer.url,
    "OIDC_CLIENT_ID": str,
    "OIDC_ROLES_CLAIM": ", ".join,
    "OIDC_ROLES": _roles,
    "PASSWORD_SIGN_IN": _password_sign_in,
    "TOKEN_DAYS": str,
    "DELETED_SECRETS_DAYS": str,
    "EVENTS_DAYS": str,
    "API_DOCS_PATH": str,
    "API_DOCS_PUBLIC": _switch,
    "API_RATE_LIMIT": str,
    "LOG_LEVEL": str,
    "LOG_FORMAT": str,
    "METRICS_BIND": _bind,
    "BACKUP_FOLDER": _path,
    "CONNECTION_TESTS": _on_or_off,
    "CONNECTION_TEST_NETWORKS": _networks,
    "MIGRATION_STATEMENT_TIMEOUT": _number,
    "MIGRATION_LOCK_TIMEOUT": _number,
    "MIGRATION_TRIES": str,
    "MIGRATION_BATCH": str,
}
