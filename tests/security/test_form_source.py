"""The origin of forms: headers of browsers are checked, `Referer` is not required, and errors name the cause."""

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from agents_app.web import unsaved_form
from tests.conftest import OpenConsole
from tests.make import PASSWORD, cookie_name, make_user
from tests.security.conftest import Caller
from tests.security.tenant import Tenant
from tests.security.test_matrix import FORM, ROWS

PUBLIC = "https://console.example.org:8443"
# The headers that browsers send with a form, and the pages that send it.
OWN = {
    "a browser of today": {"Sec-Fetch-Site": "same-origin", "Origin": PUBLIC},
    "a page that hides its address": {"Sec-Fetch-Site": "same-origin", "Origin": "null"},
    "an answer that is loaded again": {"Sec-Fetch-Site": "none", "Origin": "null"},
    "an older browser": {"Origin": PUBLIC},
    "an older browser, other spelling": {"Origin": "HTTPS://CONSOLE.example.org.:8443"},
    "an older browser that hides the page": {"Origin": "null"},
    "a browser that says nothing": {},
    "a Referer of another site alone": {"Referer": "https://evil.example/"},
}
ANOTHER_SITE = {
    "another site": {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"},
    "another site that hides": {"Sec-Fetch-Site": "cross-site", "Origin": "null"},
    "another site with our Referer": {"Sec-Fetch-Site": "cross-site", "Referer": f"{PUBLIC}/sign-in"},
    "a neighbour": {"Sec-Fetch-Site": "same-site", "Origin": "https://wiki.example.org"},
    "a word that no browser says": {"Sec-Fetch-Site": "same-origin, cross-site"},
    "an older browser on another site": {"Origin": "https://evil.example"},
    "a name that begins alike": {"Origin": f"{PUBLIC}.evil.example"},
    "two origins": {"Origin": f"{PUBLIC}, https://evil.example"},
    "an extension": {"Origin": "chrome-extension://abcdefgh"},
    "no origin at all": {"Origin": "garbage"},
    "an address in place of an origin": {"Origin": f"{PUBLIC}/"},
}
# Not another site: the same console at another URL.
ANOTHER_ADDRESS = {
    "http://console.example.org:8443": {"Origin": "http://console.example.org:8443"},
    "http://console.example.org": {"Sec-Fetch-Site": "cross-site", "Origin": "http://console.example.org"},
    "https://console.example.org": {"Origin": "https://console.example.org"},
}


@pytest.fixture
def https(sqlite_schema_url: str, open_console: OpenConsole) -> Flask:
    """A console with an https URL and a port, behind one proxy that removes the port."""
    return open_console(sqlite_schema_url, PUBLIC_URL=PUBLIC, PROXY_HOPS="1")


@pytest.fixture
def tenant(console: Flask) -> Tenant:
    """An account with a record of every kind."""
    return Tenant(console)


def sign_in(caller: Caller, headers: dict[str, str], **form: object) -> TestResponse:
    """Send the sign-in form as a proxy passes it on: http, and a host without its port."""
    person = make_user(caller.app)
    passed = {"Host": "console.example.org", "X-Forwarded-Proto": "https", "X-Forwarded-For": "192.0.2.1", **headers}
    return caller.ask("POST", "/sign-in", {"email": person.email, "password": PASSWORD, **form}, headers=passed)


@pytest.mark.parametrize("headers", ANOTHER_SITE.values(), ids=ANOTHER_SITE)
def test_a_form_of_another_site_is_refused_with_any_csrf_value(https: Flask, headers: dict[str, str]) -> None:
    for value in ({}, {"csrf_token": ""}):
        refused = sign_in(Caller(https), headers, **value)

        assert refused.status_code == 403
        assert "Set-Cookie" not in refused.headers
        assert "what you typed is still there" not in refused.text


@pytest.mark.parametrize("headers", OWN.values(), ids=OWN)
def test_a_form_of_this_console_is_carried_out_without_a_referer(https: Flask, headers: dict[str, str]) -> None:
    assert sign_in(Caller(https), headers).status_code == 303


@pytest.mark.parametrize("headers", OWN.values(), ids=OWN)
def test_a_form_without_a_csrf_value_is_refused(https: Flask, headers: dict[str, str]) -> None:
    assert sign_in(Caller(https), headers, csrf_token="").status_code == 400


@pytest.mark.parametrize(("address", "headers"), ANOTHER_ADDRESS.items(), ids=ANOTHER_ADDRESS)
def test_a_page_that_was_opened_at_another_url_names_that_url(
    https: Flask, address: str, headers: dict[str, str]
) -> None:
    refused = sign_in(Caller(https), headers, csrf_token="")

    assert refused.status_code == 403
    assert f"the console is known as {PUBLIC}, and the page of this form was opened as {address}." in refused.text


def test_a_page_behind_a_proxy_that_changes_the_host_says_so(https: Flask) -> None:
    refused = sign_in(Caller(https), {"Origin": "https://agents.example.net"})

    assert refused.status_code == 403
    assert f"known as {PUBLIC}, and the page of this form was opened as https://agents.example.net." in refused.text


def test_another_site_is_named_and_not_accepted(https: Flask) -> None:
    refused = sign_in(Caller(https), ANOTHER_SITE["another site"], csrf_token="x")

    assert "this form was sent from another site, https://evil.example." in refused.text
    assert "PUBLIC_URL" not in refused.text


def test_a_browser_without_the_cookie_is_asked_to_allow_cookies(https: Flask) -> None:
    caller = Caller(https)
    value = caller.csrf
    caller.client.delete_cookie(cookie_name(https), domain="console.example.org")
    form = {"csrf_token": value, "email": "a@example.org", "password": "x"}

    refused = caller.ask("POST", "/sign-in", data=form, headers=OWN["a browser of today"])

    assert refused.status_code == 400
    assert f"open the console at {PUBLIC} and allow cookies for that address" in refused.text


def test_a_form_of_an_expired_session_says_so(https: Flask) -> None:
    caller = Caller(https)
    assert caller.csrf

    refused = sign_in(caller, OWN["a browser of today"], csrf_token=Caller(https).csrf)

    assert refused.status_code == 400
    assert "the session in which it was opened has ended" in refused.text


@pytest.mark.parametrize(
    ("host", "origin", "status"),
    [
        ("localhost:8000", "http://localhost:8000", 303),
        ("LOCALHOST:8000", "http://localhost:8000", 303),
        ("[::1]:8000", "http://[0:0::1]:8000", 303),
        ("localhost", "https://localhost", 303),
        ("localhost:9000", "http://localhost:9000", 303),
        ("localhost:8000", "http://localhost:9000", 403),
        ("localhost:8000", "http://127.0.0.1:8000", 403),
        ("localhost", "http://localhost:8000", 403),
        ("localhost:8000", "http://evil.example:8000", 403),
    ],
)
def test_without_a_public_url_the_host_of_the_request_counts(
    sqlite_schema_url: str, open_console: OpenConsole, host: str, origin: str, status: int
) -> None:
    app = open_console(sqlite_schema_url)
    caller = Caller(app)
    form = {"csrf_token": caller.csrf, "theme": "dark"}
    cookie = caller.client.get_cookie(cookie_name(app))
    assert cookie
    headers = {"Host": host, "Origin": origin, "Cookie": f"{cookie.key}={cookie.value}"}

    # The cookie jar has the cookie for one of these hosts only.
    answer = app.test_client(use_cookies=False).post("/theme", data=form, headers=headers)

    assert answer.status_code == status


@pytest.mark.parametrize("rule", sorted(rule for method, rule in ROWS if method == "POST"))
def test_every_form_of_another_site_is_refused_and_not_saved(tenant: Tenant, rule: str) -> None:
    caller, path = tenant.caller("admin"), tenant.path(rule)
    other_session = {"csrf_token": tenant.caller("admin").csrf}

    for form in (FORM, {**FORM, **other_session}):
        refused = caller.ask("POST", path, form, headers=ANOTHER_SITE["another site"])

        assert refused.status_code == 403
        assert f'name="{unsaved_form.FIELD}"' not in refused.text
        assert "Set-Cookie" not in refused.headers


def test_the_api_reads_no_cookie_and_requires_no_origin(tenant: Tenant) -> None:
    answer = tenant.caller("token").ask("GET", "/api/v1/agents", headers=ANOTHER_SITE["another site"])

    assert answer.status_code == 200
