"""The headers of every response: of every rule and every refusal, with and without https."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from agents_app import health, refusals
from agents_app.api import PREFIX
from agents_app.db import db
from agents_app.operations import agent_reads
from agents_app.operations.permissions import Actor
from tests.api.test_permissions import TABLE as JSON_TABLE
from tests.api.test_permissions import forged
from tests.conftest import OpenConsole
from tests.make import PASSWORD, cookie_name, make_agent, make_app, make_token, make_user
from tests.security.conftest import Caller
from tests.security.tenant import Tenant
from tests.security.test_matrix import FORM, ROWS

HTTPS = "https://console.example.org"
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    + "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
EVERYWHERE = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
KEPT = ("/static/", "/gibberish-xyz-123/", "/openapi.json")
JSON_RULES = [(method, PREFIX + rule) for method, rule in JSON_TABLE]
TELL_TALE = re.compile(r"Traceback|werkzeug|sqlalchemy|psycopg|sqlite3|\.py\b|debugger", re.IGNORECASE)


@pytest.fixture(scope="module", params=["http", "https"])
def tenant(
    request: pytest.FixtureRequest, _sqlite_at_head: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Tenant]:
    """A console whose URL has this scheme."""
    file = shutil.copy(_sqlite_at_head, tmp_path_factory.mktemp("headers") / "console.db")
    app = make_app(f"sqlite:///{file}", **({"PUBLIC_URL": HTTPS} if request.param == "https" else {}))
    yield Tenant(app)
    with app.app_context():
        db.engine.dispose()


def is_https(app: Flask) -> bool:
    return bool(app.extensions["settings"].is_https)


def check(app: Flask, answer: TestResponse) -> None:
    """Check the headers that every response must have."""
    path = answer.request.path
    assert {name: answer.headers.get(name) for name in EVERYWHERE} == EVERYWHERE
    assert answer.headers["X-Request-ID"]
    hsts = answer.headers.get("Strict-Transport-Security")
    assert hsts == ("max-age=31536000; includeSubDomains" if is_https(app) else None)
    if answer.status_code >= 400 or not path.startswith(KEPT):
        assert answer.headers["Cache-Control"] == "no-store"
    if refusals.is_api_path(path) or path.startswith(KEPT) or path in health.PATHS:
        assert "Set-Cookie" not in answer.headers
    elif answer.status_code not in (404, 405) and path != "/gibberish-xyz-123":
        assert "Cookie" in answer.headers["Vary"]
    assert not [name for name, _ in answer.headers if name.startswith(("Access-Control-", "Server", "X-Powered-By"))]
    if answer.data and answer.mimetype.startswith(("text/", "application/")):
        assert "charset=utf-8" in answer.content_type or "json" in answer.mimetype or "javascript" in answer.mimetype


@pytest.mark.parametrize("tenant", ["https"], indirect=True)
@pytest.mark.parametrize(("method", "rule"), [*ROWS, *JSON_RULES], ids=lambda part: part)
def test_every_rule_answers_with_the_same_headers(tenant: Tenant, method: str, rule: str) -> None:
    path = tenant.path(rule)
    asked = [("admin", method), ("nobody", method), ("nobody", "HEAD" if method == "GET" else "OPTIONS")]

    for kind, one in asked:
        with tenant.caller(kind).ask(one, path, FORM if one == "POST" else None) as answer:
            check(tenant.app, answer)


def broken(*_given: object) -> None:
    """Raise an unexpected exception."""
    raise RuntimeError("SELECT secret FROM sqlalchemy.py")


REFUSALS = {
    "400 malformed": (400, "POST", "/api/v1/agents", {"data": b"{", "content_type": "application/json"}),
    "400 host": (400, "GET", "/sign-in", {"headers": {"Host": "evil.example"}}),
    "400 csrf": (400, "POST", "/sign-in", {"data": {}}),
    "404 page": (404, "GET", "/nothing", {}),
    "404 json": (404, "GET", "/api/v1/nothing", {}),
    "404 static": (404, "GET", "/static/nothing.js", {}),
    "405 page": (405, "PUT", "/agents", {}),
    "405 json": (405, "PUT", "/api/v1/agents", {}),
    "405 trace": (405, "TRACE", "/agents", {}),
    "413 page": (413, "POST", "/agents/new", {"data": b"x" * 1_100_000, "content_type": "text/plain"}),
    "413 json": (413, "POST", "/api/v1/agents", {"data": b"x" * 1_100_000, "content_type": "application/json"}),
    "415 json": (415, "POST", "/api/v1/agents", {"data": b"{}", "content_type": "text/plain"}),
    "422 json": (422, "POST", "/api/v1/agents", {"data": b"{}", "content_type": "application/json"}),
    "422 query": (422, "GET", "/api/v1/agents?color=red", {}),
    "500 page": (500, "GET", "/agents", {}),
    "500 json": (500, "GET", "/api/v1/agents", {}),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_every_refusal_answers_with_the_same_headers_and_shows_no_internals(
    tenant: Tenant, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    status, method, path, given = REFUSALS[name]
    if status == 500:
        monkeypatch.setattr(agent_reads, "listing", broken)
        monkeypatch.setattr(agent_reads, "listing_with_counts", broken)
    caller = Caller(tenant.app, tenant.admin, tenant.token)

    with caller.ask(method, path, **given) as answer:
        assert answer.status_code == status
        check(tenant.app, answer)
        assert not TELL_TALE.search(answer.text)
        assert (answer.mimetype == "application/problem+json") == path.startswith("/api")


@pytest.mark.parametrize(
    "path", ["/agents", "/sign-in", "/setup", "/join?code=x", "/api/v1/agents", "/api/v1/me", "/readyz"]
)
def test_an_unreachable_database_answers_with_the_same_headers(
    path: str, sqlite_url: str, open_console: OpenConsole
) -> None:
    app = open_console(sqlite_url)
    caller = Caller(app, token=forged())
    caller.keep("unknown")

    answer = caller.ask("GET", path)

    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "2")
    check(app, answer)
    assert not TELL_TALE.search(answer.text)


def test_too_many_attempts_answer_with_the_same_headers(tenant: Tenant) -> None:
    page, program = Caller(tenant.app), Caller(tenant.app, token=forged())
    for _ in range(20):
        program.ask("GET", "/api/v1/me")
    for _ in range(10):
        page.ask("POST", "/sign-in", {"email": tenant.admin.email, "password": ""})

    answers = [program.ask("GET", "/api/v1/me"), page.ask("POST", "/sign-in", {"email": tenant.admin.email})]

    for answer in answers:
        assert answer.status_code == 429
        assert int(answer.headers["Retry-After"]) > 0
        check(tenant.app, answer)


def test_each_cookie_is_for_this_host_only_and_hidden_from_scripts(tenant: Tenant) -> None:
    caller = Caller(tenant.app)
    entered = caller.ask("POST", "/sign-in", {"email": tenant.admin.email, "password": PASSWORD})
    themed = caller.ask("POST", "/theme", {"theme": "dark"})

    cookies = [*entered.headers.getlist("Set-Cookie"), *themed.headers.getlist("Set-Cookie")]

    name = cookie_name(tenant.app)
    assert re.fullmatch(r"(__Host-)?console-[a-z2-7]{6}", name)
    assert name.startswith("__Host-") == is_https(tenant.app)
    assert {cookie.partition("=")[0] for cookie in cookies} == {name, f"{name}-theme"}
    for cookie in cookies:
        attributes = {part.strip().lower() for part in cookie.split(";")[1:]}
        assert {"httponly", "samesite=lax", "path=/"} <= attributes
        assert ("secure" in attributes) == is_https(tenant.app)
        assert not [one for one in attributes if one.startswith("domain")]
        assert len(cookie) < 4_096


def test_a_response_with_secrets_is_never_cached(tenant: Tenant, admin_agent: tuple[str, str]) -> None:
    path, token = admin_agent

    answer = Caller(tenant.app, token=token).ask("GET", path)

    assert (answer.status_code, answer.headers["Cache-Control"]) == (200, "no-store")
    check(tenant.app, answer)


@pytest.fixture
def admin_agent(tenant: Tenant) -> tuple[str, str]:
    """The path of the runtime endpoint of an agent, and a token for it."""
    admin: Actor = make_user(tenant.app)
    agent_id = make_agent(tenant.app, admin, api_key="sk-1234")
    return f"/api/v1/agents/{agent_id}/runtime", make_token(tenant.app, admin, "runtime")
