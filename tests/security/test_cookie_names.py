"""Names of cookies: two consoles on one host have different names, processes of one console the same."""

from pathlib import Path

import pytest
from flask import Flask

from tests.conftest import OpenConsole
from tests.make import PASSWORD, cookie_name, make_app, make_settings, make_user
from tests.security.conftest import Caller

OTHER_KEY = "Qm1TtLw6RbNc4HsJd9GfPa2UeZk3vXy8"
URL = "https://console.example.org"
# Settings that make two consoles different, and settings that can differ between processes of one console.
APART = {
    "another key": ({}, {"SECRET_KEY": OTHER_KEY}),
    "another port": ({"BIND": "127.0.0.1:8000"}, {"BIND": "127.0.0.1:8001"}),
    "another public port": ({"PUBLIC_URL": URL}, {"PUBLIC_URL": f"{URL}:8443"}),
    "another name": ({"PUBLIC_URL": "http://a.example"}, {"PUBLIC_URL": "http://b.example"}),
}
TOGETHER = {
    "another machine": (
        {"PUBLIC_URL": URL, "BIND": "192.0.2.1:8000"},
        {"PUBLIC_URL": URL, "BIND": "192.0.2.2:9000", "PROXY_HOPS": "1", "WORKERS": "3"},
    ),
    "another spelling": ({"PUBLIC_URL": URL}, {"PUBLIC_URL": "HTTPS://Console.example.org.:443/"}),
    "another spelling of BIND": ({"BIND": "[::1]:8000"}, {"BIND": "[0:0::1]:8000"}),
}


def name_of(url: str, settings: dict[str, str]) -> str:
    """The name of the cookie of a console with these settings."""
    return cookie_name(make_app(url, **settings))


@pytest.mark.parametrize(("one", "other"), APART.values(), ids=APART)
def test_another_console_has_another_name(sqlite_url: str, one: dict[str, str], other: dict[str, str]) -> None:
    assert name_of(sqlite_url, one) != name_of(sqlite_url, other)


@pytest.mark.parametrize(("one", "other"), TOGETHER.values(), ids=TOGETHER)
def test_another_process_of_the_console_has_the_same_name(
    sqlite_url: str, one: dict[str, str], other: dict[str, str]
) -> None:
    assert name_of(sqlite_url, one) == name_of(sqlite_url, other)


def test_a_key_from_a_file_makes_the_same_name(sqlite_url: str, tmp_path: Path) -> None:
    key = make_settings(sqlite_url).secret_key
    assert key
    (tmp_path / "key").write_text(f"{key}\n")

    assert name_of(sqlite_url, {"SECRET_KEY": "", "SECRET_KEY_FILE": str(tmp_path / "key")}) == name_of(sqlite_url, {})


def test_a_browser_stays_signed_in_to_two_consoles(sqlite_schema_url: str, open_console: OpenConsole) -> None:
    first, second = open_console(sqlite_schema_url), open_console(sqlite_schema_url, SECRET_KEY=OTHER_KEY)
    person = make_user(first)
    caller, neighbour = Caller(first), Caller(second)
    neighbour.client._cookies = caller.client._cookies
    for browser in (caller, neighbour):
        browser.ask("POST", "/sign-in", {"email": person.email, "password": PASSWORD})
        browser.ask("POST", "/theme", {"theme": "dark"})

    assert [browser.ask("GET", "/agents").status_code for browser in (caller, neighbour)] == [200, 200]
    neighbour.ask("POST", "/theme", {"theme": "light"})
    neighbour.ask("POST", "/sign-out", {})

    assert neighbour.ask("GET", "/agents").status_code == 303
    assert 'data-theme="dark"' in caller.ask("GET", "/agents").text


@pytest.mark.parametrize("settings", [{}, {"PUBLIC_URL": URL}], ids=["http", "https"])
def test_a_session_of_release_0_1_0_is_kept_and_gets_the_new_cookie(
    sqlite_schema_url: str, open_console: OpenConsole, settings: dict[str, str]
) -> None:
    app = open_console(sqlite_schema_url, **settings)
    caller = _as_it_was(Caller(app, make_user(app)))

    answer = caller.ask("GET", "/agents")

    assert answer.status_code == 200
    assert 'data-theme="dark"' in answer.text
    assert answer.headers["Set-Cookie"].startswith(f"{cookie_name(app)}=")
    assert "Set-Cookie" not in caller.ask("GET", "/agents").headers


def test_a_cookie_of_another_program_with_the_old_name_is_not_changed(
    sqlite_schema_url: str, open_console: OpenConsole
) -> None:
    app, other = open_console(sqlite_schema_url), open_console(sqlite_schema_url, SECRET_KEY=OTHER_KEY)
    program = Caller(other, make_user(app))
    value = program.client.get_cookie(cookie_name(other))
    caller = Caller(app)
    assert value
    caller.client.set_cookie("session", value.value)

    assert caller.ask("GET", "/agents").status_code == 303
    assert "session=" not in str(caller.ask("GET", "/sign-in").headers.getlist("Set-Cookie"))


def test_after_signing_out_the_old_cookie_is_invalid(sqlite_schema_url: str, open_console: OpenConsole) -> None:
    app = open_console(sqlite_schema_url)
    caller = _as_it_was(Caller(app, make_user(app)))
    caller.ask("GET", "/agents")
    caller.ask("POST", "/sign-out", {})
    caller.client.delete_cookie(cookie_name(app))

    assert caller.ask("GET", "/agents").status_code == 303


def _as_it_was(caller: Caller) -> Caller:
    """The same browser with only the cookies of release 0.1.0."""
    known: Flask = caller.app
    host = caller.base_url.partition("://")[2]
    name, prefix = cookie_name(known), "__Host-" if caller.base_url.startswith("https") else ""
    found = caller.client.get_cookie(name, domain=host)
    assert found
    caller.client.delete_cookie(name, domain=host)
    given = {"domain": host, "secure": bool(prefix)}
    caller.client.set_cookie(f"{prefix}session", found.value, **given)
    caller.client.set_cookie(f"{prefix}theme", "dark", **given)
    return caller
