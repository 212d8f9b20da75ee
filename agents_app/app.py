"""Creates the app: the parts that it is made of, in order."""

import click
from flask import Flask
from flask.cli import FlaskGroup

from agents_app import (
    answer_headers,
    api,
    cli,
    config,
    health,
    http,
    identity_provider,
    logs,
    metrics,
    refusals,
    sub_path,
    web,
)
from agents_app.db import db, engine_options
from agents_app.paths import FILES


def create_app(settings: config.Settings | None = None) -> Flask:
    """The console as a WSGI app. Raises ConfigurationError with a sentence that names an invalid setting."""
    loaded = settings or config.load()
    app = Flask("agents_app", template_folder=str(FILES / "templates"), static_folder=None)
    app.extensions["settings"] = loaded
    if settings is not None or _needs_keys():
        app.secret_key = loaded.keys.secret_key
    app.config["SQLALCHEMY_DATABASE_URI"] = loaded.database_url
    app.config["SQLALCHEMY_ENGINE_OPTIONS"] = {
        **engine_options(loaded.database_url, loaded.pool_size),
        **metrics.pool_options(loaded),
    }
    app.config["MIGRATION_URL"] = loaded.migration_url
    app.config["MIGRATION_LIMITS"] = loaded.migration_limits
    app.config["BACKUP_FOLDER"] = loaded.backup_folder
    db.init_app(app)
    for part in (logs, answer_headers, http, sub_path):
        part.init_app(app, loaded)
    for part in (identity_provider, health, refusals, web, api, cli):
        part.init_app(app)
    return app


def _needs_keys() -> bool:
    # Under `flask`, each command that uses keys checks them: migrations and --help need no keys.
    command = click.get_current_context(silent=True)
    return command is None or command.info_name == "run" or not isinstance(command.find_root().command, FlaskGroup)
