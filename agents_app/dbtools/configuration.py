"""The configuration of Alembic: a table in `pyproject.toml`, which Flask-Migrate reads too, and the database."""

from dataclasses import dataclass
from typing import Any

from alembic.config import Config
from flask import Flask
from sqlalchemy.engine import URL

from agents_app.database.url import parse_url
from agents_app.paths import ROOT

SETTINGS = ROOT / "pyproject.toml"
BACKUPS = ROOT / "backups"


@dataclass(frozen=True)
class LockSettings:
    """How long a migration waits for locks. All times are in seconds."""

    # For another migration to end.
    migration_timeout: float = 600
    # For the lock of one table. It is short because readers queue behind a migration that waits.
    table_timeout: float = 1
    # How many times a step is tried while another session holds a lock, and the time between two attempts.
    attempts: int = 15
    retry_delay: float = 1


def migration_url(app: Flask) -> URL:
    """The URL of the database for migrations: MIGRATION_URL of the app, or else the URL of the console."""
    uri = app.config.get("MIGRATION_URL")
    return _as_url(uri) if uri else console_url(app)


def console_url(app: Flask) -> URL:
    """The URL of the database for the console itself: SQLALCHEMY_DATABASE_URI of the app."""
    return _as_url(app.config["SQLALCHEMY_DATABASE_URI"])


def _as_url(uri: URL | str) -> URL:
    return uri if isinstance(uri, URL) else parse_url(uri)


def alembic_config(url: URL, lock_settings: LockSettings | None = None) -> Config:
    """The configuration with which `alembic.command` works on this database."""
    attributes: dict[str, Any] = {"database_url": url, "lock_settings": lock_settings or LockSettings()}
    return Config(toml_file=SETTINGS, attributes=attributes)
