"""The pages and the terminal where PASSWORD_SIGN_IN restricts who may use a password. The provider is away."""

from urllib.parse import urlsplit
from uuid import UUID

import pytest
import sqlalchemy as sa
from flask import Flask

from agents_app.db import db
from agents_app.models import Event, Identity
from agents_app.operations import invitations
from agents_app.operations.permissions import Actor
from agents_app.web.activity_sentences import activity_sentence
from tests.cli.conftest import Terminal
from tests.conftest import OpenConsole
from tests.make import PASSWORD, cookie_name, make_user
from tests.web.conftest import Browser, Page

HOST = "127.0.0.1:9"
PROVIDER = {"OIDC_ISSUER": f"http://{HOST}", "OIDC_CLIENT_ID": "console", "OIDC_CLIENT_SECRET": "secret-of-the-tests"}
NEW = "another pass phrase 94"


@pytest.fixture
def off(schema_url: str, open_console: OpenConsole) -> Flask:
    """The console with passwords off."""
    return open_console(schema_url, **PROVIDER, PASSWORD_SIGN_IN="off")


@pytest.fixture
def on(off: Flask, open_console: OpenConsole) -> Flask:
    """The same console before an operator switched passwords off."""
    return open_console(off.config["SQLALCHEMY_DATABASE_URI"].render_as_string(hide_password=False), **PROVIDER)


@pytest.fixture
def ada(off: Flask) -> Actor:
    """The admin, who is linked."""
    ada = make_user(off, name="Ada", email="ada@example.org")
    link(off, ada)
    return ada


def link(app: Flask, person: Actor) -> None:
    known = {"account_id": person.account_id, "user_id": person.user_id, "subject": str(person.user_id)}
    with app.app_context(), db.transaction() as session:
        session.add(Identity(issuer=PROVIDER["OIDC_ISSUER"], name=person.name, email=person.email, **known))


def emergency_link(app: Flask, person: Actor) -> tuple[str, str]:
    """The address of the link that the terminal prints, with what it says about it."""
    result = Terminal(app, person.account_id)("users", "reset-password", person.email)
    assert result.exit_code == 0, result.stderr
    parts = urlsplit(result.stdout.strip())
    return f"{parts.path}?{parts.query}", result.stderr


def let_in(app: Flask, person: Actor) -> Browser:
    """A browser in which this person is signed in by a link of the terminal."""
    browser = Browser(app)
    address, _ = emergency_link(app, person)
    browser.send(address, "/reset", password=NEW)
    return browser


def test_the_sign_in_form_refuses_the_right_password(off: Flask, on: Flask) -> None:
    person, browser, restarted = make_user(on), Browser(on), off.test_client()
    values = {"email": person.email, "password": PASSWORD, "csrf_token": browser.token()}
    cookie = browser.client.get_cookie(cookie_name(on))
    assert cookie
    restarted.set_cookie(cookie_name(off), cookie.value)

    answer = restarted.post("/sign-in", data=values)

    assert answer.status_code == 422
    assert f"You sign in with {HOST}, not with a password." in answer.text
    text = f"was refused with the right password, because they sign in at {HOST}"
    assert text in let_in(off, person).get("/activity").text


def test_a_link_of_the_terminal_lets_in_a_linked_person_and_says_that_it_is_once(off: Flask, ada: Actor) -> None:
    address, said = emergency_link(off, ada)
    browser = Browser(off)

    assert f"Afterwards they sign in with {HOST}: they may use no password." in said
    page = browser.get(address)
    assert f"This link signs you in once. Afterwards you sign in with {HOST}" in page.text
    browser.send(page, "/reset", password=NEW)

    profile = browser.get("/profile")
    assert "by a one-time link" in profile.text
    assert not profile.root.all(id="password-head")
    assert f"end it and change your password at {HOST}." in profile.text
    browser.get(address, 404)


def test_links_of_pages_are_refused_with_what_to_use(off: Flask, on: Flask, ada: Actor) -> None:
    bob = make_user(on, name="Bob", account_id=ada.account_id)
    assert bob.user_id
    with on.app_context():
        reset, join = invitations.make_reset_link(ada, bob.user_id), invitations.invite(ada, {"role": "viewer"})

    assert f"You sign in with {HOST}, not with a password." in Browser(off).get(f"/reset?code={reset}", 409).text
    refused = Browser(off).get(f"/join?code={join}", 409)
    assert f"Passwords are off. People join by signing in with {HOST}." in refused.text
    assert f"sign in with {HOST}" in Browser(on).get(f"/join?code={join}").text


def test_the_people_page_offers_neither_invitations_nor_reset_links(off: Flask, on: Flask, ada: Actor) -> None:
    with on.app_context():
        invitations.invite(ada, {"role": "viewer"})
    browser = let_in(off, ada)

    page = browser.get("/people")

    assert f"New people join by signing in with {HOST}." in page.text
    assert "Nobody can use them while passwords are off." in page.text
    assert "Password reset link" not in page.text
    assert f"Signs in with {HOST}" in page.text
    assert not [link for link in page.root.all("a") if link["href"] == "/people/invite"]
    assert f"People join by signing in with {HOST}." in browser.get("/people/invite", 409).text
    refused = browser.send(f"/people/{ada.user_id}/reset-link", status=409)
    assert isinstance(refused, Page)
    assert f"Ada signs in with {HOST}, not with a password." in refused.text


def test_with_passwords_on_the_people_page_says_who_uses_which_way(on: Flask, ada: Actor) -> None:
    bob = make_user(on, "viewer", name="Bob", account_id=ada.account_id)
    make_user(on, "viewer", name="Cy", account_id=ada.account_id, password_hash=None)
    browser = let_in(on, ada)

    page = browser.get("/people")

    assert f"New people join by signing in with {HOST}, or by a link that you send them." in page.text
    rows = {row.one("th").text.partition(" ")[2].partition(" ")[0]: row.text for row in page.root.all("tr")[1:]}
    ways = {name: "by password" in text for name, text in rows.items() if f"Signs in with {HOST}" not in text}
    assert ways == {"Bob": True, "Cy": False}
    assert "Cannot sign in yet" in rows["Cy"]
    links = [link["href"] for link in page.root.all("a") if link["href"].endswith("/reset-link")]
    assert f"/people/{bob.user_id}/reset-link" in links
    assert f"/people/{ada.user_id}/reset-link" not in links
    assert f"People with an account at {HOST} need no link" in browser.get("/people/invite").text


def test_named_people_are_the_only_ones_who_can_use_an_invitation(
    off: Flask, ada: Actor, open_console: OpenConsole
) -> None:
    url = off.config["SQLALCHEMY_DATABASE_URI"].render_as_string(hide_password=False)
    named = open_console(url, **PROVIDER, PASSWORD_SIGN_IN="bob@example.org")
    browser = let_in(named, ada)
    assert "Only the people whom the setting PASSWORD_SIGN_IN names can use it." in browser.get("/people/invite").text
    with named.app_context():
        code = invitations.invite(ada, {"role": "viewer"})
    other = Browser(named)

    page = other.send(f"/join?code={code}", "/join", 422, name="Eve", email="eve@example.org", password=NEW)

    assert isinstance(page, Page)
    assert page.error_at("email") == f"The person with this address signs in with {HOST}, not with a password."
    other.send(page, "/join", email="bob@example.org", password=NEW)
    assert "with a password" in other.get("/profile").text
    assert other.get("/profile").root.one(id="password-head")


def test_the_set_up_page_signs_in_its_admin(off: Flask) -> None:
    browser = Browser(off)

    browser.send("/setup", account_name="Acme", name="Ada", email="ada@example.org", password=NEW)

    assert f"Passwords are off. Link your account at {HOST} on your profile" in browser.get("/agents").text
    assert [link for link in browser.get("/profile").root.all("a") if link["href"] == "/sign-on?purpose=link"]


def test_the_terminal_says_who_can_use_which_way(off: Flask, on: Flask, ada: Actor) -> None:
    make_user(off, name="Bob", email="bob@example.org", account_id=ada.account_id)

    def ways(app: Flask) -> dict[str, list[str]]:
        items = Terminal(app, ada.account_id).json("users", "list")["items"]
        return {one["name"]: one["ways_in"] for one in items}

    assert ways(off) == {"Ada": ["provider"], "Bob": []}
    assert ways(on) == {"Ada": ["provider"], "Bob": ["password"]}
    assert "SIGNS IN BY" in Terminal(off, ada.account_id)("users", "list").stdout
    refused = Terminal(off, ada.account_id)("users", "invite", "--role", "viewer")
    assert refused.stderr == f"Error: Passwords are off. People join by signing in with {HOST}.\n"


@pytest.mark.parametrize("words", [("accounts", "create"), ("demo",)], ids=" ".join)
def test_who_is_made_at_the_terminal_gets_in_by_a_link(off: Flask, words: tuple[str, ...]) -> None:
    values = ("--organisation", "Acme", "--name", "Ada", "--email", "ada@example.org", "--password-stdin")
    given = values if words[0] == "accounts" else ()
    email = "ada@example.org" if given else "demo@console.example"

    result = off.test_cli_runner().invoke(args=[*words, *given], input=NEW)

    assert result.exit_code == 0, result.output
    assert f"flask users reset-password {email}" in result.output
    assert "with the password" not in result.output


@pytest.mark.parametrize(
    ("details", "sentence"),
    [
        ({}, "signed in"),
        ({"method": "password"}, "signed in with a password"),
        ({"method": "provider", "host": "id.example.org"}, "signed in at id.example.org"),
        ({"method": "provider", "host": "<b>"}, "signed in at &lt;b&gt;"),
        ({"method": "link"}, "signed in by a one-time link of an operator"),
        ({"method": "of a later release"}, "signed in"),
    ],
)
def test_activity_names_the_door(details: dict[str, str], sentence: str) -> None:
    event = {"action": "user.signed_in", "details": details, "target_name": None, "target_id": UUID(int=1)}

    assert activity_sentence(event) == sentence


def test_activity_shows_the_link_and_who_used_it(off: Flask, ada: Actor) -> None:
    browser = let_in(off, ada)

    page = browser.get("/activity")

    assert "created a password reset link for Ada" in page.text
    assert "signed in by a one-time link of an operator" in page.text
    with off.app_context(), db.reading() as connection:
        assert NEW not in str(connection.scalars(sa.select(Event.details)).all())
