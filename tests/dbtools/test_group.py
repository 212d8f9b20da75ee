"""`flask db` finds the migrations of this project, wherever it stands."""

import shutil
from pathlib import Path

import pytest

from agents_app.dbtools.commands import group
from agents_app.paths import ROOT
from tests.dbtools.conftest import FlaskDb


def test_the_project_may_stand_in_a_folder_with_any_signs(
    sqlite_url: str, tmp_path: Path, flask_db: FlaskDb, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "100% %(ours)s"
    shutil.copytree(ROOT / "migrations", root / "migrations")
    monkeypatch.setattr(group, "ROOT", root)

    assert flask_db(sqlite_url, "history").exit_code == 0
