"""Names in any writing direction: every page isolates them, so that they cannot reorder the text around them."""

import re
import shutil
import uuid
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from uuid import UUID

import pytest
import sqlalchemy as sa
from flask import Flask

from agents_app.db import db
from agents_app.models import Account, Agent, AgentVersion, ApiToken, ConnectionTest, Event, User
from agents_app.operations import agents
from agents_app.probes.results import Finding, Outcome, Result, Step
from agents_app.web.isolation import isolated, sentence
from tests.make import PASSWORD, make_agent, make_app, make_last_test
from tests.security.tenant import Tenant
from tests.security.test_matrix import ROWS
from tests.web.conftest import VOID, Browser, Page

MARK = "qmarkq"
# A Hebrew name that contains the mark, and the same with a mark that reverses all text after it.
NAME, REVERSING = f"ש{MARK}ש", f"ש{MARK}\u202eש"
TYPED = {
    "name": NAME,
    "description": f"{NAME} 5",
    "system_instructions": f"{NAME}\n5",
    "model_type": NAME,
    "owner": NAME,
    "labels": {"team": NAME},
    "connection_config": {"username": NAME, "database": NAME, "password": "database-password-1"},
}
# The parts of a page whose text is isolated as a whole, and those that are no part of the text of the page.
ISOLATING = {"bdi", "textarea", "option"}
PLAIN_TEXT = {"title"}
GET_PAGES = [rule for method, rule in ROWS if method == "GET"]


class _Names(HTMLParser):
    """Collects the texts and the attributes of a page that have the mark and are not isolated."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.around: list[tuple[str, bool]] = []
        self.exposed: list[str] = []
        self.count = 0
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        for name in ("title", "aria-label", "data-said", "placeholder"):
            text = given.get(name) or ""
            self._check_plain(text, f"{tag} {name}")
        if tag not in VOID:
            self.around.append((tag, tag in ISOLATING or given.get("dir") == "auto"))

    def handle_endtag(self, tag: str) -> None:
        while self.around and self.around.pop()[0] != tag:
            pass

    def handle_data(self, data: str) -> None:
        if MARK not in data:
            return
        self.count += 1
        tags = [tag for tag, _ in self.around]
        if set(tags) & PLAIN_TEXT:
            self._check_plain(data, "title")
        elif not any(isolates for _, isolates in self.around):
            self.exposed.append(f"{' '.join(tags[-3:])}: {data.strip()[:80]}")

    def _check_plain(self, text: str, where: str) -> None:
        # A name alone is a text of its own. Within a sentence it is between the characters that isolate it.
        is_alone = text.strip() in (NAME, REVERSING)
        if MARK in re.sub("\u2068[^\u2069]*\u2069", "", text) and not is_alone:
            self.exposed.append(f"{where}: {text[:80]}")


class _TypedTenant(Tenant):
    """An account in which every text that a person typed is a name from right to left."""

    def __init__(self, app: Flask) -> None:
        super().__init__(app)
        self.rename()

    def _agent(self) -> UUID:
        agent_id = make_agent(self.app, self.admin, **TYPED, external_id=f"{NAME}-{uuid.uuid4()}")
        finding = Finding("service_unknown", {"host": NAME})
        steps = (Step("query", Outcome.FAILED, 1),)
        failed = Result(steps, cause=finding, facts={"server": NAME})
        make_last_test(self.app, self.admin, agent_id, connection=failed)
        return agent_id

    def rename(self) -> None:
        """Store the name in every column that has the text of a person."""
        for column in (User.name, Account.name, ApiToken.name, Event.actor_name, AgentVersion.actor_name):
            self._change(sa.update(column.class_).values({column: NAME}))
        self._change(sa.update(Event).where(Event.target_name.is_not(None)).values(target_name=NAME))
        self._change(sa.update(ConnectionTest).values(actor_name=NAME))


@pytest.fixture(scope="module")
def tenant(_sqlite_at_head: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[_TypedTenant]:
    """The account, with a record for every page."""
    app = make_app(f"sqlite:///{shutil.copy(_sqlite_at_head, tmp_path_factory.mktemp('names') / 'console.db')}")
    yield _TypedTenant(app)
    with app.app_context():
        db.engine.dispose()


@pytest.fixture
def browser(tenant: _TypedTenant) -> Browser:
    """A browser in which the admin is signed in."""
    browser = Browser(tenant.app, f"127.0.{uuid.uuid4().int % 250}.1")
    browser.send("/sign-in", email=tenant.admin.email, password=PASSWORD)
    return browser


def check(html: str) -> int:
    """Check that every name on the page is isolated. Returns how many texts have the mark."""
    names = _Names(html)
    assert names.exposed == []
    return names.count


def test_a_planted_name_that_is_not_isolated_is_found() -> None:
    planted = f"<title>Delete {NAME}?</title><p title='by {NAME}'>by <bdi>{NAME}</bdi> and {NAME}</p>"

    assert [where.partition(":")[0] for where in _Names(planted).exposed] == ["title", "p title", "p"]


@pytest.mark.parametrize("rule", GET_PAGES)
def test_every_page_isolates_the_names_that_people_typed(tenant: _TypedTenant, browser: Browser, rule: str) -> None:
    path = tenant.path(rule)
    tenant.rename()
    caller = browser.client if rule not in ("/sign-in", "/setup") else tenant.app.test_client()

    with caller.get(path, environ_base=browser.environ) as answer:
        if answer.mimetype == "text/html" and answer.status_code == 200:
            assert check(answer.text) or rule in ("/sign-in", "/gibberish-xyz-123")


def test_the_answers_to_forms_isolate_the_names(tenant: _TypedTenant, browser: Browser) -> None:
    agent_id = tenant.fresh("agent_id")
    tenant.rename()
    stale = browser.get(f"/agents/{agent_id}/edit")
    with tenant.app.app_context():
        their = {"name": f"{NAME} 2", "owner": f"{NAME} 2", "description": f"{NAME} 2"}
        agents.update(tenant.people["editor"], agent_id, their)
    tenant.rename()
    mine = {"name": f"{NAME} 3", "description": f"{NAME} 3"}
    conflict = browser.send(stale, f"/agents/{agent_id}/edit", 412, **mine)
    assert isinstance(conflict, Page)
    pages = [conflict, browser.send(conflict, f"/agents/{agent_id}/edit", 422)]
    refused = browser.send(f"/agents/{agent_id}/edit", status=422, name="", **{"DB-username": f"{NAME}\u202e"})
    browser.send(f"/agents/{agent_id}/disable", reason=f"{NAME} 5")
    pages += [refused, browser.get(f"/agents/{agent_id}"), browser.get(f"/agents/{agent_id}/disable")]
    browser.send(f"/agents/{agent_id}/disable", reason=f"{NAME} 6")
    pages.append(browser.get(f"/agents/{agent_id}"))
    browser.send(f"/agents/{agent_id}/delete")
    pages.append(browser.get("/agents"))
    pages.append(browser.send(stale, f"/agents/{agent_id}/edit", 404, **mine))

    for page in pages:
        assert isinstance(page, Page)
        assert check(page.html)


def test_inputs_have_the_direction_of_what_is_typed(browser: Browser) -> None:
    root = browser.get("/agents/new").root

    assert {root.one(id=name)["dir"] for name in ("name", "description", "system_instructions", "owner")} == {"auto"}


def test_a_message_cuts_a_long_name(tenant: _TypedTenant, browser: Browser) -> None:
    agent_id = make_agent(tenant.app, tenant.admin, name="ש" * 255)

    browser.send(f"/agents/{agent_id}/delete")

    assert browser.get("/agents").root.one(class_="flash").one("bdi").text == "ש" * 79 + "…"


def test_filters_and_names_of_lists_are_isolated(tenant: _TypedTenant, browser: Browser) -> None:
    agent_id = tenant.fresh("agent_id")
    tenant.rename()
    for query in ("q=", "owner=", "label=team:", "model_type=", "external_id="):
        assert check(browser.get(f"/agents?{query}{NAME}").html)
    person = tenant.people["editor"].user_id
    for query in (f"person={person}", f"target={agent_id}"):
        assert check(browser.get(f"/activity?{query}").html)
    assert check(browser.get("/agents?needs_attention=true").html)


def test_messages_that_are_shown_once_isolate_the_names(tenant: _TypedTenant, browser: Browser) -> None:
    token_id, person = tenant.fresh("token_id"), tenant.fresh("user_id")
    tenant.rename()

    browser.send(f"/tokens/{token_id}/revoke")
    assert check(browser.get("/tokens").html)
    link = browser.send(f"/people/{person}/reset-link", status=200)
    assert isinstance(link, Page)
    assert check(link.html)
    browser.send(f"/people/{person}/role", role="editor")
    assert check(browser.get("/people").html)
    browser.send(f"/people/{person}/deactivate")
    assert check(browser.get("/people").html)


def test_a_name_of_an_earlier_release_with_a_direction_mark_cannot_reverse_other_text(
    tenant: _TypedTenant, browser: Browser
) -> None:
    agent_id = tenant.fresh("agent_id")
    with tenant.app.app_context(), db.transaction() as session:
        session.execute(sa.update(Agent).where(Agent.id == agent_id).values(name=REVERSING, status_reason=REVERSING))
        session.execute(sa.update(User).values(name=REVERSING))
        session.execute(sa.update(Event).values(actor_name=REVERSING, target_name=REVERSING))

    for path in ("/agents", "/activity", "/people", "/people/invite", "/profile", f"/agents/{agent_id}"):
        page = browser.get(path)
        assert check(page.html)
        assert "\u202e" not in page.html
    for act in ("edit", "disable", "delete"):
        page = browser.get(f"/agents/{agent_id}/{act}")
        assert check(page.html)
        assert "\u202e" not in page.root.one("title").text
        # What is stored stays as it is until someone changes it.
        assert [box["value"] for box in page.root.all("input", name="name")] == [REVERSING] * (act == "edit")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Use at most 5 characters.", "Use at most 5 characters."),
        ("Sign in <b>", "Sign in &lt;b&gt;"),
        (f"Delete “{isolated('Sales')}”?", "Delete “<bdi>Sales</bdi>”?"),
        (f"Edit {isolated('a”b')}", "Edit <bdi>a”b</bdi>"),
        ("Edit " + isolated("x<\u2069y"), "Edit <bdi>x&lt;y</bdi>"),
        ("The reason is now “moved, 5 days”.", "The reason is now “<bdi>moved, 5 days</bdi>”."),
        ("שירה כהן is deactivated, 5 times", "<bdi>שירה כהן</bdi> is deactivated, 5 times"),
        ("The host א5.example is wrong", "The host <bdi>א5</bdi>.example is wrong"),
        ("It is \u202ereversed", "It is reversed"),
    ],
)
def test_a_sentence_isolates_names_quotations_and_words_from_right_to_left(text: str, shown: str) -> None:
    assert str(sentence(text)) == shown
