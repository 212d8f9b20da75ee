"""What every test of migrations gets without asking, and `flask db` for those that ask for it."""

from collections.abc import Callable
from pathlib import Path

import pytest
from alembic.config import Config
from click.testing import Result
from flask import Flask

from agents_app import dbtools, models
from agents_app.db import db, parse_url
from tests.dbtools.tools import Project

Flasks = Callable[..., Result]


@pytest.fixture(autouse=True)
def backup_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where backups and saved rows go, for this process and those it starts; not made yet."""
    folder = tmp_path / "backups"
    monkeypatch.setenv("BACKUP_FOLDER", str(folder))
    return folder


@pytest.fixture
def flask_db(tmp_path: Path) -> Flasks:
    """Types `flask db ...` for a database; nothing but its URL and the folder of backups is set."""
    assert models

    def types(url: str, *words: str, project: Project | None = None) -> Result:
        app = Flask("operator")
        app.config |= {"SQLALCHEMY_DATABASE_URI": parse_url(url), "BACKUP_FOLDER": tmp_path / "backups"}
        db.init_app(app)
        dbtools.init_app(app)
        if project is not None:
            _use(project, app)
        return app.test_cli_runner().invoke(args=["db", *words])

    return types


def _use(project: Project, app: Flask) -> None:
    """Let the app work on migrations that were made for a test."""
    migrate = app.extensions["migrate"].migrate
    migrate.directory = str(project.folder)

    @migrate.configure
    def _configure(config: Config) -> Config:
        config.attributes |= {"models": project.models, "metadata": project.metadata}
        return config
