"""Two users or two tabs change one agent: no change is lost, and a choice is needed where both changed a field."""

import re
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from flask import Flask

from agents_app.db import db
from agents_app.models import AgentVersion
from agents_app.operations import agent_reads, agents
from agents_app.operations.agent_history import PastVersion
from agents_app.operations.permissions import Actor
from agents_app.schemas.agents import CONFIG
from agents_app.web.forms.edit_agent import EditForm
from tests.make import POWER_BI, make_agent, make_token, make_user
from tests.web.conftest import Browser, Element, Page, fields_of

PASSWORD = "canary-of-the-database"
POWER_BI_TYPED = {"connection_type": "POWERBI", **{f"POWERBI-{name}": value for name, value in POWER_BI.items()}}
Change = Callable[..., None]


@pytest.fixture
def grace(console: Flask, admin: Actor) -> Actor:
    """Another user of the account."""
    return make_user(console, account_id=admin.account_id, name="Grace")


@pytest.fixture
def agent_id(console: Flask, admin: Actor) -> UUID:
    """An agent with a stored key and a stored password."""
    secrets = {"api_key": "sk-0123456789-abcdefgh", "connection_config": {"password": PASSWORD}}
    return make_agent(console, admin, description="Old", model_type="old-model", **secrets)


@pytest.fixture
def address(agent_id: UUID) -> str:
    """The URL of the form."""
    return f"/agents/{agent_id}/edit"


@pytest.fixture
def change(console: Flask, agent_id: UUID) -> Change:
    """A function that changes the agent as this user."""

    def change_it(actor: Actor, **changes: Any) -> None:
        with console.app_context():
            agents.update(actor, agent_id, changes)

    return change_it


@pytest.fixture
def stored(console: Flask, admin: Actor, agent_id: UUID) -> Callable[[], dict[str, Any]]:
    """A function that reads the stored agent."""

    def read() -> dict[str, Any]:
        with console.app_context():
            return agent_reads.read(admin, agent_id)

    return read


def conflict(browser: Browser, page: Page, address: str, **typed: Any) -> Page:
    """The page after a form is sent whose agent others changed."""
    answer = browser.send(page, address, status=412, **typed)
    assert isinstance(answer, Page)
    return answer


def conflict_section(page: Page) -> Element:
    return page.root.one("section", class_="stale")


def choices_on(page: Page) -> list[str]:
    return [field["value"] for field in conflict_section(page).all("input", name="choose")]


def shown(page: Page) -> tuple[dict[str, str], dict[str, str]]:
    """The fields shown as changed in this form, and those shown as changed by others."""
    lists = conflict_section(page).all("dl", class_="facts")
    theirs = [one for one in lists if one.inside("details")]
    mine = [one for one in lists if not one.inside("details")]
    return _facts(mine), _facts(theirs)


def _facts(lists: list[Element]) -> dict[str, str]:
    return {term.text: fact.text for one in lists for term, fact in zip(one.all("dt"), one.all("dd"), strict=True)}


def test_a_field_that_both_changed_is_saved_only_after_a_choice(
    browser: Browser, address: str, grace: Actor, change: Change, stored: Callable[[], dict[str, Any]]
) -> None:
    form = browser.get(address)
    change(grace, description="Hers")

    page = conflict(browser, form, address, description="Mine")

    assert choices_on(page) == ["/description"]
    assert "Grace changed this agent while you edited it" in conflict_section(page).text
    assert "Discard my changes and load the stored agent" in conflict_section(page).text
    assert "Version 2: updated by Grace" in conflict_section(page).text
    radios = page.root.all("input", name="choice-description")
    assert [(radio["value"], "checked" in radio.attributes) for radio in radios] == [("mine", False), ("theirs", False)]
    texts = [value.text for value in conflict_section(page).one("fieldset").all("div", class_="value")]
    assert texts == ["Mine", "Hers", "Old"]
    again = browser.send(page, address, status=422)
    assert isinstance(again, Page)
    assert again.error_at("choice-description") == "Description: choose the value to save."
    assert stored()["description"] == "Hers"


def test_long_texts_show_word_by_word_what_each_side_changed(
    browser: Browser, address: str, grace: Actor, change: Change
) -> None:
    change(grace, description="Answers on sales.", system_instructions="Answer in two sentences. Never guess.\n\nDo.")
    form = browser.get(address)
    change(
        grace,
        description="Answers on all sales.",
        system_instructions="Answer in two long sentences. Never guess.\n\nDo.",
    )

    mine = "Answer in two sentences. Never guess.\r\n\r\nAsk."
    page = conflict(browser, form, address, system_instructions=mine)

    sides = conflict_section(page).one("fieldset").all("div", class_="side-by-side")
    added, hers = ([one.text for one in side.all("ins")] for side in sides)
    assert (added, hers) == (["[added: Ask end of added text]"], ["[added: long end of added text]"])
    assert not any("checked" in radio.attributes for side in sides for radio in side.all("input"))
    assert shown(page)[1]["Description"] == "Answers on [added: all end of added text] sales."


def test_two_new_texts_that_differ_by_a_word_are_compared_with_each_other(
    browser: Browser, address: str, grace: Actor, change: Change
) -> None:
    change(grace, system_instructions="Answer in two sentences. Never guess.\n\nBe kind.")
    form = browser.get(address)
    change(grace, system_instructions="Write only about orders, with all amounts in euros.\n\nBe kind.")

    mine = "Write only about orders, with all amounts in dollars.\r\n\r\nBe kind."
    page = conflict(browser, form, address, system_instructions=mine)

    my_side, their_side = conflict_section(page).one("fieldset").all("div", class_="side-by-side")
    assert (my_side.all("ins"), my_side.all("del")) == ([], [])
    assert [one.text for one in their_side.all("del")] == ["[removed: dollars end of removed text]"]
    assert [one.text for one in their_side.all("ins")] == ["[added: euros end of added text]"]
    assert "Marked: how it differs from “Yours”." in their_side.text


@pytest.mark.parametrize(("choice", "wanted"), [("mine", "Mine"), ("theirs", "Hers")])
def test_the_chosen_value_is_stored(
    choice: str,
    wanted: str,
    browser: Browser,
    address: str,
    grace: Actor,
    change: Change,
    stored: Callable[[], dict[str, Any]],
) -> None:
    form = browser.get(address)
    change(grace, description="Hers", connection_config={"row_limit": 7})
    page = conflict(browser, form, address, description="Mine", **{"DB-row_limit": "8"})

    other = "theirs" if choice == "mine" else "mine"
    browser.send(page, address, **{"choice-description": choice, "choice-connection_config-row_limit": other})

    assert stored()["description"] == wanted
    assert stored()["connection_config"]["row_limit"] == (7 if choice == "mine" else 8)
    assert "/connection_config/password" in stored()["secrets_set"]


def test_fields_that_only_one_of_two_changed_are_kept_for_each(
    browser: Browser, address: str, grace: Actor, change: Change, stored: Callable[[], dict[str, Any]]
) -> None:
    form = browser.get(address)
    hers = {"table_allow_list": ["orders"], "read_only": False, "statement_timeout_ms": 5000}
    change(grace, model_type="new-model", system_instructions="two\nlines", connection_config=hers)

    page = conflict(browser, form, address, description="Mine")

    assert choices_on(page) == []
    mine, theirs = shown(page)
    assert mine == {"Description": "Mine"}
    assert set(theirs) == {"Model", "System instructions", "Allowed tables", "Read only", "Statement timeout"}
    assert theirs["Model"] == "new-model Before: old-model"
    assert page.root.one(id="model_type")["value"] == "new-model"
    assert "checked" not in page.root.one(id="DB-read_only").attributes
    browser.send(page, address)
    agent = stored()
    assert (agent["description"], agent["model_type"]) == ("Mine", "new-model")
    assert agent["system_instructions"] == "two\nlines"
    assert {name: agent["connection_config"][name] for name in hers} == hers


def test_an_unchanged_form_does_not_revert_the_changes_of_others(
    browser: Browser, address: str, grace: Actor, change: Change, stored: Callable[[], dict[str, Any]]
) -> None:
    form = browser.get(address)
    change(grace, description="Hers")

    answer = browser.send(form, address)

    assert "Nothing was changed." in browser.get(answer.headers["Location"]).text
    assert (stored()["description"], stored()["version"]) == ("Hers", 2)


@pytest.mark.parametrize(
    ("typed", "handed_over"),
    [
        ({}, {}),
        ({"description": "New", "model_type": " old-model "}, {"description": "New"}),
        ({"DB-row_limit": "8", "DB-host": "DB.example.org"}, {CONFIG: {"row_limit": "8"}}),
        ({"api_key-act": "remove"}, {"api_key": None}),
    ],
    ids=["nothing", "a field", "a member", "a secret"],
)
def test_only_changed_fields_are_passed_to_the_operation(
    typed: dict[str, str],
    handed_over: dict[str, Any],
    console: Flask,
    browser: Browser,
    address: str,
    stored: Callable[[], dict[str, Any]],
) -> None:
    sent = fields_of(browser.get(address).form(address))
    for name, value in typed.items():
        sent[name] = value

    with console.test_request_context():
        form = EditForm(sent, stored())
        form.compare(PastVersion(form.agent, frozenset(form.agent["secrets_set"]), []))

        assert form.values() == handed_over


def test_the_same_change_by_both_needs_no_choice(
    browser: Browser, address: str, grace: Actor, change: Change, stored: Callable[[], dict[str, Any]]
) -> None:
    form = browser.get(address)
    change(grace, description="Same")

    answer = browser.send(form, address, description=" Same\r\n")

    assert "already has the values that you typed" in browser.get(answer.headers["Location"]).text
    assert stored()["version"] == 2


def test_your_own_change_in_another_tab_is_named_as_such(
    console: Flask, browser: Browser, admin: Actor, address: str, agent_id: UUID, change: Change
) -> None:
    form = browser.get(address)
    change(admin, description="In the other tab")

    page = conflict(browser, form, address, description="Mine")
    assert "You changed this agent in another tab" in conflict_section(page).text
    assert "Discard this form and load the stored agent" in conflict_section(page).text

    token = make_token(console, admin, "write")
    headers = {"Authorization": f"Bearer {token}"}
    console.test_client().patch(f"/api/v1/agents/{agent_id}", json={"description": "By a token"}, headers=headers)
    page = conflict(browser, form, address, description="Mine")
    assert "ci changed this agent while you edited it" in conflict_section(page).text


def test_an_agent_that_was_disabled_stays_disabled_without_a_choice(
    console: Flask, browser: Browser, grace: Actor, address: str, agent_id: UUID, stored: Callable[[], dict[str, Any]]
) -> None:
    form = browser.get(address)
    with console.app_context():
        agents.disable(grace, agent_id, {"reason": "Moving"})

    browser.send(form, address, description="Mine")

    agent = stored()
    assert (agent["description"], agent["status"], agent["status_reason"]) == ("Mine", "disabled", "Moving")


def test_a_secret_that_both_replaced_is_chosen_and_typed_again(
    browser: Browser, address: str, grace: Actor, change: Change, stored: Callable[[], dict[str, Any]]
) -> None:
    form = browser.get(address)
    change(grace, api_key="sk-hers-0123456789-hers")
    typed = {"api_key-act": "replace", "api_key": "sk-mine-0123456789-mine"}

    page = conflict(browser, form, address, **typed)

    assert choices_on(page) == ["/api_key"]
    assert "To save it, type it below." in conflict_section(page).text
    assert "Replaced" in conflict_section(page).text
    assert "sk-" not in page.html
    again = browser.send(page, address, status=422, **{"choice-api_key": "mine"})
    assert isinstance(again, Page)
    assert again.error_at("api_key") == "Type the new API key, or keep the stored one."
    browser.send(again, address, api_key="sk-mine-0123456789-mine")
    assert stored()["secrets_set"]["/api_key"]["last_four"] == "mine"


def test_their_secret_is_kept_where_it_is_chosen_or_only_they_changed_it(
    browser: Browser, address: str, grace: Actor, change: Change, stored: Callable[[], dict[str, Any]]
) -> None:
    form = browser.get(address)
    change(grace, api_key="sk-hers-0123456789-hers", connection_config={"password": None})
    page = conflict(browser, form, address, description="Mine", **{"api_key-act": "remove"})
    assert choices_on(page) == ["/api_key"]
    assert shown(page)[1]["Password"] == "Removed Before: Stored"

    browser.send(page, address, **{"choice-api_key": "theirs"})

    assert stored()["description"] == "Mine"
    assert {p: fact["last_four"] for p, fact in stored()["secrets_set"].items()} == {"/api_key": "hers"}


@pytest.mark.parametrize("choice", ["mine", "theirs"])
def test_a_connection_type_is_chosen_with_all_of_its_configuration(
    choice: str,
    browser: Browser,
    address: str,
    grace: Actor,
    change: Change,
    stored: Callable[[], dict[str, Any]],
) -> None:
    form = browser.get(address)
    change(grace, connection_config={"row_limit": 7}, description="Hers")
    page = conflict(browser, form, address, name="Mine", **POWER_BI_TYPED)
    assert choices_on(page) == ["/connection"]

    browser.send(page, address, **{"choice-connection": choice})

    agent = stored()
    assert (agent["name"], agent["description"]) == ("Mine", "Hers")
    if choice == "theirs":
        assert (agent["connection_type"], agent["connection_config"]["row_limit"]) == ("DB", 7)
        assert "/connection_config/password" in agent["secrets_set"]
    else:
        assert (agent["connection_type"], agent["connection_config"]["dataset_id"]) == (
            "POWERBI",
            POWER_BI["dataset_id"],
        )
        assert set(agent["secrets_set"]) == {"/api_key"}


def test_a_connection_type_that_only_they_changed_is_kept(
    browser: Browser, address: str, grace: Actor, change: Change, stored: Callable[[], dict[str, Any]]
) -> None:
    form = browser.get(address)
    change(grace, connection_type="POWERBI", connection_config=POWER_BI)

    page = conflict(browser, form, address, description="Mine")

    assert page.root.one(id="POWERBI-dataset_id")["value"] == POWER_BI["dataset_id"]
    browser.send(page, address)
    assert (stored()["connection_type"], stored()["description"]) == ("POWERBI", "Mine")


def test_their_new_secret_is_part_of_the_choice_where_this_form_chose_another_type(
    browser: Browser, address: str, grace: Actor, change: Change
) -> None:
    form = browser.get(address)
    change(grace, connection_config={"password": "another-canary"})

    page = conflict(browser, form, address, **POWER_BI_TYPED)

    assert choices_on(page) == ["/connection"]
    assert "another-canary" not in page.html


def test_a_secret_that_their_new_type_removed_must_be_typed_again(
    browser: Browser, address: str, grace: Actor, change: Change, stored: Callable[[], dict[str, Any]]
) -> None:
    form = browser.get(address)
    change(grace, connection_type="POWERBI", connection_config=POWER_BI)

    page = conflict(browser, form, address, **{"DB-row_limit": "8"})

    assert choices_on(page) == ["/connection"]
    mine = conflict_section(page).one("fieldset").all("div", class_="value")[0].text
    assert "Row limit: 8" in mine
    assert "Password: no longer stored. To save it, type it below." in mine
    browser.send(page, address, **{"choice-connection": "mine", "DB-password": "typed-again"})
    assert (stored()["connection_type"], stored()["connection_config"]["row_limit"]) == ("DB", 8)
    assert "/connection_config/password" in stored()["secrets_set"]


def test_a_third_change_asks_again_only_about_the_chosen_field(
    browser: Browser, address: str, grace: Actor, change: Change, stored: Callable[[], dict[str, Any]]
) -> None:
    form = browser.get(address)
    change(grace, description="Hers", model_type="her-model")
    page = conflict(browser, form, address, description="Mine", model_type="my-model")
    change(grace, description="Hers again", system_instructions="Hers")

    chosen = {"choice-description": "theirs", "choice-model_type": "mine"}
    page = conflict(browser, page, address, **chosen)

    assert choices_on(page) == ["/description", "/model_type"]
    checked = [
        radio["id"] for radio in conflict_section(page).all("input", type="radio") if "checked" in radio.attributes
    ]
    assert checked == ["choice-model_type"]
    assert "Version 2: updated by Grace" in conflict_section(page).text
    browser.send(page, address, **{"choice-description": "theirs"})
    agent = stored()
    assert (agent["description"], agent["model_type"]) == ("Hers again", "my-model")
    assert agent["system_instructions"] == "Hers"


def test_the_destination_rule_holds_after_a_choice(
    browser: Browser, address: str, grace: Actor, change: Change, stored: Callable[[], dict[str, Any]]
) -> None:
    form = browser.get(address)
    change(grace, description="Hers")
    page = conflict(browser, form, address, **{"DB-host": "evil.example"})

    again = browser.send(page, address, status=422)

    assert isinstance(again, Page)
    assert "Set it again" in again.error_at("DB-password")
    assert shown(again) == ({"Host": "evil.example"}, {"Description": "Hers Before: Old"})
    assert stored()["connection_config"]["host"] == "db.example.org"


@pytest.mark.parametrize("snapshot", [None, {}, {"connection_type": "ORACLE"}, []])
def test_every_difference_needs_a_choice_where_the_loaded_version_cannot_be_read(
    snapshot: object,
    console: Flask,
    browser: Browser,
    address: str,
    agent_id: UUID,
    grace: Actor,
    change: Change,
    stored: Callable[[], dict[str, Any]],
) -> None:
    form = browser.get(address)
    change(grace, description="Hers", model_type="her-model")
    first = (AgentVersion.agent_id == agent_id, AgentVersion.version == 1)
    with console.app_context(), db.transaction() as session:
        lost = sa.delete(AgentVersion).where(*first)
        session.execute(lost if snapshot is None else sa.update(AgentVersion).where(*first).values(snapshot=snapshot))

    page = conflict(browser, form, address, name="Mine")

    assert set(choices_on(page)) == {"/name", "/description", "/model_type"}
    chosen = {"choice-name": "mine", "choice-description": "theirs", "choice-model_type": "theirs"}
    browser.send(page, address, **chosen)
    assert (stored()["name"], stored()["description"], stored()["model_type"]) == ("Mine", "Hers", "her-model")


@pytest.mark.parametrize("version", ["0", "-1", "99", str(10**30)])
def test_a_version_that_never_existed_leads_to_a_choice_and_not_to_an_error(
    version: str, browser: Browser, address: str, stored: Callable[[], dict[str, Any]]
) -> None:
    page = conflict(browser, browser.get(address), address, version=version, description="Mine")

    assert choices_on(page) == ["/description"]
    assert stored()["description"] == "Old"


def test_a_choice_for_an_unknown_field_is_ignored(
    browser: Browser, address: str, stored: Callable[[], dict[str, Any]]
) -> None:
    odd = {"choose": ["/nothing", "", "/connection_config/__class__"], "choice-nothing": "mine", "began": "x"}

    browser.send(browser.get(address), address, description="Mine", **odd)

    assert stored()["description"] == "Mine"


def test_a_deleted_agent_of_another_account_is_not_found(console: Flask, browser: Browser) -> None:
    outsider = make_user(console)
    foreign = make_agent(console, outsider, name="Foreign")
    with console.app_context():
        agents.delete(outsider, foreign)

    page = browser.post(f"/agents/{foreign}/edit", {"csrf_token": browser.token(), "version": "1"}, 404)

    assert isinstance(page, Page)
    assert "There is no agent with this id." in page.text
    assert "deleted" not in page.text


def test_a_form_of_a_deleted_agent_says_who_deleted_it_and_shows_what_was_typed(
    console: Flask, browser: Browser, grace: Actor, address: str, agent_id: UUID
) -> None:
    form = browser.get(address)
    with console.app_context():
        agents.delete(grace, agent_id)

    typed = {"description": "Mine, a long text", "api_key-act": "replace", "api_key": "sk-canary"}
    page = browser.send(form, address, status=404, **typed)

    assert isinstance(page, Page)
    assert re.search(r"Grace deleted Sales on .* UTC, while this form was open\. Nothing was saved\.", page.text)
    assert "while this form was open. Nothing was saved." in page.text
    assert "Mine, a long text" in page.text
    assert "sk-canary" not in page.html
    browser.get(page.root.one("main").one("a", href=f"/activity?target={agent_id}")["href"])


OTHER_VALUE = "{}: you chose “Theirs”, but the field below has a different value. To save that value, choose “Yours”."
NEW_SECRET = "{}: you chose “Theirs”, but you typed a new value below. To save that value, choose “Yours”."


@pytest.mark.parametrize(
    ("hers", "mine", "choice", "typed_later", "sentence"),
    [
        ({"name": "Hers"}, {"name": "Mine"}, "name", {"name": "A third"}, OTHER_VALUE.format("Name")),
        (
            {CONFIG: {"table_allow_list": ["a"]}},
            {"DB-table_allow_list": "b"},
            "connection_config-table_allow_list",
            {"DB-table_allow_list": "b\nc"},
            OTHER_VALUE.format("Allowed tables"),
        ),
        (
            {"api_key": "sk-hers-0123456789-hers"},
            {"api_key-act": "replace", "api_key": "sk-mine-0123456789-mine"},
            "api_key",
            {"api_key": "sk-more-0123456789-more"},
            NEW_SECRET.format("API key"),
        ),
        (
            {CONFIG: {"row_limit": 7}},
            POWER_BI_TYPED,
            "connection",
            {"POWERBI-dataset_id": "33333333-3333-4333-8333-333333333333"},
            OTHER_VALUE.format("Connection"),
        ),
        (
            {CONFIG: {"row_limit": 7}},
            POWER_BI_TYPED,
            "connection",
            {"POWERBI-client_secret": "a-new-one"},
            NEW_SECRET.format("Connection"),
        ),
    ],
    ids=["a field", "a list", "a secret", "a connection", "a secret of a connection"],
)
def test_choosing_theirs_is_refused_where_another_value_was_typed_below(
    hers: dict[str, Any],
    mine: dict[str, str],
    choice: str,
    typed_later: dict[str, str],
    sentence: str,
    browser: Browser,
    address: str,
    grace: Actor,
    change: Change,
    stored: Callable[[], dict[str, Any]],
) -> None:
    form = browser.get(address)
    change(grace, **hers)
    page = conflict(browser, form, address, **mine)
    before = stored()

    again = browser.send(page, address, status=422, **typed_later, **{f"choice-{choice}": "theirs"})

    assert isinstance(again, Page)
    assert again.error_at(f"choice-{choice}") == sentence
    assert not [radio for radio in conflict_section(again).all("input", type="radio") if "checked" in radio.attributes]
    assert stored() == before
    secret = {name: value for name, value in typed_later.items() if again.root.one(id=name)["type"] == "password"}
    browser.send(again, address, **secret, **{f"choice-{choice}": "mine"})
    assert stored()["version"] == before["version"] + 1


def test_theirs_is_saved_when_it_is_chosen_again_after_the_last_typed_value(
    browser: Browser, address: str, grace: Actor, change: Change, stored: Callable[[], dict[str, Any]]
) -> None:
    form = browser.get(address)
    change(grace, name="Hers")
    page = conflict(browser, form, address, name="Mine")
    again = browser.send(page, address, status=422, name="A third", **{"choice-name": "theirs"})
    assert isinstance(again, Page)
    assert conflict_section(again).one("fieldset").all("div", class_="value")[0].text == "A third"

    browser.send(again, address, **{"choice-name": "theirs"})

    assert stored()["name"] == "Hers"


@pytest.mark.parametrize("typed", ["Hers", " Mine "], ids=["theirs", "mine"])
def test_theirs_is_saved_where_the_field_below_has_one_of_the_two_values(
    typed: str, browser: Browser, address: str, grace: Actor, change: Change, stored: Callable[[], dict[str, Any]]
) -> None:
    form = browser.get(address)
    change(grace, name="Hers")
    page = conflict(browser, form, address, name="Mine")

    browser.send(page, address, name=typed, **{"choice-name": "theirs"})

    assert stored()["name"] == "Hers"


def test_a_page_with_theirs_chosen_does_not_ask_to_type_the_secret_again(
    browser: Browser, address: str, grace: Actor, change: Change
) -> None:
    form = browser.get(address)
    change(grace, api_key="sk-hers-0123456789-hers")
    page = conflict(browser, form, address, **{"api_key-act": "replace", "api_key": "sk-mine-0123456789-mine"})
    assert page.root.all(class_="retype")

    again = browser.send(page, address, status=422, name="", **{"choice-api_key": "theirs"})

    assert isinstance(again, Page)
    assert "checked" in again.root.one(id="choice-api_key-theirs").attributes
    assert not again.root.all(class_="retype")
    assert "type it again" not in again.text.casefold()


def test_their_connection_is_kept_when_chosen_where_both_changed_to_the_same_type(
    browser: Browser, address: str, grace: Actor, change: Change, stored: Callable[[], dict[str, Any]]
) -> None:
    form = browser.get(address)
    change(grace, connection_type="POWERBI", connection_config=POWER_BI)
    other = "33333333-3333-4333-8333-333333333333"
    page = conflict(browser, form, address, **(POWER_BI_TYPED | {"POWERBI-dataset_id": other}))
    assert choices_on(page) == ["/connection"]

    browser.send(page, address, **{"choice-connection": "theirs"})

    assert stored()["connection_config"]["dataset_id"] == POWER_BI["dataset_id"]


def test_the_page_says_which_side_is_the_field_below_and_what_will_be_saved(
    browser: Browser, address: str, grace: Actor, change: Change
) -> None:
    form = browser.get(address)
    change(grace, description="Hers", system_instructions="Hers")

    page = conflict(browser, form, address, description="Mine", model_type="my-model")

    text = conflict_section(page).text
    assert "Yours (the field below)" in text
    assert "Changed by you only: will be saved" in text
    assert "Changed by others only: 1 field keeps its stored value" in text
