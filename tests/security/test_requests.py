"""Hostile requests: hosts, proxies, methods, paths, forms of other sites, changed and expired cookies."""

import re
from base64 import urlsafe_b64encode
from urllib.parse import unquote_to_bytes

import pytest
import sqlalchemy as sa
from flask import Flask

from agents_app.db import db
from agents_app.models import LoginAttempt, UserSession
from agents_app.operations import agent_reads, login_attempts, sessions
from agents_app.operations.permissions import Actor, Visitor
from tests.conftest import OpenConsole
from tests.make import PASSWORD, cookie_name, make_agent, make_token, make_user
from tests.security.conftest import Caller
from tests.security.test_matrix import answered

HTTPS = "https://console.example.org"
HOSTS = [
    "evil.example",
    "localhost.evil.example",
    "evil.example:80",
    "localhost@evil.example",
    "localhost, evil.example",
    "localhost evil.example",
    "localhost/evil",
    "evil.example#localhost",
    "[::2]",
    "127.0.0.1.evil.example",
    "evil..example",
    "e" * 64 + ".example",
    "localhost..",
    "",
]
PATHS = [
    "//evil.example",
    "//evil.example/agents",
    "/agents//new",
    "/%2f%2fevil.example",
    "/%5cevil.example",
    "/agents/%00",
    "/agents/..%2f..%2fetc%2fpasswd",
    "/static/..%2fwsgi.py",
    "/static/../wsgi.py",
    "/static/%2e%2e/%2e%2e/wsgi.py",
    "/static//etc/passwd",
    "/static/%00",
    "/static/app.css%00.html",
    "/static/",
    "/gibberish-xyz-123/..%2f__init__.py",
    "/gibberish-xyz-123/index.html",
    "/.env",
    "/.git/config",
    "/wsgi.py",
    "/agents/%ff%fe",
    "/agents;a=b",
    "/agents/00000000-0000-0000-0000-00000000000",
    "/agents/{00000000-0000-0000-0000-000000000000}",
    "/console",
    "/%E2%80%AE",
    "/" + "a" * 10_000,
]


@pytest.fixture
def https(sqlite_schema_url: str, open_console: OpenConsole) -> Flask:
    """A console with an https URL behind one proxy."""
    return open_console(sqlite_schema_url, PUBLIC_URL=HTTPS, PROXY_HOPS="1")


def sign_in(caller: Caller, actor: Actor, password: str = PASSWORD) -> str:
    """Sign in, and return the cookie."""
    entered = caller.ask("POST", "/sign-in", {"email": actor.email, "password": password})
    assert entered.headers["Location"] == "/"
    return cookie_of(caller)


def cookie_of(caller: Caller) -> str:
    """The value of the session's cookie."""
    found = caller.client.get_cookie(cookie_name(caller.client.application))
    return found.value if found else ""


def with_cookie(app: Flask, value: str) -> Caller:
    """A caller with this cookie."""
    caller = Caller(app)
    caller.client.set_cookie(cookie_name(caller.client.application), value)
    return caller


@pytest.mark.parametrize("host", HOSTS)
def test_another_host_is_refused_for_every_path(console: Flask, admin: Actor, host: str) -> None:
    caller = Caller(console, admin)

    for method, path in (("GET", "/sign-in"), ("GET", "/nothing"), ("GET", "//agents"), ("GET", "/api/v1/me")):
        answer = caller.ask(method, path, headers={"Host": host})
        assert answer.status_code == 400
        assert "Location" not in answer.headers
        assert not host or host not in answer.text


@pytest.mark.parametrize(
    "header",
    ["X-Forwarded-Host", "X-Host", "X-Original-Host", "X-Forwarded-Server", "Forwarded", "X-HTTP-Host-Override"],
)
def test_no_other_header_names_the_host(console: Flask, admin: Actor, header: str) -> None:
    answer = Caller(console, admin).ask("GET", "/people/invite", headers={header: "host=evil.example"})

    assert answer.status_code == 200
    assert "evil" not in answer.text


def addresses_counted(app: Flask, email: str) -> list[str]:
    """The address from which this person's password was guessed."""
    with app.app_context(), db.reading() as connection:
        mine = sa.select(LoginAttempt.address).where(LoginAttempt.login == login_attempts.login_key(email))
        return list(connection.scalars(mine))


def test_without_a_proxy_a_client_cannot_forge_its_address(console: Flask, admin: Actor) -> None:
    caller = Caller(console)
    caller.address = "198.51.100.4"
    pretended = {"X-Forwarded-For": "203.0.113.1", "X-Real-IP": "203.0.113.1", "Forwarded": "for=203.0.113.1"}

    caller.ask("POST", "/sign-in", {"email": admin.email, "password": "x"}, headers=pretended)

    assert addresses_counted(console, admin.email) == ["198.51.100.4"]


@pytest.mark.parametrize(
    ("added", "counted"),
    [
        ("198.51.100.4", "198.51.100.4"),
        ("198.51.100.4:51234", "198.51.100.4"),
        ("2001:db8:1:2::1", "2001:db8:1:2::/64"),
        ("[2001:db8:1:2::1]", "2001:db8:1:2::/64"),
        ("[2001:db8:1:2::1]:51234", "2001:db8:1:2::/64"),
    ],
)
def test_behind_a_proxy_only_the_address_that_the_proxy_added_counts(https: Flask, added: str, counted: str) -> None:
    person = make_user(https)
    headers = {"X-Forwarded-For": f"203.0.113.1, {added}", "X-Forwarded-Proto": "https"}

    Caller(https).ask("POST", "/sign-in", {"email": person.email, "password": "x"}, headers=headers)

    assert addresses_counted(https, person.email) == [counted]


def test_behind_a_proxy_the_host_that_it_names_is_checked_too(https: Flask) -> None:
    answer = Caller(https).ask("GET", "/sign-in", headers={"X-Forwarded-Host": "evil.example"})

    assert answer.status_code == 400


@pytest.mark.parametrize("path", PATHS)
def test_an_odd_path_is_not_found_and_does_not_redirect(console: Flask, admin: Actor, path: str) -> None:
    # Otherwise the test client would read two slashes as the start of a host.
    exactly = {"PATH_INFO": unquote_to_bytes(path).decode("latin-1"), "REQUEST_URI": path}

    answer = Caller(console, admin).ask("GET", "/", environ_overrides=exactly)

    assert answer.status_code in (303, 308, 400, 404)
    location = answer.headers.get("Location", "/")
    assert re.match(r"(http://localhost)?/(?![/\\])", location), location
    assert "import " not in answer.text
    assert "root:" not in answer.text


@pytest.mark.parametrize(
    "path",
    [
        *("/", "/sign-in", "/setup", "/profile", "/agents", "/agents?q=", "/agents.", "/agents/import", "/sign-out"),
        *("/healthz", "/readyz", "/openapi.json", "/static/app.css", "/api/v1/me", "/api/v1/agents/import"),
    ],
)
def test_a_path_with_two_slashes_at_its_start_is_not_found(console: Flask, admin: Actor, path: str) -> None:
    # The server compares paths too: with the forms that hash a password, and with those that take a file.
    sent = [{"PATH_INFO": more + path.partition("?")[0]} for more in ("/", "//")]
    callers = [Caller(console), Caller(console, admin), Caller(console, token=make_token(console, admin, "write"))]
    form = {"email": admin.email, "password": "x"}

    answers = [
        caller.ask(method, path, given, environ_overrides=environ)
        for caller in callers
        for method, given in (("GET", None), ("POST", form))
        for environ in sent
    ]

    assert [(answer.status_code, "Location" in answer.headers) for answer in answers] == [(404, False)] * 12
    assert addresses_counted(console, admin.email) == []


def test_a_deleted_agent_is_not_found_with_two_slashes(console: Flask, admin: Actor) -> None:
    path = f"/agents/{make_agent(console, admin, name='Ledger')}"
    caller = Caller(console, admin)
    caller.ask("POST", f"{path}/delete", {})

    once, twice = (caller.ask("GET", "/", environ_overrides={"PATH_INFO": f"{more}{path}"}) for more in ("", "/"))

    assert [(answer.status_code, "Ledger" in answer.text) for answer in (once, twice)] == [(404, True), (404, False)]


def test_only_the_exact_paths_of_health_answer_to_every_host(console: Flask) -> None:
    found = {
        path: Caller(console).ask("GET", "/", headers={"Host": HOSTS[0]}, environ_overrides={"PATH_INFO": path})
        for path in ("/healthz", "/readyz", "//healthz", "//readyz")
    }

    assert [answer.status_code for answer in found.values()] == [200, 200, 400, 400]


@pytest.mark.parametrize("name", ["X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"])
def test_the_method_cannot_be_overridden(console: Flask, admin: Actor, name: str) -> None:
    agent_id = make_agent(console, admin)
    program = Caller(console, token=make_token(console, admin, "write"))
    page = Caller(console, admin)

    program.ask("GET", f"/api/v1/agents/{agent_id}?_method=DELETE", headers={name: "DELETE"})
    page.ask("GET", f"/agents/{agent_id}/delete?_method=POST", headers={name: "POST"})
    page.ask("POST", f"/agents/{agent_id}/enable", {"_method": "DELETE"}, headers={name: "DELETE"})

    with console.app_context():
        assert agent_reads.read(admin, agent_id)["version"] == 1


@pytest.mark.parametrize(
    "next_page", ["//evil.example", "https:evil.example", "/\\evil.example", "/%0d%0aSet-Cookie:a=b"]
)
def test_signing_in_leads_to_this_site_only(console: Flask, admin: Actor, next_page: str) -> None:
    caller = Caller(console)

    answer = caller.ask("POST", "/sign-in", {"email": admin.email, "password": PASSWORD, "next": next_page})

    assert answer.headers["Location"] in ("/", "/%0d%0aSet-Cookie:a=b")
    assert len(answer.headers.getlist("Set-Cookie")) == 1


def test_a_csrf_value_is_invalid_after_signing_out_and_in(console: Flask, admin: Actor) -> None:
    caller = Caller(console)
    sign_in(caller, admin)
    page = caller.ask("GET", "/agents").text
    before = re.findall(r'name="csrf_token" value="([^"]+)"', page)[0]
    assert caller.ask("POST", "/theme", data={"csrf_token": before, "theme": "dark"}).status_code == 303
    caller.ask("POST", "/sign-out", data={"csrf_token": before})
    sign_in(caller, admin)

    assert caller.ask("POST", "/theme", data={"csrf_token": before}).status_code == 400


def test_a_session_id_that_another_person_chose_is_not_used(console: Flask, admin: Actor) -> None:
    attacker, victim = make_user(console), Caller(console)
    victim.client.set_cookie(cookie_name(victim.client.application), cookie_of(Caller(console, attacker)))

    after = sign_in(victim, admin)

    assert after != cookie_of(Caller(console, attacker))
    assert admin.name in victim.ask("GET", "/profile").text
    with console.app_context(), db.reading() as connection:
        theirs = sa.select(UserSession.user_id).where(UserSession.user_id == admin.user_id)
        assert len(connection.execute(theirs).all()) == 1


def test_a_changed_cookie_counts_as_signed_out(console: Flask, admin: Actor) -> None:
    cookie = sign_in(Caller(console), admin)
    payload, stamp, signature = cookie.rsplit(".", 2)
    forged = urlsafe_b64encode(b'{"sid":"x"}').decode().rstrip("=")
    changed = [
        # Not the last character: some of its bits have no meaning.
        f"{payload}.{stamp}.{'A' if signature[0] != 'A' else 'B'}{signature[1:]}",
        f"{payload}x.{stamp}.{signature}",
        f"{forged}.{stamp}.{signature}",
        f"{payload}.{stamp}.",
        payload,
        f"{forged}..",
        cookie.swapcase(),
        "x" * 4_000,
        "\x7f",
        "",
    ]

    assert [answered(with_cookie(console, value).ask("GET", "/agents")) for value in changed] == ["in"] * len(changed)
    assert answered(with_cookie(console, cookie).ask("GET", "/agents")) == "200"


def test_a_cookie_signed_with_another_key_counts_as_signed_out(
    console: Flask, sqlite_schema_url: str, open_console: OpenConsole
) -> None:
    person = make_user(console)
    other_console = open_console(sqlite_schema_url, SECRET_KEY="Qm1TtLw6RbNc4HsJd9GfPa2UeZk3vXy8")
    thief = Caller(other_console)
    with console.app_context():
        thief.keep(sessions.sign_in(Visitor("::1"), person.email, PASSWORD))

    assert answered(with_cookie(console, cookie_of(thief)).ask("GET", "/agents")) == "in"


def test_a_cookie_contains_nothing_about_its_person(console: Flask, admin: Actor) -> None:
    caller = Caller(console)
    cookie = sign_in(caller, admin)
    with caller.client.session_transaction() as content:
        assert set(content) <= {"sid", "csrf_token", "_flashes"}

    serializer = console.session_interface.get_signing_serializer(console)
    assert admin.email not in str(serializer.loads(cookie))


def test_an_old_cookie_is_invalid_after_a_change_of_password(console: Flask, admin: Actor) -> None:
    mine, thief = Caller(console), Caller(console)
    sign_in(mine, admin)
    stolen = sign_in(thief, admin)

    changed = mine.ask("POST", "/profile", {"current_password": PASSWORD, "password": "another long phrase 31"})

    assert changed.status_code == 303
    assert answered(with_cookie(console, stolen).ask("GET", "/agents")) == "in"
    assert answered(mine.ask("GET", "/agents")) == "200"
    assert Caller(console).ask("POST", "/sign-in", {"email": admin.email, "password": PASSWORD}).status_code == 422


def test_a_copy_of_the_cookie_is_invalid_after_signing_out(console: Flask, admin: Actor) -> None:
    caller = Caller(console)
    copied = sign_in(caller, admin)
    caller.ask("POST", "/sign-out", {})

    assert answered(with_cookie(console, copied).ask("GET", "/agents")) == "in"
    assert answered(caller.ask("GET", "/agents")) == "in"


def test_two_browsers_of_one_person_have_separate_sessions(console: Flask, admin: Actor) -> None:
    first, second = Caller(console), Caller(console)
    sign_in(first, admin)
    sign_in(second, admin)
    first.ask("POST", "/sign-out", {})

    assert answered(second.ask("GET", "/agents")) == "200"


def test_the_theme_cookie_changes_only_the_theme(console: Flask, admin: Actor) -> None:
    caller = Caller(console, admin)
    for value in ('"><script>', "dark; x=y", "../../x", "x" * 4_000):
        caller.client.set_cookie("theme", value)
        answer = caller.ask("GET", "/agents")
        assert (answer.status_code, "<script>" in answer.text) == (200, False)
