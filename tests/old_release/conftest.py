"""A database of an old release, upgraded by the current migrations; each test gets a new copy."""

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg2
import pytest
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient

from agents_app import dbtools
from agents_app.app import create_app
from agents_app.config import load
from agents_app.database.url import parse_url
from agents_app.db import db, now
from agents_app.models import Invitation, UserSession
from tests import postgres

RELEASE = Path(__file__).parent / "0.1.0"
DATABASES = ("sqlite", "postgresql")


@dataclass
class Old:
    """The current console on the database of an old release."""

    app: Flask
    url: str
    notes: dict[str, Any]

    def agent(self, name: str) -> str:
        """The id of an agent by its name in the notes."""
        found: str = self.notes["agents"][name]["id"]
        return found

    def bearer(self, token: str) -> dict[str, str]:
        """The header of a request with a token of the old release."""
        return {"Authorization": f"Bearer {self.notes['tokens'][token]}"}

    def browser(self, role: str) -> FlaskClient:
        """A browser with the cookie of this user from the old release."""
        browser, cookie = self.app.test_client(), self.notes["cookies"][role]
        browser.set_cookie(cookie["name"], signed_today(self.app, cookie["value"]))
        return browser


def signed_today(app: Flask, cookie: str) -> str:
    """The same cookie with a new time: those in the files are too old, or in the future if the clock is wrong.

    Raises BadSignature unless today's code knows the signature.
    """
    signer = app.session_interface.get_signing_serializer(app)
    return str(signer.dumps(signer.loads(cookie)))


def restore(url: str) -> None:
    """Fill a new database with the records of the old release."""
    target = parse_url(url)
    if target.get_backend_name() == "sqlite":
        shutil.copy(RELEASE / "sqlite.db", target.database or "")
        return
    connection = psycopg2.connect(sa.make_url(url).set(drivername="postgresql").render_as_string(hide_password=False))
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute((RELEASE / "postgresql.sql").read_text())
    finally:
        connection.close()


def notes_of(kind: str) -> dict[str, Any]:
    """The notes about the records in a database of this kind."""
    found: dict[str, Any] = json.loads((RELEASE / f"{kind}.json").read_text())
    return found


@pytest.fixture(scope="session")
def _old_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("old") / "console.db"
    restore(f"sqlite:///{file}")
    dbtools.upgrade_to_head(parse_url(f"sqlite:///{file}"))
    return file


@pytest.fixture(scope="session")
def _old_postgresql(postgres_server: str) -> Iterator[str]:
    with postgres.database(postgres_server) as url:
        restore(url)
        dbtools.upgrade_to_head(parse_url(url))
        yield url


@pytest.fixture(params=DATABASES)
def old(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Old]:
    """The current console on a copy of the database of the old release. The test runs on both databases."""
    if request.param == "sqlite":
        file = shutil.copy(request.getfixturevalue("_old_sqlite"), tmp_path / "console.db")
        yield from _opened(f"sqlite:///{file}", request.param)
        return
    template = parse_url(request.getfixturevalue("_old_postgresql")).database or ""
    with postgres.database(request.getfixturevalue("postgres_server"), template) as url:
        yield from _opened(url, request.param)


def _opened(url: str, kind: str) -> Iterator[Old]:
    notes = notes_of(kind)
    app = create_app(
        load({"DATABASE_URL": url, "BACKUP_FOLDER": str(Path.home() / "backups"), **notes["settings"]}, None)
    )
    with app.app_context():
        _set_current_times()
    yield Old(app, url, notes)
    with app.app_context():
        db.engine.dispose()


def _set_current_times() -> None:
    """Set the times of sessions and links to today, as when they were used."""
    later = now() + timedelta(days=1)
    with db.transaction() as session:
        session.execute(sa.update(UserSession).values(expires_at=later, last_seen_at=now()))
        session.execute(sa.update(Invitation).values(expires_at=later))
