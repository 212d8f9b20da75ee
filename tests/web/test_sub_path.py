"""With a path in PUBLIC_URL every URL begins with it, whether or not the proxy removes it from requests."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from agents_app import web
from agents_app.db import db
from agents_app.web.urls import local_path
from tests.conftest import OpenConsole
from tests.make import PASSWORD, agent_values, make_app, make_token
from tests.security.conftest import Caller
from tests.security.tenant import Tenant
from tests.security.test_matrix import ROWS
from tests.web.conftest import Page

ORIGIN = "https://example.org"
# Paths of the console itself begin with the first one.
ROOTS = ["/agents", "/Tools/console_1"]
GET_RULES = [rule for method, rule in ROWS if method == "GET"]
# The proxy forwards the path, or removes it.
FORWARDING = ["forwarded", "removed"]
LEADS = "href|src|action|formaction|data-document"


@pytest.fixture(scope="module", params=ROOTS)
def tenant(
    request: pytest.FixtureRequest, _sqlite_at_head: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Tenant]:
    """An account of a console below this path."""
    file = shutil.copy(_sqlite_at_head, tmp_path_factory.mktemp("below") / "console.db")
    app = make_app(f"sqlite:///{file}", PUBLIC_URL=ORIGIN + request.param)
    yield Tenant(app)
    with app.app_context():
        db.engine.dispose()


def root_of(app: Flask) -> str:
    path: str = app.extensions["settings"].sub_path
    return path


def request_as(caller: Caller, forwarding: str, method: str, path: str, *given: Any, **more: Any) -> TestResponse:
    """Request a path of the console, as a proxy of this kind forwards it."""
    root = root_of(caller.app)
    environ = {"PATH_INFO": (root if forwarding == "forwarded" else "") + path.partition("?")[0], "SCRIPT_NAME": ""}
    return caller.ask(method, path, *given, environ_overrides=environ, **more)


def urls_on(answer: TestResponse) -> set[str]:
    """Every URL on a page, except those of the page itself."""
    found = set(re.findall(rf' (?:{LEADS})="([^"]+)"', answer.text))
    return {address for address in found if not address.startswith(("data:", "#", "?"))}


@pytest.mark.parametrize("tenant", ROOTS[:1], indirect=True)
@pytest.mark.parametrize("rule", GET_RULES)
def test_every_link_stays_below_the_path(tenant: Tenant, rule: str) -> None:
    path, root = tenant.path(rule), root_of(tenant.app)
    for forwarding in FORWARDING:
        with request_as(tenant.caller("admin"), forwarding, "GET", path) as answer:
            assert str(answer.status_code) == ROWS["GET", rule]["admin"].replace("in", "303")
            assert answer.headers.get("Location", f"{root}/").startswith(f"{root}/")
            if answer.mimetype == "text/html" and answer.status_code == 200:
                assert urls_on(answer)
                assert {address for address in urls_on(answer) if not address.startswith(f"{root}/")} == set()


@pytest.mark.parametrize("forwarding", FORWARDING)
def test_signing_in_leads_to_the_requested_page(tenant: Tenant, forwarding: str) -> None:
    caller, root = Caller(tenant.app), root_of(tenant.app)

    asked = request_as(caller, forwarding, "GET", "/agents?q=x")
    page = Page(request_as(caller, forwarding, "GET", "/sign-in?" + asked.headers["Location"].partition("?")[2]))
    wanted = page.root.one("input", name="next")["value"]
    form = {"email": tenant.admin.email, "password": PASSWORD, "next": wanted}
    entered = request_as(caller, forwarding, "POST", "/sign-in", form)

    assert asked.headers["Location"].startswith(f"{root}/sign-in?")
    assert (wanted, entered.headers["Location"]) == (f"{root}/agents?q=x", f"{root}/agents?q=x")
    for cookie in entered.headers.getlist("Set-Cookie"):
        # Browsers accept this prefix only for cookies of the whole host.
        assert cookie.startswith("__Host-")
        assert "Path=/;" in f"{cookie};"


@pytest.mark.parametrize(
    "address", ["/", "/agent", "{root}", "{root}x/", "{root}/../other", "{root}/%2e%2E/other", "//evil.example{root}/"]
)
def test_signing_in_never_leads_to_another_program_on_the_host(tenant: Tenant, address: str) -> None:
    root = root_of(tenant.app)
    with tenant.app.test_request_context(base_url=ORIGIN + root):
        assert local_path(address.format(root=root)) == f"{root}/"


@pytest.mark.parametrize("forwarding", FORWARDING)
def test_a_form_whose_session_ended_is_sent_again_below_the_path(tenant: Tenant, forwarding: str) -> None:
    caller, root = tenant.caller("ended"), root_of(tenant.app)

    page = Page(request_as(caller, forwarding, "POST", "/tokens/new", {"name": "ci"}))
    kept = page.root.one("input", name="kept")["value"]
    after = request_as(
        caller, forwarding, "POST", "/sign-in", {"email": tenant.admin.email, "password": PASSWORD, "kept": kept}
    )

    assert (page.status, after.status_code) == (401, 200)
    assert f"{root}/tokens/new" in urls_on(after)


@pytest.mark.parametrize("forwarding", FORWARDING)
def test_urls_of_the_api_are_below_the_path(tenant: Tenant, forwarding: str) -> None:
    program, root = Caller(tenant.app, token=make_token(tenant.app, tenant.admin, "write")), root_of(tenant.app)

    made = request_as(program, forwarding, "POST", "/api/v1/agents", json=agent_values())
    place = made.headers["Location"]
    document = request_as(program, forwarding, "GET", "/openapi.json").json

    assert (made.status_code, place) == (201, f"{root}/api/v1/agents/{made.json['id']}")
    assert request_as(program, forwarding, "GET", place.removeprefix(root)).status_code == 200
    assert document["servers"] == [{"url": ORIGIN + root}]
    refused = request_as(program, forwarding, "GET", "/api/v1/nothing")
    assert (refused.status_code, refused.mimetype) == (404, "application/problem+json")


@pytest.mark.parametrize("forwarding", FORWARDING)
def test_health_and_errors_answer_with_and_without_the_path(tenant: Tenant, forwarding: str) -> None:
    caller, root = Caller(tenant.app), root_of(tenant.app)

    assert request_as(caller, forwarding, "GET", "/healthz", headers={"Host": "127.0.0.1:8000"}).status_code == 200
    assert request_as(caller, forwarding, "GET", "/readyz").status_code == 200
    for answer in (
        request_as(caller, forwarding, "GET", "/nothing"),
        request_as(caller, forwarding, "GET", "/", headers={"Host": "a..b"}),
    ):
        assert answer.status_code in (400, 404)
        assert all(address.startswith(f"{root}/") for address in urls_on(answer))


def test_hsts_is_for_this_host_only(tenant: Tenant) -> None:
    assert Caller(tenant.app).ask("GET", "/sign-in").headers["Strict-Transport-Security"] == "max-age=31536000"


@pytest.mark.parametrize("forwarding", FORWARDING)
def test_a_path_with_two_slashes_is_not_found_below_the_path(tenant: Tenant, forwarding: str) -> None:
    for path in ("/sign-in", "/static/app.css", "/healthz", "/api/v1/me"):
        answers = [
            request_as(tenant.caller(who), forwarding, method, f"/{path}")
            for who in ("admin", "token")
            for method in ("GET", "POST")
        ]
        answers += [
            Caller(tenant.app).ask("GET", "/", environ_overrides={"PATH_INFO": f"/{root_of(tenant.app)}{path}"})
        ]
        assert [answer.status_code for answer in answers] == [404] * 5


def test_the_limit_of_password_forms_holds_below_the_path(tenant: Tenant) -> None:
    root = root_of(tenant.app)
    costly = web.password_paths(tenant.app)

    assert {"/sign-in", f"{root}/sign-in", "/setup", f"{root}/setup"} <= costly
    assert {path.removeprefix(root) for path in costly} == {
        rule.rule for rule in tenant.app.url_map.iter_rules() if rule.endpoint in web.PASSWORD_FORMS
    }


@pytest.mark.parametrize("root", ["/static", "/api", "/join", "/gibberish-xyz-123"])
def test_the_path_may_equal_a_path_of_the_console(sqlite_schema_url: str, open_console: OpenConsole, root: str) -> None:
    tenant = Tenant(open_console(sqlite_schema_url, PUBLIC_URL=ORIGIN + root))
    for forwarding in FORWARDING:
        for path in ("/agents", "/people", "/static/app.css", "/gibberish-xyz-123", "/openapi.json", "/profile"):
            with request_as(tenant.caller("admin"), forwarding, "GET", path) as answer:
                assert answer.status_code == 200, (forwarding, path)
        assert request_as(tenant.caller("token"), forwarding, "GET", "/api/v1/me").status_code == 200
