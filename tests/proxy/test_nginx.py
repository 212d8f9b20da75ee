"""Behind a real nginx, with the blocks that people copy: signing in, forms and JSON work."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from agents_app.operations.permissions import Actor
from tests.conftest import OpenConsole
from tests.make import PASSWORD, make_token, make_user
from tests.nginx import Client, Proxied, behind_nginx

PUBLIC_URL = "https://agents.example.org:8443"
FOR = "proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;"
PROTO = "proxy_set_header X-Forwarded-Proto $scheme;"
HOST = "proxy_set_header Host $host;"
HTTP_HOST = "proxy_set_header Host $http_host;"
PASS = "location / {{ proxy_pass http://$console; {} }}"
BLOCKS = {
    "host as it came": PASS.format(f"{HTTP_HOST} {FOR} {PROTO}"),
    "http/1.1": PASS.format(f"{HTTP_HOST} {FOR} {PROTO} proxy_http_version 1.1;"),
    "no line but the host": PASS.format(HOST),
    "compressed": f"gzip on; gzip_types application/json; {PASS.format(f'{HTTP_HOST} {FOR} {PROTO}')}",
    "bodies as they come": PASS.format(f"{HTTP_HOST} {FOR} {PROTO} proxy_request_buffering off;"),
}


@pytest.fixture(scope="module")
def proxied(_sqlite_at_head: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxied]:
    """One console behind all of these blocks."""
    folder = tmp_path_factory.mktemp("nginx")
    url = f"sqlite:///{shutil.copy(_sqlite_at_head, folder / 'console.db')}"
    with behind_nginx(folder, url, PUBLIC_URL, BLOCKS) as found:
        yield found


@pytest.fixture
def admin(proxied: Proxied, open_console: OpenConsole) -> Actor:
    """An admin of an account of this test's own."""
    return make_user(open_console(proxied.database_url))


def sign_in(client: Client, email: str, path: str = "/sign-in") -> None:
    answer = client.send(client.get(path), path, values={"email": email, "password": PASSWORD})
    assert answer.status == 303, answer.text


@pytest.mark.parametrize("block", BLOCKS)
def test_people_sign_in_through(block: str, proxied: Proxied, admin: Actor) -> None:
    client = proxied.client(block)

    sign_in(client, admin.email)

    assert client.get("/agents").status == 200


@pytest.mark.parametrize("block", BLOCKS)
def test_programs_find_the_api_through(block: str, proxied: Proxied, open_console: OpenConsole, admin: Actor) -> None:
    token = make_token(open_console(proxied.database_url), admin)

    answer = proxied.client(block).ask("GET", "/api/v1/me", headers={"Authorization": f"Bearer {token}"})

    assert (answer.status, json.loads(answer.text)["account"]["name"]) == (200, "Acme")
