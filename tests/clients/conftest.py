"""The document as a file, and the clients that are generated from it."""

import json
from pathlib import Path

import pytest

from tests.api.conftest import document
from tests.clients.generators import openapi_generator, openapi_python_client, openapi_typescript
from tests.clients.tools import Workshop


@pytest.fixture(scope="session")
def workshop(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    """The folder that all processes of pytest share."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if hasattr(request.config, "workerinput") else base) / "clients"
    folder.mkdir(exist_ok=True)
    return Workshop(folder)


@pytest.fixture(scope="session")
def document_file(workshop: Workshop) -> Path:
    """The OpenAPI document."""
    folder = workshop.made("document", lambda folder: (folder / "openapi.json").write_text(json.dumps(document())))
    return folder / "openapi.json"


@pytest.fixture(scope="session")
def python_client(workshop: Workshop, document_file: Path) -> Path:
    """The folder with `console_client`, the client of openapi-python-client."""
    return workshop.made("python", lambda folder: openapi_python_client(folder, document_file))


@pytest.fixture(scope="session")
def generated(workshop: Workshop, document_file: Path) -> Path:
    """The folder with the clients of OpenAPI Generator, by the name of its generator, and with what it printed."""
    return workshop.made("openapi-generator", lambda folder: openapi_generator(folder, document_file))


@pytest.fixture(scope="session")
def types(workshop: Workshop, document_file: Path) -> Path:
    """The folder with `schema.d.ts`, the types of openapi-typescript."""
    return workshop.made("types", lambda folder: openapi_typescript(folder, document_file, workshop))
