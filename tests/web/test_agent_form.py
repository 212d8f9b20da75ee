"""The form of an agent: the order of its inputs, and which of its groups are open."""

import pytest
from flask import Flask

from agents_app.operations import agent_reads
from agents_app.operations.permissions import Actor
from agents_app.schemas.listing import parse
from tests.make import POWER_BI, make_agent
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


def test_values_of_a_way_to_sign_in_that_was_not_chosen_are_ignored(
    console: Flask, admin: Actor, browser: Browser
) -> None:
    values = {"connection_type": "POWERBI", "name": "Retail", "POWERBI-private_key_pem": "no key"}
    values |= {f"POWERBI-{name}": value for name, value in POWER_BI.items()}

    browser.send("/agents/new", **values, **{"POWERBI-client_secret": "value~of~the~secret"})

    with console.app_context():
        [agent] = agent_reads.listing(admin, parse({})).items
        assert list(agent_reads.read(admin, agent["id"])["secrets_set"]) == ["/connection_config/client_secret"]


def test_a_stored_secret_of_another_way_to_sign_in_stays_on_the_form_and_can_be_removed(
    console: Flask, admin: Actor, browser: Browser
) -> None:
    config = {"auth_method": "certificate", "client_secret": "value~of~the~secret"}
    agent_id = make_agent(console, admin, connection_type="POWERBI", connection_config=config)
    page = browser.get(f"/agents/{agent_id}/edit")

    stored = page.root.one(id="POWERBI-client_secret").parent
    while stored is not None and stored.tag != "fieldset":
        stored = stored.parent
    assert stored is not None
    assert "for-option" not in stored["class"]
    assert "Not used with another choice of “Sign in with”." in stored.text
    browser.send(f"/agents/{agent_id}/edit", **{"POWERBI-client_secret-act": "remove"})
    with console.app_context():
        assert not agent_reads.read(admin, agent_id)["secrets_set"]


def test_a_day_is_typed_in_a_date_input_unless_it_is_not_a_day(browser: Browser) -> None:
    page = browser.get("/agents/new")
    days = ("api_key_expires_at", "DB-credential_expires_at", "POWERBI-credential_expires_at")
    assert [page.root.one(id=name)["type"] for name in days] == ["date"] * 3

    refused = browser.send("/agents/new", status=422, api_key_expires_at="in spring")

    assert isinstance(refused, Page)
    assert refused.root.one(id="api_key_expires_at")["type"] == "text"
    assert refused.root.one(id="api_key_expires_at")["value"] == "in spring"


@pytest.mark.parametrize(("dialect", "port"), [("postgresql", 5432), ("mysql", 3306), ("mssql", 1433)])
def test_an_empty_port_is_the_default_of_the_database_type_which_the_hint_names(
    dialect: str, port: int, console: Flask, admin: Actor, browser: Browser
) -> None:
    page = browser.get("/agents/new")
    values = {"name": "Sales", "DB-host": "db.example.org", "DB-database": "sales", "DB-username": "reader"}

    browser.send("/agents/new", **values, **{"DB-dialect": dialect, "DB-port": ""})

    assert f"{port} for " in page.root.one(id="DB-port-hint").text
    with console.app_context():
        [agent] = agent_reads.listing(admin, parse({})).items
        assert agent_reads.read(admin, agent["id"])["connection_config"]["port"] == port
