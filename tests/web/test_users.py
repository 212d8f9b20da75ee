"""The pages of users: permissions, invitation, role, deactivation, deletion, and links that are shown once."""

import logging
import re
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
from flask import Flask

from agents_app.logs import JsonFormatter
from agents_app.operations import agent_reads, invitation_records, invitations, users
from agents_app.operations.permissions import Actor
from tests.make import PASSWORD, cookie_name, make_agent, make_user
from tests.web.conftest import Browser, Page, SignIn

FOR_ADMINS = ["/people", "/people/invite", "/account", "/account/delete", "/system"]
ASKED = ["role", "reset-link", "deactivate", "delete"]
LAST = "An account needs an active admin. Make another person an admin first."


@pytest.fixture
def editor(console: Flask, admin: Actor) -> Actor:
    """A second user of the admin's account."""
    return make_user(console, "editor", admin.account_id, name="Grace Hopper")


@pytest.fixture
def log_lines() -> Iterator[list[str]]:
    """The log lines of the console from now on."""
    lines: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: lines.append(JsonFormatter().format(record))  # type: ignore[method-assign]
    logging.getLogger("agents_app").addHandler(handler)
    yield lines
    logging.getLogger("agents_app").removeHandler(handler)


def test_a_note_is_shown_to_admins_and_never_in_activity_or_on_the_page_of_the_link(browser: Browser) -> None:
    page = browser.send("/people/invite", status=422, role="editor", note="x" * 201)
    assert isinstance(page, Page)
    assert page.error_at("note") == "Use at most 200 characters."

    page = browser.send("/people/invite", status=200, role="editor", note="Grace <finance>")

    assert "Note: Grace <finance>. Anyone" in page.text
    assert "Grace <finance>" in browser.get("/people").root.all("table")[1].text
    activity = browser.get("/activity").text
    assert "created an invitation link with the role Editor" in activity
    assert "Grace <finance>" not in activity
    path = link_on(page)
    assert "finance" not in browser.get(path).html


def link_on(page: Any) -> str:
    """The path of the one-time link on a page."""
    assert isinstance(page, Page)
    return page.root.one(id="new-value")["value"].partition(":8000")[2]


def sent(page: Any) -> Page:
    assert isinstance(page, Page)
    return page


@pytest.mark.parametrize("role", ["viewer", "editor"])
def test_pages_for_admins_are_refused_to_others_and_not_in_their_menu(
    role: str, console: Flask, signed_in: SignIn
) -> None:
    browser = signed_in(make_user(console, role))

    for address in FOR_ADMINS:
        assert "Only an admin can do this." in browser.get(address, 403).text
        if address != "/system":
            browser.post(address, {"csrf_token": browser.token()}, 403 if address != "/people" else 405)
    assert not [link for link in browser.get("/agents").root.all("a") if link["href"] in FOR_ADMINS]


def test_users_of_another_account_are_not_found(console: Flask, browser: Browser) -> None:
    foreign = make_user(console)

    for user_id in (foreign.user_id, uuid4()):
        for act in ASKED:
            assert "There is no person with this id." in browser.get(f"/people/{user_id}/{act}", 404).text
            browser.post(f"/people/{user_id}/{act}", {"csrf_token": browser.token(), "role": "viewer"}, 404)
        browser.post(f"/people/{user_id}/activate", {"csrf_token": browser.token()}, 404)
    browser.post(f"/people/invitations/{uuid4()}/withdraw", {"csrf_token": browser.token()}, 404)
    assert foreign.email not in browser.get("/people").html


def test_forms_about_people_need_their_csrf_value(browser: Browser, editor: Actor, admin: Actor) -> None:
    for act in ("role", "reset-link", "deactivate", "activate", "delete"):
        browser.post(f"/people/{editor.user_id}/{act}", {"role": "viewer"}, 400)
    for address in ("/people/invite", "/join", "/reset", "/profile", "/account", "/account/delete"):
        browser.post(address, {"role": "viewer", "name": admin.account_name}, 400)


def test_the_last_admin_cannot_leave_and_sees_why(browser: Browser, admin: Actor) -> None:
    changes = {"role": {"role": "viewer"}, "deactivate": {}, "delete": {}}
    for act, change in changes.items():
        page = sent(browser.send(f"/people/{admin.user_id}/{act}", status=409, **change))
        assert LAST in page.root.one(class_="problems").text

    assert "Admin" in browser.get("/people").text


def test_an_action_that_changes_nothing_says_so(browser: Browser, editor: Actor) -> None:
    at = f"/people/{editor.user_id}"
    asking, listed = browser.get(f"{at}/deactivate"), "Nothing was changed"

    browser.send(f"{at}/role", role="editor")
    assert f"{listed}: {editor.name} already has the role Editor." in browser.get("/people").text
    browser.send(asking, f"{at}/deactivate")
    browser.get("/people")
    browser.send(asking, f"{at}/deactivate")
    page = browser.get("/people")
    assert f"{listed}: {editor.name} is deactivated already." in page.text
    for said in ("can sign in again.", f"{listed}: {editor.name} is active already."):
        browser.post(f"{at}/activate", {"csrf_token": browser.token()})
        assert said in browser.get("/people").text


def test_an_unknown_role_is_refused_at_its_input(browser: Browser, editor: Actor) -> None:
    for address in ("/people/invite", f"/people/{editor.user_id}/role"):
        page = sent(browser.send(address, status=422, role="owner"))
        assert page.error_at("role") == "Choose one of: viewer, editor, admin."


def test_an_invitation_link_is_shown_once_and_signs_in(browser: Browser, console: Flask, log_lines: list[str]) -> None:
    path = link_on(browser.send("/people/invite", status=200, role="editor"))
    code = path.partition("code=")[2]

    assert re.fullmatch(r"/join\?code=[\w-]{43}", path)
    assert code not in browser.get("/people").html
    newcomer = Browser(console)
    assert "Acme" in newcomer.get(path).text
    given = {"name": "Grace", "email": f"{uuid4().hex}@example.org", "password": PASSWORD}
    answer = newcomer.send(newcomer.get(path), "/join", **given)

    assert answer.headers["Location"] == "/agents"
    assert "Editor, Acme" in newcomer.get("/agents").text
    assert "Grace" in browser.get("/people").text
    assert log_lines
    assert code not in "".join(log_lines)
    assert code not in newcomer.client.get_cookie(cookie_name(newcomer.client.application)).value


@pytest.mark.parametrize("act", ["invite", "reset-link"])
def test_a_form_that_is_sent_twice_creates_one_link_and_shows_it_twice(
    act: str, browser: Browser, editor: Actor, admin: Actor, console: Flask
) -> None:
    address = "/people/invite" if act == "invite" else f"/people/{editor.user_id}/reset-link"
    form = browser.get(address)

    first, second = (link_on(browser.send(form, address, status=200)) for _ in range(2))

    assert first == second
    Browser(console).get(first)
    with console.app_context():
        assert len(invitations.listing(admin)) == (1 if act == "invite" else 0)


def test_a_form_whose_link_was_withdrawn_says_so_and_then_creates_another(browser: Browser, console: Flask) -> None:
    form = browser.get("/people/invite")
    path = link_on(browser.send(form, "/people/invite", status=200))
    button = browser.get("/people").root.one("section", class_="list").one("button")
    browser.post(button["formaction"], {"csrf_token": browser.token()})

    asked = sent(browser.send(form, "/people/invite", status=422))

    sentence = "This form already created a link, which is no longer valid. To create another, send the form again."
    assert sentence in asked.root.one(class_="problems").text
    assert "Open links to join" not in browser.get("/people").text
    assert link_on(browser.send(asked, "/people/invite", status=200)) != path


def test_an_open_link_can_be_withdrawn(browser: Browser, console: Flask) -> None:
    path = link_on(browser.send("/people/invite", status=200))
    button = browser.get("/people").root.one("section", class_="list").one("button")

    browser.post(button["formaction"], {"csrf_token": browser.token()})

    page = browser.get("/people")
    assert "it can no longer be used" in page.text
    assert "Open links to join" not in page.text
    assert invitation_records.GONE in Browser(console).get(path, 404).text


def test_a_password_reset_link_is_shown_once(browser: Browser, editor: Actor, console: Flask) -> None:
    address = f"/people/{editor.user_id}/reset-link"
    page = sent(browser.send(address, status=200))

    assert f"Send this link to {editor.name} now" in page.text
    visitor = Browser(console)
    answer = visitor.send(visitor.get(link_on(page)), "/reset", password="another-quiet-4-river")

    assert answer.headers["Location"] == "/agents"
    visitor.get(link_on(page), 404)


def test_a_deactivated_user_gets_no_reset_link(browser: Browser, editor: Actor) -> None:
    asked = browser.get(f"/people/{editor.user_id}/reset-link")
    browser.send(f"/people/{editor.user_id}/deactivate")

    page = sent(browser.send(asked, f"/people/{editor.user_id}/reset-link", status=409))

    assert "Activate them first" in page.root.one(class_="problems").text


def test_a_changed_role_signs_the_user_out_at_once(browser: Browser, editor: Actor, signed_in: SignIn) -> None:
    theirs = signed_in(editor)

    browser.send(f"/people/{editor.user_id}/role", role="viewer")

    assert "The role of Grace Hopper is now Viewer." in browser.get("/people").text
    assert theirs.client.get("/agents").headers["Location"].startswith("/sign-in")
    assert "Viewer, Acme" in signed_in(editor).get("/agents").text


def test_the_same_role_changes_nothing(browser: Browser, editor: Actor, signed_in: SignIn) -> None:
    theirs = signed_in(editor)

    browser.send(f"/people/{editor.user_id}/role", role="editor")

    theirs.get("/agents")


@pytest.mark.parametrize(("act", "change"), [("role", {"role": "viewer"}), ("deactivate", {}), ("delete", {})])
def test_an_admin_who_removes_their_own_access_is_redirected_to_sign_in(
    act: str, change: dict[str, str], browser: Browser, console: Flask, admin: Actor
) -> None:
    make_user(console, "admin", admin.account_id)

    answer = browser.send(f"/people/{admin.user_id}/{act}", **change)

    assert answer.headers["Location"] == "/sign-in"
    assert "You were signed out everywhere." in browser.get("/sign-in").text
    assert browser.client.get("/agents").status_code == 303


def test_a_deactivated_user_cannot_sign_in_until_activated(browser: Browser, editor: Actor, signed_in: SignIn) -> None:
    theirs = signed_in(editor)
    browser.send(f"/people/{editor.user_id}/deactivate")
    assert theirs.client.get("/agents").status_code == 303

    page = browser.get("/people")
    assert "Deactivated" in page.text
    browser.post(f"/people/{editor.user_id}/activate", {"csrf_token": browser.token()})

    assert "can sign in again" in browser.get("/people").text
    signed_in(editor).get("/agents")


def test_the_agents_of_a_deleted_user_stay(browser: Browser, editor: Actor, admin: Actor, console: Flask) -> None:
    agent_id = make_agent(console, editor, name="Hers")

    browser.send(f"/people/{editor.user_id}/delete")

    assert editor.email not in browser.get("/people").html
    with console.app_context():
        assert agent_reads.read(admin, agent_id)["created_by"] is None
        assert [person["id"] for person in users.listing(admin)] == [admin.user_id]


def test_a_name_is_escaped(browser: Browser, console: Flask, admin: Actor) -> None:
    make_user(console, "viewer", admin.account_id, name="<script>alert(1)</script>")

    assert "<script>alert" not in browser.get("/people").html
    assert "&lt;script&gt;alert(1)" in browser.get("/people").html


def test_an_agent_whose_owner_was_deactivated_says_so_in_the_list_and_on_its_page(
    console: Flask, admin: Actor, editor: Actor, browser: Browser
) -> None:
    agent_id = make_agent(console, admin, owner=editor.name.upper(), connection_config={"password": "a password"})
    assert "Owner has left" not in browser.get("/agents").text + browser.get(f"/agents/{agent_id}").text

    browser.send(f"/people/{editor.user_id}/deactivate")

    assert "GRACE HOPPER Owner has left" in browser.get("/agents").root.one("tbody").text
    assert "Owner has left" in browser.get(f"/agents/{agent_id}").root.one("section", aria_labelledby="facts").text
    row = browser.get("/agents?needs_attention=true").root.one("tbody").text
    assert "The owner has left: this person was deactivated or deleted. Enter another owner." in row
