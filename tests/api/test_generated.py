"""Requests generated from the OpenAPI document, valid and invalid, against a running server."""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.api.isolation_middleware import IsolationMiddleware, MarkedAccount, make_marked_account
from tests.api.made_up_requests import LISTED, MET
from tests.browser.conftest import Site
from tests.make import make_app

CHECKS = (
    "refused_only_as_listed",
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "negative_data_rejection",
    "missing_required_header",
    "unsupported_method",
    "ignored_auth",
    "use_after_free",
    "ensure_resource_availability",
    "object_level_authorization",
)
PATIENCE_S = 1_800
# The authorization check needs two accounts that must not see each other's data.
SETTINGS = """
hooks = "made_up_requests"

[checks.negative_data_rejection]
# Before the body is read, an ETag of If-Match is compared.
expected-statuses = ["4xx", "5xx"]

[auth.wfc]
path = "people.json"
user = "mine"
peers = ["mine", "other"]
"""


@pytest.mark.long
def test_no_request_breaks_the_server_the_document_or_the_isolation_of_accounts(
    schema_url: str, tmp_path: Path
) -> None:
    with running(schema_url) as site:
        make_up_requests(site, tmp_path, 100, "examples,coverage,fuzzing,stateful")

    # Each reason of the list was needed.
    assert set((tmp_path / MET).read_text().splitlines()) == set(LISTED)


@contextmanager
def running(url: str) -> Iterator[Site]:
    """A console on a real socket."""
    # Without a limit, so that every request is answered by its operation.
    site = Site(make_app(url, API_RATE_LIMIT="0"))
    try:
        yield site
    finally:
        site.stop()


def make_up_requests(site: Site, folder: Path, examples: int, phases: str) -> None:
    """Send requests as one of two accounts, with `examples` for each operation, and run every check."""
    isolation = IsolationMiddleware(
        site.app, make_marked_account(site.app, "Quokka"), make_marked_account(site.app, "Wombat")
    )
    people = [_person("mine", isolation.mine), _person("other", isolation.other)]
    (folder / "people.json").write_text(json.dumps({"auth": people}))
    shutil.copy2(Path(__file__).with_name("made_up_requests.py"), folder)
    (folder / "schemathesis.toml").write_text(SETTINGS)
    options = {"--checks": ",".join(CHECKS), "--phases": phases, "--max-examples": str(examples), "--seed": "20261122"}

    program = [Path(sys.executable).with_name("st"), "run", f"{site.address}/openapi.json"]
    said = ["--no-color", "--generation-deterministic", *(part for option in options.items() for part in option)]
    run = subprocess.run([*program, *said], check=False, cwd=folder, capture_output=True, text=True, timeout=PATIENCE_S)

    assert run.returncode == 0, run.stdout[-60_000:] + run.stderr[-2_000:]
    assert isolation.leaks() == []
    assert isolation.requests_sent > examples


def _person(name: str, account: MarkedAccount) -> dict[str, object]:
    return {"name": name, "fixedHeaders": [{"name": "Authorization", "value": f"Bearer {account.token}"}]}
