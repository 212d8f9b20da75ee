"""The console behind a real Caddy and a real Apache with the files of `deploy/`, and the files against the document."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from agents_app.paths import ROOT
from tests.conftest import OpenConsole
from tests.documents import read_blocks
from tests.make import PASSWORD, agent_values, make_token, make_user
from tests.nginx import Client
from tests.other_proxies import PROXIES, behind

PUBLIC_URL = "https://agents.example.org:8443"
LANGUAGES = {"nginx.conf": "nginx", "Caddyfile": "caddy", "apache.conf": "apache"}


@pytest.fixture(scope="module")
def database_url(_sqlite_at_head: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The database of the consoles behind both proxies."""
    return f"sqlite:///{shutil.copy(_sqlite_at_head, tmp_path_factory.mktemp('proxies') / 'console.db')}"


@pytest.fixture(scope="module", params=PROXIES)
def client(
    request: pytest.FixtureRequest, database_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Client]:
    """A browser behind one of them."""
    with behind(request.param, tmp_path_factory.mktemp(request.param), database_url, PUBLIC_URL) as found:
        yield found


@pytest.mark.parametrize("name", LANGUAGES)
def test_the_document_has_the_file_of_a_proxy_to_copy(name: str) -> None:
    file = (ROOT / "deploy" / name).read_text()
    lines = [line for line in file.splitlines(keepends=True) if not line.startswith("#")]

    blocks = [block for block in read_blocks(ROOT / "docs" / "deployment.md") if block.language == LANGUAGES[name]]

    assert blocks[0].text == "".join(lines)


@pytest.mark.long
def test_a_form_of_another_site_is_refused_and_one_of_ours_is_not(
    client: Client, database_url: str, open_console: OpenConsole
) -> None:
    admin = make_user(open_console(database_url))
    form = {"email": admin.email, "password": PASSWORD}
    theirs = {"Origin": "https://evil.example", "Sec_Fetch_Site": "cross-site"}

    refused = client.send(client.get("/sign-in"), "/sign-in", values=form, **theirs)
    signed_in = client.send(client.get("/sign-in"), "/sign-in", values=form, X_Forwarded_For="192.0.2.1")
    page = client.get("/profile")

    assert [refused.status, signed_in.status, page.status] == [403, 303, 200]
    # The address that the proxy saw, and not what the client said.
    assert ("127.0.0.1" in page.text, "192.0.2.1" in page.text) == (True, False)


@pytest.mark.long
def test_odd_external_ids_and_etags_pass(client: Client, database_url: str, open_console: OpenConsole) -> None:
    app = open_console(database_url)
    headers = {"Authorization": f"Bearer {make_token(app, make_user(app), 'write')}"}
    as_json = {**headers, "Content-Type": "application/json"}
    for external_id in ("/", "//a//", "a/../b", "100%", "%2F", "a b+c", "é/日本", "?q=1#x"):
        path = f"/api/v1/agents/by-external-id/{quote(external_id, safe='')}"

        made, again = (client.ask("PUT", path, json.dumps(agent_values()), as_json) for _ in range(2))
        read = client.ask("GET", path, None, headers)

        assert (made.status, again.status, json.loads(read.text)["external_id"]) == (201, 200, external_id)
        assert client.ask("GET", path, None, {**headers, "If-None-Match": read.headers["ETag"]}).status == 304


@pytest.mark.long
def test_a_body_that_is_too_large_is_refused_by_the_console(client: Client) -> None:
    answer = client.ask("POST", "/api/v1/agents", " " * 1_000_001, {"Content-Type": "application/json"})

    assert (answer.status, answer.headers["Content-Type"]) == (413, "application/problem+json")
