"""Requests made up from the OpenAPI document, good and bad ones in any order, against a server that listens."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.browser.conftest import Site
from tests.make import make_agent, make_app, make_token, make_user

CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "unsupported_method",
    "ignored_auth",
    "use_after_free",
    "ensure_resource_availability",
)
PATIENCE_S = 600


@pytest.fixture
def site(schema_url: str) -> Iterator[Site]:
    """A console that listens, on either database."""
    site = Site(make_app(schema_url))
    yield site
    site.stop()


@pytest.mark.long
def test_no_request_breaks_the_server_or_the_document(site: Site, tmp_path: Path) -> None:
    admin = make_user(site.app)
    make_agent(site.app, admin)
    token = make_token(site.app, admin, "write", "runtime")
    options = {
        "--header": f"Authorization: Bearer {token}",
        "--checks": ",".join(CHECKS),
        "--max-examples": "150",
        "--seed": "20261122",
    }

    run = subprocess.run(
        [
            Path(sys.executable).with_name("st"),
            "run",
            f"{site.address}/openapi.json",
            "--no-color",
            "--generation-deterministic",
            *(part for option in options.items() for part in option),
        ],
        check=False,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )

    assert run.returncode == 0, run.stdout[-8_000:] + run.stderr[-2_000:]
