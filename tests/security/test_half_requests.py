"""An incomplete request is not carried out by any rule; a complete one is."""

import gc
import json
import logging
import socket
import struct
import weakref
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask, request, request_finished

from agents_app.api import PREFIX
from agents_app.db import Base, db
from agents_app.http import REFUSED, paths_of_files
from agents_app.refusals import SERVER_ERRORS
from tests.api.test_permissions import BODIES
from tests.api.test_permissions import TABLE as JSON_TABLE
from tests.make import PASSWORD, cookie_name, make_agent
from tests.security.served import Served, head, read_all, served, status_of
from tests.security.tenant import Tenant
from tests.security.test_matrix import ROWS

UNSAFE_PAGES = [rule for method, rule in ROWS if method == "POST"]
UNSAFE_JSON = [(method, rule) for method, rule in JSON_TABLE if method != "GET"]
# Values with which every form succeeds.
FORM = {
    "name": "Half",
    "account_name": "Half",
    "role": "viewer",
    "reason": "half",
    "scopes": "read",
    "email": "half@example.org",
    "password": PASSWORD,
    "theme": "dark",
}
# The data that is missing at the end.
MISSING = 50


@pytest.fixture
def console(console_of_module: Flask) -> Flask:
    """The app on a database with few rows, because these tests read every row."""
    return console_of_module


@pytest.fixture(scope="module")
def tenants() -> dict[Flask, Tenant]:
    """One tenant per database, created once."""
    return {}


@pytest.fixture
def tenant(console: Flask, tenants: dict[Flask, Tenant]) -> Tenant:
    """A tenant on this database."""
    return tenants.setdefault(console, tenants.get(console) or Tenant(console))


@pytest.fixture(scope="module")
def servers() -> Iterator[Callable[[Flask], Served]]:
    """Starts one server per database."""
    with ExitStack() as stack:
        yield cache(
            lambda console: stack.enter_context(served(console, threads=1, takes_files=paths_of_files(console)))
        )


@pytest.fixture
def server(console: Flask, servers: Callable[[Flask], Served]) -> Served:
    """The console on a real socket."""
    return servers(console)


def rows(app: Flask) -> dict[str, list[Any]]:
    """Every row of every table."""
    with app.app_context(), db.reading() as connection:
        tables = Base.metadata.sorted_tables
        return {table.name: sorted(map(repr, connection.execute(sa.select(table)))) for table in tables}


def page_request(tenant: Tenant, rule: str, framing: str) -> tuple[bytes, bytes]:
    """The head and body of a form, sent by a signed-in admin."""
    path, caller = tenant.path(rule), tenant.caller("admin")
    form = "&".join(f"{name}={value}" for name, value in {"csrf_token": caller.csrf, **FORM}.items())
    cookie = caller.client.get_cookie(cookie_name(caller.client.application), domain="localhost")
    assert cookie is not None
    headers = (
        f"Cookie: {cookie.key}={cookie.value}",
        "Content-Type: application/x-www-form-urlencoded",
    )
    return head("POST", path, *headers, framing), form.encode()


def json_request(tenant: Tenant, method: str, rule: str, framing: str) -> tuple[bytes, bytes]:
    """The head and body of an API request."""
    path = PREFIX + rule.replace("<uuid:agent_id>", str(make_agent(tenant.app, tenant.admin)))
    body = BODIES.get(rule.rpartition("/")[2], BODIES.get(method)) or {}
    headers = (f"Authorization: Bearer {tenant.token}", "Content-Type: application/json")
    return head(method, path, *headers, framing), json.dumps(body).encode()


def leave(server: Served, top: bytes, body: bytes) -> None:
    """Send part of a request, wait until the server waits for the rest, and close the connection."""
    asks_first = top.replace(b"\r\n\r\n", b"\r\nExpect: 100-continue\r\n\r\n")
    with server.connect(asks_first) as connection:
        assert connection.recv(1_000).startswith(b"HTTP/1.1 100 ")
        connection.sendall(body)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    # There is one thread, so an earlier request would be finished before this one is answered.
    assert server.status("/healthz") == 200


def chunk(body: bytes) -> bytes:
    """One chunk that is not the last."""
    return b"%x\r\n%b\r\n" % (len(body), body)


@pytest.mark.parametrize("rule", UNSAFE_PAGES)
def test_an_incomplete_form_is_not_carried_out(tenant: Tenant, server: Served, rule: str) -> None:
    top, form = page_request(tenant, rule, "Content-Length: 1000")
    chunked, _ = page_request(tenant, rule, "Transfer-Encoding: chunked")
    before = rows(tenant.app)

    answers = [server.ask(top + form, stop_sending=True), server.ask(chunked + chunk(form), stop_sending=True)]
    leave(server, top, form)

    assert [status_of(answer) for answer in answers] == [400, 400]
    assert all(b"The request body is incomplete. Nothing was changed." in answer for answer in answers)
    assert rows(tenant.app) == before


@pytest.mark.parametrize(("method", "rule"), UNSAFE_JSON)
def test_incomplete_json_is_not_carried_out(tenant: Tenant, server: Served, method: str, rule: str) -> None:
    top, body = json_request(tenant, method, rule, "Content-Length: 1000")
    chunked, _ = json_request(tenant, method, rule, "Transfer-Encoding: chunked")
    before = rows(tenant.app)

    answers = [server.ask(top + body, stop_sending=True), server.ask(chunked + chunk(body), stop_sending=True)]
    leave(server, top, body)

    assert [status_of(answer) for answer in answers] == [400, 400]
    assert all(b'"code":"malformed"' in answer for answer in answers)
    assert rows(tenant.app) == before


def test_the_same_requests_are_carried_out_when_they_are_complete(tenant: Tenant, server: Served) -> None:
    rule = "/agents/<uuid:agent_id>/delete"
    top, form = page_request(tenant, rule, "Transfer-Encoding: chunked")
    json_top, body = json_request(tenant, "DELETE", "/agents/<uuid:agent_id>", "Content-Length: 2")

    page = server.ask(top + chunk(form) + b"0\r\n\r\n", stop_sending=True)
    answer = server.ask(json_top + body, stop_sending=True)

    assert (status_of(page), status_of(answer)) == (303, 204)


def test_a_client_that_stops_sending_after_its_request_is_answered(server: Served) -> None:
    assert status_of(server.ask(head("GET", "/agents"), stop_sending=True)) == 303


@pytest.mark.parametrize("framing", ["Content-Length: 1000001", "Transfer-Encoding: chunked"])
def test_after_a_body_that_is_too_large_the_next_request_of_the_client_works(server: Served, framing: str) -> None:
    size = 1_000_001
    body = chunk(b"x" * size) + b"0\r\n\r\n" if "chunked" in framing else b"x" * size
    following = head("GET", "/healthz", "Connection: close")

    first, _, second = server.ask(head("POST", "/api/v1/agents", framing) + body + following).partition(
        b"HTTP/1.1 200 "
    )

    assert status_of(first) == 413
    assert b'"code":"too_large"' in first
    assert b'{"status":"ok",' in second


@pytest.mark.parametrize("framing", ["Content-Length: 8000000", "Transfer-Encoding: chunked"])
@pytest.mark.parametrize("last", ["Connection: close", "Connection: Keep-Alive, close"])
def test_a_client_that_sends_a_body_that_is_too_large_receives_the_error(
    server: Served, framing: str, last: str
) -> None:
    size = 8_000_000
    body = chunk(b"x" * size) + b"0\r\n\r\n" if "chunked" in framing else b"x" * size

    assert status_of(server.ask(head("POST", "/api/v1/agents", framing, last) + body)) == 413


@pytest.mark.parametrize("wrong", [b"no chunk\r\n", b"0\r\n" + b"a: b\r\n" * 12_000], ids=["chunk", "trailers"])
def test_a_body_that_becomes_wrong_after_its_answer_has_no_other(server: Served, wrong: bytes) -> None:
    request = head("POST", "/api/v1/agents", "Transfer-Encoding: chunked") + chunk(b"x" * 1_000_001)

    with server.connect(request) as connection:
        answer = connection.recv(65_536)
        connection.sendall(wrong)
        answer += read_all(connection)

    assert (status_of(answer), answer.count(b"HTTP/1.1 ")) == (413, 1)


def test_a_wrong_body_is_refused_after_the_answer_to_the_request_before_it(server: Served) -> None:
    wrong = head("POST", "/api/v1/agents", "Transfer-Encoding: chunked") + b"no chunk\r\n"

    first, _, second = server.ask(head("GET", "/healthz") + wrong).partition(b'{"status":"ok",')

    assert status_of(first) == 200
    assert second.count(b"HTTP/1.1 ") == second.count(b"HTTP/1.1 400 ") == second.count(b"connection: close") == 1


@pytest.mark.parametrize("path", ["/api/v1/agents", "/sign-in", "/nowhere"])
def test_after_a_refusal_the_next_request_of_the_client_works(server: Served, path: str) -> None:
    refused = head("POST", path, "Content-Length: 9") + b"no matter"

    answers = server.ask(refused + head("GET", "/healthz", "Connection: close"))

    assert answers.count(b"HTTP/1.1 ") == 2
    assert b'{"status":"ok",' in answers


def test_the_path_that_takes_a_file_has_a_limit_of_its_own(server: Served) -> None:
    path = f"{PREFIX}/agents/import"
    fits, too_large = (head("POST", path, f"Content-Length: {size}") for size in (1_500_000, 16_000_001))
    following = head("GET", "/healthz", "Connection: close")

    assert status_of(server.ask(fits + b"x" * 1_500_000 + following)) == 401
    refused = server.ask(too_large + b"x" * 16_000_001 + following)
    assert status_of(refused) == 413
    assert b"Send at most 16,000 kB." in refused


def test_a_client_with_expect_100_continue_is_refused_before_it_sends_the_body(server: Served) -> None:
    asked = head("POST", "/api/v1/agents", "Content-Length: 2000000", "Expect: 100-continue")

    answer = server.ask(asked)

    assert status_of(answer) == 413
    assert b"connection: close" in answer


@pytest.mark.parametrize("start", [b"GET /healthz HTTP/1.1\r\nX: " + b"x" * 100_000, b"GET /healthz?" + b"x" * 100_000])
def test_a_head_that_is_too_long_is_refused(server: Served, start: bytes) -> None:
    assert status_of(server.ask(start)) == 400


def test_a_header_with_an_underscore_does_not_replace_the_one_with_a_dash(tenant: Tenant, server: Served) -> None:
    path = f"/api/v1/agents/{make_agent(tenant.app, tenant.admin)}"
    headers = (f"Authorization: Bearer {tenant.token}", "Connection: close")

    answers = [server.ask(head("GET", path, *headers, f"{name}: *")) for name in ("If-None-Match", "If_None_Match")]

    assert [status_of(answer) for answer in answers] == [304, 200]


@pytest.mark.parametrize("protocol", ["websocket", "h2c", "foo"])
@pytest.mark.parametrize("framing", ["Content-Length: 2", "Transfer-Encoding: chunked"])
def test_a_body_after_an_upgrade_header_is_read_as_usual(
    tenant: Tenant, server: Served, protocol: str, framing: str
) -> None:
    agent_id = make_agent(tenant.app, tenant.admin)
    asked = ("Content-Type: application/json", "Connection: Upgrade, HTTP2-Settings", f"Upgrade: {protocol}", framing)
    top = head("POST", f"/api/v1/agents/{agent_id}/clone", f"Authorization: Bearer {tenant.token}", *asked)

    answer = server.ask(
        top + (chunk(b"{}") + b"0\r\n\r\n" if "chunked" in framing else b"{}") + head("GET", "/healthz")
    )

    assert status_of(answer) == 201
    assert b"connection: close" in answer
    assert answer.count(b"HTTP/1.1 ") == 1


def test_a_request_to_upgrade_without_a_body_is_answered_as_usual(server: Served) -> None:
    answer = server.ask(head("GET", "/healthz", "Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c"))

    assert status_of(answer) == 200
    assert b"connection: close" in answer


def test_a_request_that_the_server_refused_is_not_held_in_memory(
    console: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    # pytest holds the records of the log, and they hold their errors.
    monkeypatch.setattr(logging.getLogger("agents_app.refusals"), "disabled", True)
    seen: list[weakref.ref[Any]] = []

    def see(_: Flask, **__: object) -> None:
        seen.append(weakref.ref(request._get_current_object()))

    with request_finished.connected_to(see, console):
        for status in [*SERVER_ERRORS, *SERVER_ERRORS]:
            console.test_client().get("/", environ_overrides={"asgi.scope": {"state": {REFUSED: status}}})
    gc.collect()

    assert len(seen) == 2 * len(SERVER_ERRORS)
    assert [one() for one in seen if one() is not None] == []
