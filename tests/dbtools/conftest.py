"""Fixtures of the migration tests."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from zlib import crc32

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
DATABASES = ("sqlite", "postgresql")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let a test of this folder that is for both databases run on one of them in `make test`, the other in `make long`.

    The name of a test decides which one, so that each database has half of the tests.
    """
    for item in items:
        kind = _database_of(item) if item.path.parent == Path(__file__).parent else None
        if kind and kind != DATABASES[crc32(item.nodeid.replace(kind, "").encode()) % 2]:
            item.add_marker(pytest.mark.long)


def _database_of(item: pytest.Item) -> str | None:
    parameters = item.callspec.params.values() if hasattr(item, "callspec") else ()
    return next((kind for kind in parameters if isinstance(kind, str) and kind in DATABASES), None)


@pytest.fixture(autouse=True)
def backup_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder for backups and saved rows, for this process and its child processes. It does not exist yet."""
    folder = tmp_path / "backups"
    monkeypatch.setenv("BACKUP_FOLDER", str(folder))
    return folder


@pytest.fixture
def flask_db(tmp_path: Path) -> FlaskDb:
    """Runs `flask db ...` for a database. Only its URL and the backup folder are set."""
    assert models

    def run(url: str, *words: str, project: Project | None = None, direct: str | None = None) -> Result:
        app = Flask("operator")
        app.config |= {"SQLALCHEMY_DATABASE_URI": parse_url(url), "BACKUP_FOLDER": tmp_path / "backups"}
        app.config["MIGRATION_URL"] = direct
        db.init_app(app)
        dbtools.init_app(app)
        if project is not None:
            _use_project(project, app)
        return app.test_cli_runner().invoke(args=["db", *words])

    return run


def _use_project(project: Project, app: Flask) -> None:
    """Let the app use the migrations of a test."""
    migrate = app.extensions["migrate"].migrate
    migrate.directory = str(project.folder)

    @migrate.configure
    def _configure(config: Config) -> Config:
        config.attributes |= {"models": project.models, "metadata": project.metadata}
        return config


@pytest.fixture(scope="session")
def cluster() -> Iterator[postgres.Cluster]:
    """A server that tests can stop and start. It keeps everything that was committed."""
    with postgres.cluster(synchronous_commit="on", autovacuum="off") as own:
        yield own


@pytest.fixture
def console_on(open_console: OpenConsole) -> Callable[[str], Callable[[], None]]:
    """The running release on a database. Each call creates an agent and changes it."""

    def on(url: str) -> Callable[[], None]:
        app = open_console(url)
        admin = make_user(app)
        _create_and_change_agent(app, admin)
        return lambda: _create_and_change_agent(app, admin)

    return on


def _create_and_change_agent(app: Flask, admin: Any) -> None:
    agent = make_agent(app, admin)
    with app.app_context():
        agents.update(admin, agent, {"description": "Changed."})
