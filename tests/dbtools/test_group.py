"""`flask db` finds the migrations of this project in any folder."""

import shutil
from pathlib import Path

import pytest

from agents_app.dbtools.commands import group
from agents_app.paths import ROOT
from tests.dbtools.conftest import FlaskDb


def test_the_path_of_the_project_may_contain_any_characters(
    sqlite_url: str, tmp_path: Path, flask_db: FlaskDb, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "100% %(ours)s"
    shutil.copytree(ROOT / "migrations", root / "migrations")
    monkeypatch.setattr(group, "FILES", root)

    assert flask_db(sqlite_url, "history").exit_code == 0
