"""The image and a folder for its data."""

import os
from pathlib import Path

import pytest

from tests.image.container import make_image, require, shared_folder
from tests.image.unpacked import Image


@pytest.fixture(scope="session")
def image(request: pytest.FixtureRequest) -> Image:
    """The image that `deploy/build-image` builds."""
    require("buildah", "bwrap", "mmdebstrap")
    return Image(shared_folder(request, "image", make_image))


@pytest.fixture
def data(tmp_path: Path, image: Image) -> Path:
    """An empty folder that belongs to the user of the image, as a new volume does."""
    folder = tmp_path / "data"
    folder.mkdir(mode=0o700)
    user, group = map(int, image.config["User"].split(":"))
    os.chown(folder, user, group)
    return folder
