"""The console behind a real nginx with the blocks of the documents: every kind of form and the API work."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from agents_app.operations.permissions import Actor
from agents_app.values import limits
from tests.conftest import OpenConsole
from tests.make import PASSWORD, agent_values, make_token, make_user
from tests.nginx import Answer, Client, Proxied, behind_nginx, document_blocks
from tests.security.conftest import Caller

PUBLIC_URL = "https://agents.example.org:8443"
FOR = "proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;"
PROTO = "proxy_set_header X-Forwarded-Proto $scheme;"
HOST = "proxy_set_header Host $host;"
HTTP_HOST = "proxy_set_header Host $http_host;"
FORWARDED_HOST = "proxy_set_header X-Forwarded-Host $http_host;"


def location(*lines: str) -> str:
    """A block that passes every request on, with these lines."""
    return f"location / {{ proxy_pass http://$console; {' '.join(lines)} }}"


BLOCKS = {
    "the document's": document_blocks()[0],
    "host without its port": location(HOST, FOR, PROTO),
    "host as it came": location(HTTP_HOST, FOR, PROTO),
    "http/1.1": location(HOST, FOR, PROTO, "proxy_http_version 1.1;"),
    "no line but the host": location(HOST),
    "no line but the forwarded host": location(FORWARDED_HOST),
    "all compressed": f"gzip on; gzip_types application/json; {location(HTTP_HOST, FOR, PROTO)}",
    "bodies as they come": location(HTTP_HOST, FOR, "proxy_request_buffering off;", "proxy_http_version 1.1;"),
    "no buffers": location(HTTP_HOST, FOR, "proxy_buffering off;", "proxy_request_buffering off;"),
}
WRONG = {
    "no line": location(),
    "no line but the addresses": location(FOR, PROTO),
    "another host": location("proxy_set_header Host agents.internal;", FOR, PROTO),
    "a name with an underscore": location("proxy_set_header Host console_backend;"),
}
AGENT = {"name": "Sales", "DB-host": "db.example.org", "DB-database": "sales", "DB-username": "reader"}


@pytest.fixture(scope="module")
def proxied(_sqlite_at_head: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxied]:
    """One console behind all of these blocks."""
    folder = tmp_path_factory.mktemp("nginx")
    url = f"sqlite:///{shutil.copy(_sqlite_at_head, folder / 'console.db')}"
    with behind_nginx(folder, url, PUBLIC_URL, BLOCKS | WRONG) as found:
        yield found


@pytest.fixture
def admin(proxied: Proxied, open_console: OpenConsole) -> Actor:
    """An admin of a new account."""
    return make_user(open_console(proxied.database_url))


@pytest.fixture
def token(proxied: Proxied, open_console: OpenConsole, admin: Actor) -> str:
    """A token of that account with the scope write."""
    return make_token(open_console(proxied.database_url), admin, "write")


def do(client: Client, path: str, action: str = "", says: str = "", **values: Any) -> Answer:
    """Send the form at `path`, and follow the redirect to a page that confirms it."""
    answer = client.send(client.get(path), path, action, values)
    assert answer.status == 303, answer.text
    while answer.status == 303:
        answer = client.get(answer.headers["Location"])
    assert (answer.status, says in answer.page.text) == (200, True), answer.text
    return answer


def sign_in(client: Client, admin: Actor) -> None:
    do(client, "/sign-in?next=/agents", "/sign-in", email=admin.email, password=PASSWORD)


@pytest.mark.long
@pytest.mark.parametrize("block", BLOCKS)
def test_every_kind_of_form_works_through_nginx(block: str, proxied: Proxied, admin: Actor) -> None:
    client = proxied.client(block)

    sign_in(client, admin)
    made = do(client, "/agents/new", says="Sales", **AGENT)
    agent = path_of(made)
    do(client, f"{agent}/edit", says="Sales 2 was saved", name="Sales 2")
    do(client, f"{agent}/disable", says="The server moves", reason="The server moves")
    do(client, agent, f"{agent}/enable")
    do(client, agent, f"{agent}/clone", says="Copy of Sales 2")
    do(client, f"{agent}/delete", says="was deleted")
    do(client, "/activity", f"{agent}/restore", says="was restored.")
    do(client, "/account", name="Acme 2")
    do(client, "/agents", "/theme", theme="dark")
    do(client, "/agents", "/sign-out", says="You are signed out.")


def path_of(page: Answer) -> str:
    """The path of the agent on a page."""
    edit = next(link["href"] for link in page.page.root.all("a") if link["href"].partition("?")[0].endswith("/edit"))
    return edit.partition("?")[0].removesuffix("/edit")


@pytest.mark.parametrize("block", BLOCKS)
def test_api_clients_use_etags_through_nginx(block: str, proxied: Proxied, token: str) -> None:
    client = proxied.client(block)

    def ask(method: str, path: str, content: Any = None, **headers: str) -> Answer:
        as_json = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        return client.ask(method, path, json.dumps(content) if content else None, {**as_json, **given})

    made = ask("POST", "/api/v1/agents", agent_values())
    place = made.headers["Location"]
    tag = ask("GET", place).headers["ETag"]
    unchanged = ask("GET", place, If_None_Match=tag)
    changed = ask("PATCH", place, {"name": "Sales 2"}, If_Match=tag)
    stale = ask("PATCH", place, {"name": "Sales 3"}, If_Match=tag)

    assert place.startswith("/api/v1/agents/")
    assert [made.status, unchanged.status, changed.status, stale.status] == [201, 304, 200, 412]
    assert ask("DELETE", place, If_Match=changed.headers["ETag"]).status == 204


def test_nginx_that_compresses_weakens_the_tag(proxied: Proxied, token: str) -> None:
    # Otherwise the test above would prove nothing.
    client, headers = proxied.client("all compressed"), {"Authorization": f"Bearer {token}"}
    made = client.ask(
        "POST", "/api/v1/agents", json.dumps(agent_values()), {**headers, "Content-Type": "application/json"}
    )

    assert client.ask("GET", made.headers["Location"], None, headers).headers["ETag"].startswith("W/")


@pytest.mark.long
def test_odd_external_ids_pass_through_nginx(proxied: Proxied, token: str) -> None:
    client = proxied.client("all compressed")
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    for external_id in ("/", "//a//", "a/../b", "100%", "%2F", "a b+c", "é/日本", "?q=1#x"):
        path = f"/api/v1/agents/by-external-id/{quote(external_id, safe='')}"

        made, again = (client.ask("PUT", path, json.dumps(agent_values()), headers) for _ in range(2))
        read = client.ask("GET", path, None, headers)

        assert (made.status, again.status, json.loads(read.text)["external_id"]) == (201, 200, external_id)
        condition = {**headers, "If-Match": read.headers["ETag"]}
        assert client.ask("PUT", path, json.dumps(agent_values(name="B")), condition).status == 200


def test_a_body_that_is_too_large_is_refused_by_the_console_behind_the_document_s_block(
    proxied: Proxied, token: str
) -> None:
    client = proxied.client("the document's")
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}

    # If the console closed the connection before it read the body, nginx would sometimes answer 502.
    answers = [client.ask("POST", "/api/v1/agents", " " * 1_000_001, headers) for _ in range(5)]

    assert {(one.status, one.headers["Content-Type"]) for one in answers} == {(413, "application/problem+json")}


def test_the_headers_of_the_longest_name_and_search_fit_into_the_buffers_of_nginx(
    proxied: Proxied, admin: Actor
) -> None:
    client = proxied.client("host as it came")
    # All different, so that they cannot be compressed.
    name = "".join(chr(0x4E00 + 7 * number) for number in range(limits.NAME))
    search = "".join(chr(0x6E00 + 5 * number) for number in range(limits.SEARCH))
    back = f"?back={quote('q=' + quote(search))}"

    assert client.get(f"/agents?q={quote(search)}").status == 303
    sign_in(client, admin)
    made = do(client, f"/agents/new{back}", "/agents/new", **{**AGENT, "name": name})
    do(client, f"{path_of(made)}/delete{back}", f"{path_of(made)}/delete", says=f"{name[:79]}… was deleted.")
    do(client, f"/agents?q={quote(search)}", "/theme", theme="dark")


@pytest.mark.parametrize("block", WRONG)
def test_a_lost_host_is_reported_on_the_page(block: str, proxied: Proxied) -> None:
    page = proxied.client(block).get("/sign-in")

    assert page.status == 400
    assert f"The URL of this console is {PUBLIC_URL} (PUBLIC_URL)" in page.text
    assert "proxy_set_header Host $host;" in page.text
    assert proxied.client(block).get("/healthz").status == 200


@pytest.mark.parametrize(
    "left_out",
    [("Referer",), ("Referer", "Sec_Fetch_Site"), ("Referer", "Sec_Fetch_Site", "Origin")],
    ids=["no referrer", "an older browser", "hardly a word"],
)
def test_a_browser_without_sec_fetch_site_signs_in(left_out: tuple[str, ...], proxied: Proxied, admin: Actor) -> None:
    client = proxied.client("host without its port")
    form = {"email": admin.email, "password": PASSWORD}

    answer = client.send(client.get("/sign-in"), "/sign-in", values=form, **dict.fromkeys(left_out))

    assert answer.status == 303


def test_a_form_of_another_site_is_refused_through_nginx_too(proxied: Proxied, admin: Actor) -> None:
    client = proxied.client("host without its port")
    form = {"email": admin.email, "password": PASSWORD}
    theirs = {"Origin": "https://evil.example", "Referer": "https://evil.example/"}

    for site in ("cross-site", "same-site", None):
        answer = client.send(client.get("/sign-in"), "/sign-in", values=form, Sec_Fetch_Site=site, **theirs)
        assert (answer.status, "sent from another site" in answer.text or "evil.example" in answer.text) == (403, True)


@pytest.mark.parametrize(("hops", "named"), [("0", PUBLIC_URL), ("2", PUBLIC_URL), ("1", "https://evil.example")])
def test_an_unused_forwarded_host_is_reported_with_proxy_hops(
    hops: str, named: str, sqlite_schema_url: str, open_console: OpenConsole
) -> None:
    caller = Caller(open_console(sqlite_schema_url, PUBLIC_URL=PUBLIC_URL, PROXY_HOPS=hops))
    headers = {"Host": "127.0.0.1:8000", "X-Forwarded-Host": named.partition("://")[2], "X-Forwarded-For": "192.0.2.1"}

    answer = caller.ask("GET", "/sign-in", headers=headers)

    assert answer.status_code == 400
    assert (f"PROXY_HOPS is {hops}" in answer.text) == (named == PUBLIC_URL)
    assert "evil" not in answer.text


@pytest.mark.parametrize(
    "headers",
    [
        {"X_Forwarded_Host": "agents.example.org:8443", "X_Forwarded_Proto": "https"},
        {"X_Forwarded_Host": "agents.example.org:8443", "X_Forwarded_Proto": "https", "Host": "127.0.0.1:8000"},
        {"X_Forwarded_Host": "agents.example.org", "X_Forwarded_Server": "web.internal", "Host": "127.0.0.1:8000"},
    ],
    ids=["Caddy", "Traefik without the host", "Apache"],
)
def test_headers_of_other_proxies_are_understood(headers: dict[str, str], proxied: Proxied, admin: Actor) -> None:
    direct = Client(PUBLIC_URL, int(proxied.server.url.rpartition(":")[2]))
    page = direct.get("/sign-in", X_Forwarded_For="192.0.2.1", **headers)
    form = {"email": admin.email, "password": PASSWORD}

    answer = direct.send(page, "/sign-in", values=form, X_Forwarded_For="192.0.2.1", **headers)

    assert answer.status == 303
    assert "192.0.2.1" in direct.get("/profile", X_Forwarded_For="192.0.2.1", **headers).text
