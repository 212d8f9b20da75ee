"""A form whose session ended before it was sent: it is not carried out, and what was typed is restored."""

from collections.abc import Iterator
from ipaddress import IPv6Address
from random import getrandbits
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask
from itsdangerous import URLSafeSerializer, URLSafeTimedSerializer
from wtforms.fields.core import UnboundField

from agents_app.db import db
from agents_app.models import Event
from agents_app.operations import agents
from agents_app.operations.permissions import Actor
from agents_app.web import session_forms, unsaved_form
from agents_app.web.forms.base import ConsoleForm, PanelForm
from agents_app.web.forms.secret_input import Secret
from tests import pem
from tests.make import PASSWORD, cookie_name, make_user
from tests.security.tenant import Tenant
from tests.web.conftest import Browser, Page, fields_of
from tests.web.test_nothing_typed_is_lost import NEW, SECRET, end_sessions

KEPT = [endpoint for endpoint, form in session_forms.SESSION_FORMS.items() if form.keeps_values]
TYPED: dict[str, dict[str, Any]] = {
    "web.agents.new": NEW,
    "web.agents.save": {"description": "two\nlines & more", "api_key": SECRET},
    "web.agents.delete": {"note": "The contract ended"},
    "web.agents.clone": {"note": "For the trial"},
    "web.agents.enable": {"note": "The server has moved"},
    "web.agent_versions.restore": {"note": "It was better"},
    "web.agents.disable": {"reason": "The server moves"},
    "web.tokens.new": {"name": "nightly import", "scopes": ["read", "write"], "expires_in_days": "31"},
    "web.tokens.rotate": {"overlap": "7d"},
    "web.users.invite": {"role": "editor", "note": "For Grace, finance"},
    "web.users.change_role": {"role": "editor"},
    "web.accounts.show": {"name": "Acme & Söhne"},
    "web.profile.change_details": {"name": "Ada King"},
}
# What must be typed again before the form is sent.
TYPED_AGAIN = {"web.profile.change_details": {"current_password": PASSWORD}}
# No form has these inputs, and their values must not be kept.
PASSWORDS = {"password": SECRET, "current_password": SECRET}
SHOWN_ONCE = {"web.tokens.new", "web.tokens.rotate", "web.users.invite"}
SIGNED_IN = ("user.signed_in", "user.sign_in_failed")


@pytest.fixture
def tenant(console: Flask) -> Tenant:
    """An account with a record for every form."""
    return Tenant(console)


def sign_in(browser: Browser, actor: Actor) -> None:
    """Sign in on a new page, as in another tab."""
    browser.send(browser.get("/sign-in"), email=actor.email, password=PASSWORD, action="/sign-in")


def browser_of(actor: Actor, app: Flask) -> Browser:
    """A browser with its own IP address in which this user is signed in."""
    browser = Browser(app, str(IPv6Address(getrandbits(128))))
    sign_in(browser, actor)
    return browser


def path_to(tenant: Tenant, endpoint: str) -> str:
    """The path of the form, for an existing record."""
    rule = next(rule.rule for rule in tenant.app.url_map.iter_rules(endpoint) if "POST" in (rule.methods or ()))
    path = tenant.path(rule.replace("agent_id", "deleted_id") if endpoint.endswith("restore_deleted") else rule)
    if endpoint == "web.agents.enable" and tenant.latest:
        with tenant.app.app_context():
            agents.disable(tenant.admin, tenant.latest, {"reason": "Moving."})
    return path


def actions(tenant: Tenant) -> list[str]:
    """The actions in the account, except signing in. Each is an event."""
    query = sa.select(Event.action).where(Event.account_id == tenant.admin.account_id, Event.action.not_in(SIGNED_IN))
    with tenant.app.app_context(), db.reading() as connection:
        return sorted(connection.scalars(query))


def typed_into(browser: Browser, path: str, endpoint: str) -> Any:
    """The values that the form sends, with what the test types."""
    if endpoint not in KEPT:
        return {"csrf_token": browser.token(), **PASSWORDS}
    values = fields_of(browser.get(path).form(path))
    for name, value in (TYPED[endpoint] | PASSWORDS).items():
        values.setlist(name, value if isinstance(value, list) else [value])
    return values


def sign_in_on(browser: Browser, sign_in_page: Page, actor: Actor) -> Page:
    """The page after signing in on the page that asks for it, at the second attempt."""
    wrong = browser.send(sign_in_page, "/sign-in", status=422, email=actor.email, password="wrong")
    assert isinstance(wrong, Page)
    entered = browser.send(wrong, "/sign-in", status=200, email=actor.email, password=PASSWORD)
    assert isinstance(entered, Page)
    return entered


def kept_text(tenant: Tenant, sign_in_page: Page) -> str:
    """Everything that the sign-in page keeps of a form, as text."""
    with tenant.app.app_context():
        unsaved = unsaved_form.UnsavedForm.read(sign_in_page.root.one("input", name="kept")["value"])
    assert unsaved
    return str(unsaved)


def check_restored(tenant: Tenant, browser: Browser, entered: Page, path: str, endpoint: str) -> None:
    """Check that the form has the typed values again, and is carried out when it is sent, not before."""
    done = actions(tenant)
    shown = browser.send(entered, path, status=200)
    assert isinstance(shown, Page)
    assert "Not saved yet." in shown.text
    values = fields_of(shown.form(path))
    for name, value in TYPED[endpoint].items():
        assert values.getlist(name) == ([""] if value == SECRET else value if isinstance(value, list) else [value])
    assert actions(tenant) == done
    secret = {name: value for name, value in TYPED[endpoint].items() if value == SECRET}
    secret |= TYPED_AGAIN.get(endpoint, {})
    browser.send(shown, path, status=200 if endpoint in SHOWN_ONCE else 303, **secret)
    assert len(actions(tenant)) == len(done) + 1


def test_every_form_is_listed_as_needing_a_session_or_as_open(console: Flask) -> None:
    forms = {rule.endpoint for rule in console.url_map.iter_rules() if "POST" in (rule.methods or ())}

    assert {endpoint for endpoint in forms if endpoint.startswith("web.")} == set(
        session_forms.SESSION_FORMS
    ) | session_forms.OPEN_FORMS
    assert not set(session_forms.SESSION_FORMS) & session_forms.OPEN_FORMS
    assert set(KEPT) == set(TYPED)


@pytest.mark.parametrize("endpoint", session_forms.SESSION_FORMS)
def test_a_form_whose_session_ended_is_not_carried_out_and_says_so(tenant: Tenant, endpoint: str) -> None:
    path, sentence = path_to(tenant, endpoint), session_forms.SESSION_FORMS[endpoint].message
    browser = browser_of(tenant.admin, tenant.app)
    values = typed_into(browser, path, endpoint)
    end_sessions(tenant.app, tenant.admin)
    done = actions(tenant)

    sign_in_page = browser.post(path, values, status=401)
    assert isinstance(sign_in_page, Page)
    entered = sign_in_on(browser, sign_in_page, tenant.admin)

    assert sentence in sign_in_page.text
    assert sentence in entered.text
    assert SECRET not in kept_text(tenant, sign_in_page)
    assert actions(tenant) == done
    if endpoint in KEPT:
        check_restored(tenant, browser, entered, path, endpoint)
    else:
        browser.get(entered.root.one("main").one("a")["href"])
        assert actions(tenant) == done
    assert SECRET not in browser.seen


@pytest.mark.parametrize("endpoint", [*KEPT, "web.agents.delete"])
def test_a_form_without_a_cookie_is_not_carried_out_and_says_so(tenant: Tenant, endpoint: str) -> None:
    path, sentence = path_to(tenant, endpoint), session_forms.SESSION_FORMS[endpoint].message
    browser = browser_of(tenant.admin, tenant.app)
    values, done = typed_into(browser, path, endpoint), actions(tenant)
    browser.client.delete_cookie(cookie_name(browser.client.application))

    sign_in_page = browser.post(path, values, status=401)
    assert isinstance(sign_in_page, Page)
    assert sentence in sign_in_page.text
    entered = sign_in_on(browser, sign_in_page, tenant.admin)

    assert sentence in entered.text
    assert actions(tenant) == done
    if endpoint in KEPT:
        check_restored(tenant, browser, entered, path, endpoint)


@pytest.mark.parametrize("endpoint", [*KEPT, "web.agents.delete"])
def test_a_form_is_shown_again_after_signing_in_in_another_tab(tenant: Tenant, endpoint: str) -> None:
    path, sentence = path_to(tenant, endpoint), session_forms.SESSION_FORMS[endpoint].message
    browser = browser_of(tenant.admin, tenant.app)
    values, done = typed_into(browser, path, endpoint), actions(tenant)
    end_sessions(tenant.app, tenant.admin)
    sign_in(browser, tenant.admin)

    shown = browser.post(path, values, status=400)

    assert isinstance(shown, Page)
    assert sentence in shown.text
    assert actions(tenant) == done
    if endpoint in KEPT:
        check_restored(tenant, browser, shown, path, endpoint)


@pytest.mark.parametrize("is_cookie_gone", [False, True])
def test_a_sign_in_page_loses_nothing_after_signing_in_in_another_tab(tenant: Tenant, is_cookie_gone: bool) -> None:
    endpoint = "web.agents.disable"
    path = path_to(tenant, endpoint)
    browser = browser_of(tenant.admin, tenant.app)
    values = typed_into(browser, path, endpoint)
    end_sessions(tenant.app, tenant.admin)
    if is_cookie_gone:
        browser.client.delete_cookie(cookie_name(browser.client.application))
    sign_in_page = browser.post(path, values, status=401)
    sign_in(browser, tenant.admin)

    shown = browser.send(sign_in_page, "/sign-in", status=400, email=tenant.admin.email, password=PASSWORD)

    assert isinstance(shown, Page)
    check_restored(tenant, browser, shown, path, endpoint)


@pytest.mark.parametrize("role", ["admin", "viewer"])
@pytest.mark.parametrize("endpoint", KEPT)
def test_another_user_who_signs_in_does_not_get_what_was_typed(tenant: Tenant, endpoint: str, role: str) -> None:
    other = make_user(tenant.app, role, tenant.admin.account_id)
    path = path_to(tenant, endpoint)
    browser = browser_of(tenant.admin, tenant.app)
    values = typed_into(browser, path, endpoint)
    end_sessions(tenant.app, tenant.admin)
    sign_in_page = browser.post(path, values, status=401)
    assert isinstance(sign_in_page, Page)
    kept = sign_in_page.root.one("input", name="kept")["value"]

    entered = browser.send(sign_in_page, "/sign-in", status=200, email=other.email, password=PASSWORD)

    assert isinstance(entered, Page)
    assert session_forms.SESSION_FORMS[endpoint].message in entered.text
    assert "another person typed it" in entered.text
    assert not entered.root.all("form")
    done = actions(tenant)
    browser.post(path, {"csrf_token": browser.token(), "kept": kept}, status=400)
    assert actions(tenant) == done


def signed(tenant: Tenant, endpoint: str, path: str, owner: str | None = None, *typed: tuple[str, str]) -> str:
    """The signed text for a form on a page of this user."""
    with tenant.app.test_request_context():
        owner_hash = unsaved_form.new_csrf_value(tenant.people[owner].user_id).partition(".")[2] if owner else ""
        return unsaved_form.UnsavedForm(endpoint, path, owner_hash, list(typed)).text


@pytest.mark.parametrize("endpoint", [one for one in session_forms.SESSION_FORMS if one not in KEPT])
def test_restored_values_do_not_carry_out_an_action(tenant: Tenant, endpoint: str) -> None:
    path, browser, done = path_to(tenant, endpoint), browser_of(tenant.admin, tenant.app), actions(tenant)

    for text in ("x", signed(tenant, endpoint, path), signed(tenant, "web.agents.new", "/agents/new")):
        browser.post(path, {"csrf_token": browser.token(), "kept": text}, status=400)

    assert actions(tenant) == done


@pytest.mark.parametrize("owner", [None, "editor"])
@pytest.mark.parametrize("status", [401, 400])
def test_another_site_cannot_fill_in_a_form(tenant: Tenant, owner: str | None, status: int) -> None:
    path, browser = path_to(tenant, "web.agents.disable"), browser_of(tenant.admin, tenant.app)
    anonymous = Browser(tenant.app)
    if status == 401:
        end_sessions(tenant.app, tenant.admin)
    text = signed(tenant, "web.agents.disable", path, owner, ("reason", "words-of-another"))

    for address, values in (
        (path, {"reason": "words-of-another"}),
        (path, {"kept": text}),
        ("/sign-in", {"kept": text}),
    ):
        answer = browser.client.post(
            address, data={"csrf_token": anonymous.token(), **values}, environ_base=browser.environ
        )
        assert answer.status_code in (400, 401)
        if 'action="/sign-in"' in answer.text:
            answer = browser.send(
                Page(answer), "/sign-in", status=200, email=tenant.admin.email, password=PASSWORD
            ).answer
            end_sessions(tenant.app, tenant.admin)
        assert "words-of-another" not in answer.text


def test_changed_signed_values_are_not_restored(tenant: Tenant) -> None:
    text = signed(tenant, "web.agents.new", "/agents/new", "admin", ("name", "Sales"))

    with tenant.app.test_request_context():
        assert unsaved_form.UnsavedForm.read(text)
        assert [unsaved_form.UnsavedForm.read(changed) for changed in ("", "x", text[:-1], "x" + text)] == [None] * 4


def test_signing_out_after_the_session_has_ended_signs_out(tenant: Tenant) -> None:
    browser = browser_of(tenant.admin, tenant.app)
    page = browser.get("/agents")
    end_sessions(tenant.app, tenant.admin)

    answer = browser.send(page, "/sign-out")

    assert answer.headers["Location"] == "/sign-in"
    assert "You were already signed out" in browser.get("/sign-in").text


@pytest.mark.parametrize("is_cookie_gone", [False, True])
def test_signing_out_in_a_second_tab_says_so(tenant: Tenant, is_cookie_gone: bool) -> None:
    browser = browser_of(tenant.admin, tenant.app)
    first, second = browser.get("/agents"), browser.get("/profile")
    browser.send(first, "/sign-out")
    if is_cookie_gone:
        browser.client.delete_cookie(cookie_name(browser.client.application))

    answer = browser.send(second, "/sign-out")

    assert answer.headers["Location"] == "/sign-in"
    assert "You were already signed out" in browser.get("/sign-in").text


def test_a_private_key_in_a_public_field_is_not_kept(tenant: Tenant) -> None:
    browser = browser_of(tenant.admin, tenant.app)
    values = fields_of(browser.get("/agents/new").form("/agents/new"))
    values["DB-ssl_root_cert"] = pem.certificate() + pem.private_key()

    refused = browser.post("/agents/new", values, status=422)
    end_sessions(tenant.app, tenant.admin)
    sign_in_page = browser.post("/agents/new", values, status=401)

    assert "PRIVATE KEY-----" not in refused.html
    assert "PRIVATE KEY" not in kept_text(tenant, sign_in_page)
    assert "BEGIN CERTIFICATE" in kept_text(tenant, sign_in_page)
    assert "What you typed is kept, except secrets" in sign_in_page.text


@pytest.mark.parametrize("content", [5, None, [], {"a": 1}, ["web.agents.new", "/x", "o", 5], ["web.agents.new"]])
def test_values_kept_by_another_release_are_not_restored(tenant: Tenant, content: Any) -> None:
    with tenant.app.test_request_context():
        text = URLSafeSerializer(str(tenant.app.secret_key), unsaved_form.SALT).dumps(content)

        assert unsaved_form.UnsavedForm.read(text) is None


@pytest.mark.parametrize("value", [5, None, ["a"], {"a": 1}, True, "é"])
def test_a_signed_csrf_value_that_is_not_a_text_is_refused(tenant: Tenant, value: Any) -> None:
    browser = browser_of(tenant.admin, tenant.app)
    signed_value = URLSafeTimedSerializer(str(tenant.app.secret_key), unsaved_form.CSRF_SALT).dumps(value)

    browser.post("/agents/new", {"csrf_token": signed_value}, status=400)


def forms(kind: type[ConsoleForm]) -> Iterator[type[ConsoleForm]]:
    """All form classes below this one."""
    for form in kind.__subclasses__():
        if form is not PanelForm:
            yield from (form, *forms(form))


def test_every_input_for_a_secret_is_known(console: Flask) -> None:
    fields = [(name, getattr(form, name)) for form in forms(ConsoleForm) for name in dir(form) if name[0] != "_"]
    secret = {
        name for name, field in fields if isinstance(field, UnboundField) and issubclass(field.field_class, Secret)
    }

    with console.test_request_context():
        assert secret <= unsaved_form.secret_names()
    assert {"api_key", "password"} <= secret
