"""What every test of migrations gets without asking."""

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def backup_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where backups and saved rows go, for this process and those it starts; not made yet."""
    folder = tmp_path / "backups"
    monkeypatch.setenv("BACKUP_FOLDER", str(folder))
    return folder
