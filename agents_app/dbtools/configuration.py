"""The configuration of Alembic: a table in `pyproject.toml`, which Flask-Migrate reads too, and the database."""

from typing import Any

from alembic.config import Config
from alembic.util import CommandError
from flask import Flask
from sqlalchemy.engine import URL

from agents_app.database.migration_limits import LIMITS, Limits, with_options
from agents_app.database.url import parse_url
from agents_app.paths import FILES, HOME

SETTINGS = FILES / "pyproject.toml"
BACKUPS = HOME / "backups"
# Of `-x`, besides the limits.
OTHER_OPTIONS = ("verbose", "no_backup")


def migration_url(app: Flask) -> URL:
    """The URL of the database for migrations: MIGRATION_URL of the app, or else the URL of the console."""
    uri = app.config.get("MIGRATION_URL")
    return _as_url(uri) if uri else console_url(app)


def console_url(app: Flask) -> URL:
    """The URL of the database for the console itself: SQLALCHEMY_DATABASE_URI of the app."""
    return _as_url(app.config["SQLALCHEMY_DATABASE_URI"])


def _as_url(uri: URL | str) -> URL:
    return uri if isinstance(uri, URL) else parse_url(uri)


def alembic_config(url: URL, limits: Limits | None = None) -> Config:
    """The configuration with which `alembic.command` works on this database."""
    attributes: dict[str, Any] = {"database_url": url, "limits": limits or Limits()}
    return Config(toml_file=SETTINGS, attributes=attributes)


def limits_of_run(config: Config) -> Limits:
    """The limits of a run: what its command was given (`-x`), otherwise the settings, otherwise the defaults.

    Raises CommandError with a sentence that names a wrong option, or one that does not exist.
    """
    words: list[str] = getattr(config.cmd_opts, "x", None) or []
    options = {name: value for name, _, value in (word.partition("=") for word in words)}
    known = [*(limit.option for limit in LIMITS), *OTHER_OPTIONS]
    if unknown := [name for name in options if name not in known]:
        raise CommandError(f"There is no option -x {unknown[0]}. Use one of: {', '.join(known)}.")
    try:
        return with_options(config.attributes.get("limits", Limits()), options)
    except ValueError as error:
        raise CommandError(str(error)) from None
