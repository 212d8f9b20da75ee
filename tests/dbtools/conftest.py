"""What every test of migrations gets without asking, and what some of them ask for."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from alembic.config import Config
from click.testing import Result
from flask import Flask

from agents_app import dbtools, models
from agents_app.database.url import parse_url
from agents_app.db import db
from agents_app.operations import agents
from tests import postgres
from tests.conftest import OpenConsole
from tests.dbtools.tools import Project
from tests.make import make_agent, make_user

FlaskDb = Callable[..., Result]


@pytest.fixture(autouse=True)
def backup_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where backups and saved rows go, for this process and those it starts; not made yet."""
    folder = tmp_path / "backups"
    monkeypatch.setenv("BACKUP_FOLDER", str(folder))
    return folder


@pytest.fixture
def flask_db(tmp_path: Path) -> FlaskDb:
    """Types `flask db ...` for a database; nothing but its URL and the folder of backups is set."""
    assert models

    def types(url: str, *words: str, project: Project | None = None, direct: str | None = None) -> Result:
        app = Flask("operator")
        app.config |= {"SQLALCHEMY_DATABASE_URI": parse_url(url), "BACKUP_FOLDER": tmp_path / "backups"}
        app.config["MIGRATION_URL"] = direct
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


@pytest.fixture(scope="session")
def cluster() -> Iterator[postgres.Cluster]:
    """A server that tests stop and start, which loses nothing that was committed."""
    with postgres.cluster(synchronous_commit="on", autovacuum="off") as own:
        yield own


@pytest.fixture
def console_on(open_console: OpenConsole) -> Callable[[str], Callable[[], None]]:
    """The release that runs, on a database: makes an agent and changes it whenever it is called."""

    def on(url: str) -> Callable[[], None]:
        app = open_console(url)
        admin = make_user(app)
        _work(app, admin)
        return lambda: _work(app, admin)

    return on


def _work(app: Flask, admin: Any) -> None:
    agent = make_agent(app, admin)
    with app.app_context():
        agents.update(admin, agent, {"description": "Changed."})
