"""An installation of the wheel in an empty folder."""

from pathlib import Path

import pytest

from tests.wheel import Installed, programs_of_wheel


@pytest.fixture
def installed(tmp_path: Path) -> Installed:
    """The wheel, installed next to the packages of the tests, in an empty folder with a space in its name."""
    folder = tmp_path / "my console"
    folder.mkdir()
    return Installed(folder, programs_of_wheel())
