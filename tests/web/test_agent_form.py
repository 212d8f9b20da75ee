"""The form of an agent: the order of its inputs, and which of its groups are open."""

import pytest
from flask import Flask

from agents_app.operations.permissions import Actor
from tests.make import make_agent
from tests.web.conftest import Browser, Element, Page

ABOUT, TLS, LIMITS = "Description and instructions", "TLS", "Limits and allowed tables"


def group(page: Page, heading: str) -> Element:
    places = page.root.one(id="panel-DB").all("details") + page.root.one(aria_labelledby="optional").all("details")
    return next(found for found in places if found.one("summary").text == heading)


def is_open(page: Page, heading: str) -> bool:
    return "open" in group(page, heading).attributes


@pytest.mark.parametrize(
    ("changes", "heading"),
    [({"DB-row_limit": "-1"}, LIMITS), ({"description": "x" * 2_001}, ABOUT), ({"DB-ssl_root_cert": "x"}, TLS)],
)
def test_a_group_with_an_error_is_open(changes: dict[str, str], heading: str, browser: Browser) -> None:
    page = browser.send("/agents/new", status=422, **changes)

    assert isinstance(page, Page)
    assert [name for name in (ABOUT, TLS, LIMITS) if is_open(page, name)] == [heading]


def test_a_group_that_keeps_what_was_typed_in_a_refused_form_is_open(browser: Browser) -> None:
    page = browser.send("/agents/new", status=422, name="", system_instructions="Be brief.")

    assert isinstance(page, Page)
    assert is_open(page, ABOUT)


def test_the_groups_of_a_new_agent_are_collapsed(browser: Browser) -> None:
    page = browser.get("/agents/new")

    assert [found for found in page.root.all("details", class_="group") if "open" in found.attributes] == []


def test_a_group_of_a_stored_agent_is_open_where_a_value_is_not_the_default(
    console: Flask, admin: Actor, browser: Browser
) -> None:
    plain = make_agent(console, admin)
    config = {"read_only": False, "sslmode": "verify-full"}
    special = make_agent(console, admin, description="Orders", connection_config=config)

    default, changed = browser.get(f"/agents/{plain}/edit"), browser.get(f"/agents/{special}/edit")

    assert [is_open(default, name) for name in (ABOUT, TLS, LIMITS)] == [False, False, False]
    assert [is_open(changed, name) for name in (ABOUT, TLS, LIMITS)] == [True, True, True]


def test_a_group_of_a_stored_agent_is_open_where_another_person_changed_the_same_field(
    console: Flask, admin: Actor, browser: Browser
) -> None:
    agent_id = make_agent(console, admin, description="Orders")
    form = browser.get(f"/agents/{agent_id}/edit")
    browser.send(f"/agents/{agent_id}/edit", description="Hers")

    page = browser.send(form, f"/agents/{agent_id}/edit", status=412, description="")

    assert isinstance(page, Page)
    assert is_open(page, ABOUT)


def test_the_form_asks_for_type_name_connection_and_model_before_anything_optional(browser: Browser) -> None:
    page = browser.get("/agents/new")
    names = list(dict.fromkeys(found["name"] for found in page.form("/agents/new").all() if found["name"]))
    of_connection = ["DB-dialect", "DB-host", "DB-port", "DB-database", "DB-username", "DB-password"]
    places = [names.index(name) for name in ("connection_type", "name", *of_connection, "model_type", "api_key")]

    assert places == sorted(places)
    assert [
        found["name"] for found in page.root.one(id="panel-DB").all() if found["name"] and not found.inside("details")
    ] == (of_connection)
    assert names.index("api_key") < names.index("description") < names.index("system_instructions")
