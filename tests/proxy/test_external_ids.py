"""External ids in URLs reach the console unchanged through a real nginx with the blocks of the documents."""

import json
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote, urlsplit

import pytest

from tests.conftest import OpenConsole
from tests.make import agent_values, make_token, make_user
from tests.nginx import Answer, Proxied, behind_nginx, document_blocks

ROOT_URL = "https://agents.example.org:8443"
AT_ROOT, BELOW = document_blocks()
PASS = "proxy_pass http://$console;"
# The blocks of the document, by the URL of the console.
BLOCKS = {ROOT_URL: AT_ROOT, f"{ROOT_URL}/agents": BELOW}
# What the document warns of.
WRONG = {
    "a URI": BELOW.replace(PASS, "proxy_pass http://$console/;"),
    "a path as URI": BELOW.replace(PASS, "proxy_pass http://$console/agents/;"),
    "rewrite": BELOW.replace(PASS, f"rewrite ^/agents(/.*)$ $1 break; {PASS}"),
}
# Each is followed by what a proxy makes of it that decodes the path, merges slashes and resolves dots.
MIXED_UP = [("/orders", "orders"), ("x/../orders", "orders"), ("vic//tim", "vic/tim"), ("a/./b", "a/b"), ("%2F", "/")]


@pytest.fixture(params=BLOCKS)
def proxied(request: pytest.FixtureRequest, sqlite_schema_url: str, tmp_path: Path) -> Iterator[Proxied]:
    """A console at this URL, behind the block that the document has for it; below a path, behind WRONG too."""
    blocks = {"the document's": BLOCKS[request.param], **(WRONG if request.param.endswith("/agents") else {})}
    with behind_nginx(tmp_path, sqlite_schema_url, request.param, blocks) as found:
        yield found


class ByExternalId:
    """A client that asks for agents by their external ids, through one block, in a new account."""

    def __init__(self, proxied: Proxied, block: str, open_console: OpenConsole) -> None:
        app = open_console(proxied.database_url)
        admin = make_user(app)
        self.client = proxied.client(block)
        self.root = urlsplit(proxied.public_url).path + "/api/v1"
        self.tokens = {scope: make_token(app, admin, scope) for scope in ("write", "runtime")}

    def ask(self, method: str, external_id: str, below: str = "/agents", scope: str = "write") -> Answer:
        """Send a request to the URL of this external id. A PUT has the external id as the name of the agent."""
        content = json.dumps(agent_values(name=external_id)) if method == "PUT" else None
        headers = {"Authorization": f"Bearer {self.tokens[scope]}", "Content-Type": "application/json"}
        path = f"{self.root}{below}/by-external-id/{quote(external_id, safe='')}"
        return self.client.ask(method, path, content, headers)

    def found(self, external_id: str) -> list[str]:
        """The names of the agents that are found for this external id: by an editor, and by a runtime."""
        answers = [self.ask("GET", external_id), self.ask("GET", external_id, "/runtime", "runtime")]
        return [json.loads(answer.text).get("name", "") for answer in answers]


def test_the_document_s_blocks_never_lead_to_another_agent(proxied: Proxied, open_console: OpenConsole) -> None:
    agents = ByExternalId(proxied, "the document's", open_console)
    for other in sorted({other for _, other in MIXED_UP}):
        assert agents.ask("PUT", other).status == 201
    for named, other in MIXED_UP:
        assert [agents.ask(method, named).status for method in ("GET", "DELETE")] == [404, 404]
        assert agents.ask("PUT", named).status == 201
        assert (agents.found(named), agents.found(other)) == ([named] * 2, [other] * 2)
        assert agents.ask("DELETE", named).status == 204
        assert agents.found(other) == [other] * 2


def test_nginx_refuses_more_parent_folders_than_the_path_has(proxied: Proxied, open_console: OpenConsole) -> None:
    agents = ByExternalId(proxied, "the document's", open_console)

    assert agents.ask("GET", f"x{'/..' * 9}/orders").status == 400


@pytest.mark.parametrize("proxied", [f"{ROOT_URL}/agents"], indirect=True)
def test_nginx_that_changes_the_path_leads_to_another_agent(proxied: Proxied, open_console: OpenConsole) -> None:
    # Otherwise the first test would prove nothing, and the document could show these forms too.
    for block in WRONG:
        agents = ByExternalId(proxied, block, open_console)
        assert agents.ask("PUT", "orders").status == 201

        assert agents.found("/orders") == ["orders"] * 2
        assert agents.ask("DELETE", "x/../orders").status == 204
        assert agents.ask("GET", "orders").status == 404
