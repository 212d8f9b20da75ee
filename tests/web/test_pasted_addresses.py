"""A whole address that is pasted into an agent's form is split into its inputs and shown before it is saved."""

from typing import Any

import pytest
from flask import Flask

from agents_app.db import db
from agents_app.models import Agent
from agents_app.operations import agent_reads
from agents_app.operations.permissions import Actor
from agents_app.schemas import listing
from agents_app.values import address_rules
from agents_app.web import unsaved_form
from tests.make import make_agent
from tests.security.conftest import Caller
from tests.web.conftest import Page, fields_of
from tests.web.test_nothing_typed_is_lost import end_sessions
from tests.web.test_session_ended import browser_of

SECRET = "geheim-7"
NEW = {"name": "Sales", "connection_type": "DB", "DB-dialect": "postgresql", "DB-sslmode": "require"}
LEFT = {"DB-row_limit": "1000", "DB-statement_timeout_ms": "30000", "DB-connect_timeout_s": "10"}
URL = f"postgresql://reader:{SECRET}@db.example.org:5433/sales?sslmode=verify-full&application_name=x"
UNREAD = [f"postgres://u:{SECRET}@h,h2/db", f"redis://:{SECRET}@h:6379/0", f"Password={SECRET}"]
ADDRESSES: dict[str, tuple[str, dict[str, str]]] = {
    "a URL": (
        URL,
        {"host": "db.example.org", "port": "5433", "database": "sales", "username": "reader", "sslmode": "verify-full"},
    ),
    "a URL with signs in its password": (
        f"mysql://reader:{SECRET}/@%40@db.example.org/sales",
        {"dialect": "mysql", "host": "db.example.org", "database": "sales", "username": "reader"},
    ),
    "a setting": (
        f"DATABASE_URL='postgres://reader:{SECRET}@h.example.org/d'",
        {"host": "h.example.org", "database": "d"},
    ),
    "JDBC": (
        f"jdbc:sqlserver://h.example.org:1433;databaseName=d;user=u;password={SECRET};encrypt=true",
        {"dialect": "mssql", "host": "h.example.org", "port": "1433", "database": "d", "sslmode": "verify-full"},
    ),
    "ADO": (
        f"Server=tcp:h.example.org,1433;Database=d;User Id=u;Password='{SECRET};x';Encrypt=True;"
        + "TrustServerCertificate=True",
        {"dialect": "mssql", "host": "h.example.org", "port": "1433", "username": "u", "sslmode": "require"},
    ),
    "ODBC": (
        f"Driver={{ODBC Driver 18 for SQL Server}};Server=h.example.org;Uid=u;Pwd={{{SECRET};}};",
        {"dialect": "mssql", "host": "h.example.org", "username": "u"},
    ),
    "libpq": (
        f"host=h.example.org port=5433 dbname=d user=u password='{SECRET} x'",
        {"host": "h.example.org", "port": "5433", "database": "d", "username": "u"},
    ),
    "a port behind": ("db.example.org:5433", {"host": "db.example.org", "port": "5433"}),
    "a port behind IPv6": ("[::1]:5433", {"host": "::1", "port": "5433"}),
    "as SQL Server has it": ("tcp:h.example.org,1433", {"dialect": "mssql", "host": "h.example.org", "port": "1433"}),
    "an instance": ("h.example.org\\SQLEXPRESS", {"dialect": "mssql", "host": "h.example.org"}),
    "an address bar": ("https://h.example.org/admin?x=1", {"host": "h.example.org"}),
}


def sent(caller: Caller, **inputs: str) -> Page:
    """The page after a form is sent and not saved."""
    answer = caller.ask("POST", "/agents/new", {**NEW, **LEFT, **inputs})
    assert answer.status_code == 422
    return Page(answer)


def value(page: Page, name: str) -> Any:
    """The value of an input of the page."""
    tag = page.root.one(id=f"DB-{name}")
    return (
        next(one["value"] for one in tag.all("option") if "selected" in one.attributes)
        if tag.tag == "select"
        else tag["value"]
    )


@pytest.mark.parametrize(("text", "parts"), ADDRESSES.values(), ids=ADDRESSES)
def test_an_address_is_split_into_its_inputs_and_nothing_is_saved(
    console: Flask, admin: Actor, text: str, parts: dict[str, str]
) -> None:
    page = sent(Caller(console, admin), **{"DB-host": text})

    notice = page.root.one(id="split-addresses").text
    assert {name: value(page, name) for name in parts} == parts
    assert "Not saved yet." in notice
    assert "The address was split into its fields: " in notice
    assert SECRET not in page.html
    assert ("Type again: Password." in notice) is (SECRET in text)
    with console.app_context():
        assert agent_reads.listing(admin, listing.parse({})).items == []


@pytest.mark.parametrize("text", [URL, f"host=db.example.org user=reader password={SECRET}"])
def test_an_address_in_the_user_name_is_split_too(console: Flask, admin: Actor, text: str) -> None:
    page = sent(Caller(console, admin), **{"DB-username": text})

    assert (value(page, "host"), value(page, "username")) == ("db.example.org", "reader")
    assert SECRET not in page.html


def test_an_address_in_the_impersonated_user_name_is_refused_and_not_shown(console: Flask, admin: Actor) -> None:
    page = sent(Caller(console, admin), connection_type="POWERBI", **{"POWERBI-impersonated_user_name": URL})

    assert page.error_at("POWERBI-impersonated_user_name").startswith("This looks like an address.")
    assert SECRET not in page.html


def test_replaced_values_are_named_and_sending_again_saves(console: Flask, admin: Actor) -> None:
    caller = Caller(console, admin)

    page = sent(caller, **{"DB-host": URL.replace("postgresql", "mysql"), "DB-port": "5432"})
    shown = {f"DB-{name}": value(page, name) for name in ("dialect", "host", "port", "database", "username", "sslmode")}
    saved = caller.ask("POST", "/agents/new", {**NEW, **LEFT, **shown, "DB-password": SECRET})

    notice = page.root.one(id="split-addresses").text
    assert "Database type MySQL or MariaDB (it was PostgreSQL); Host db.example.org; Port 5433 (it was 5432)" in notice
    assert "TLS mode verify-full (it was require)" in notice
    assert "Other parts of the address have no field here" in notice
    assert saved.status_code == 303


def test_every_secret_that_a_split_cleared_is_named_and_asked_for_once(console: Flask, admin: Actor) -> None:
    workspace = "https://app.powerbi.com/groups/0c0ffee0-1111-4222-8333-444455556666"
    for kind, name, secret, label in (
        ("DB", "host", "password", "Password"),
        ("POWERBI", "workspace_id", "client_secret", "Client secret"),
    ):
        browser = browser_of(admin, console)
        typed = {"name": "Sales", "connection_type": kind, "api_key": SECRET, f"{kind}-{secret}": SECRET}

        page = browser.send(
            "/agents/new", status=422, **typed, **{f"{kind}-{name}": URL if kind == "DB" else workspace}
        )
        assert isinstance(page, Page)
        refused = browser.send(page, "/agents/new", status=422)

        assert isinstance(refused, Page)
        assert f"Type again: {label}, API key." in page.root.one(id="split-addresses").text
        assert refused.error_at("api_key").startswith("Type the API key again, or leave it empty")
        assert refused.error_at(f"{kind}-{secret}").startswith(f"Type the {label.lower()} again, or leave it empty")
        assert SECRET not in browser.seen


def test_the_password_of_an_unreadable_address_is_not_shown(console: Flask, admin: Actor) -> None:
    for text in (f"postgresql://u:{SECRET}@a.example.org,b.example.org/d", f"Server=a b;Password={SECRET};c"):
        page = sent(Caller(console, admin), **{"DB-host": text})

        assert SECRET not in page.html
        assert page.root.one(id="DB-host-error")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (f"postgres://u:{SECRET}@h,h2/db", address_rules.UNREAD),
        (f"redis://:{SECRET}@h:6379/0", address_rules.UNREAD),
        (f"Password={SECRET}", address_rules.A_PASSWORD),
    ],
)
@pytest.mark.parametrize("name", ["host", "database"])
def test_an_unreadable_address_is_refused_and_no_part_of_it_is_saved(
    console: Flask, admin: Actor, name: str, text: str, sentence: str
) -> None:
    rest = {"DB-host": "h.example.org", "DB-database": "d", "DB-username": "u", "DB-password": "typed-0123456789"}
    caller = Caller(console, admin)

    page = sent(caller, **{**rest, f"DB-{name}": text})
    again = sent(caller, **{**rest, f"DB-{name}": value(page, name)})

    for shown in (page, again):
        assert sentence in shown.root.one(id=f"DB-{name}-error").text
        assert SECRET not in shown.html
    with console.app_context():
        assert agent_reads.listing(admin, listing.parse({})).items == []


def test_a_replaced_address_is_named_without_its_password(console: Flask, admin: Actor) -> None:
    page = sent(Caller(console, admin), **{"DB-host": URL, "DB-database": f"postgres://u:{SECRET}@h,h2/db"})

    assert SECRET not in page.html


@pytest.mark.parametrize("stored", ["sales:2024@eu", f"postgres://u:{SECRET}@h,h2/db", "host=h.example.org dbname=d"])
def test_a_stored_value_is_not_split(console: Flask, admin: Actor, stored: str) -> None:
    agent_id = make_agent(console, admin)
    with console.app_context(), db.transaction() as session:
        agent = session.get(Agent, agent_id)
        assert agent
        agent.connection_config = {**agent.connection_config, "database": stored}
    caller = Caller(console, admin)
    form = fields_of(Page(caller.ask("GET", f"/agents/{agent_id}/edit")).form(f"/agents/{agent_id}/edit"))

    answer = caller.ask("POST", f"/agents/{agent_id}/edit", {**form, "name": "Renamed"})

    assert answer.status_code == 303
    with console.app_context():
        found = agent_reads.read(admin, agent_id)
    assert (found["name"], found["connection_config"]["database"]) == ("Renamed", stored)


def test_an_instance_needs_its_port(console: Flask, admin: Actor) -> None:
    page = sent(Caller(console, admin), **{"DB-host": "h.example.org\\SQLEXPRESS"})

    sentence = "There is no field for the instance SQLEXPRESS. Enter its port in the field Port."
    assert sentence in page.root.one(id="split-addresses").text


def test_an_address_of_a_dataset_fills_the_ids(console: Flask, admin: Actor) -> None:
    workspace, dataset = "0c0ffee0-1111-4222-8333-444455556666", "0da7a5e7-1111-4222-8333-444455556666"
    address = f"https://app.powerbi.com/groups/{workspace}/datasets/{dataset}/details"

    page = sent(Caller(console, admin), connection_type="POWERBI", **{"POWERBI-dataset_id": address})

    found = [page.root.one(id=f"POWERBI-{name}")["value"] for name in ("workspace_id", "dataset_id")]
    assert found == [workspace, dataset]


def test_an_address_of_a_dataset_chooses_the_cloud(console: Flask, admin: Actor) -> None:
    address = "https://app.high.powerbigov.us/groups/0c0ffee0-1111-4222-8333-444455556666"

    page = sent(Caller(console, admin), connection_type="POWERBI", **{"POWERBI-workspace_id": address})

    chosen = [option["value"] for option in page.root.all("option") if "selected" in option.attributes]
    assert "usgovhigh" in chosen


def test_an_address_is_split_in_the_form_of_a_stored_agent_too(console: Flask, admin: Actor) -> None:
    agent_id = make_agent(console, admin, connection_config={"password": "stored-0123456789"})
    caller = Caller(console, admin)
    form = {**NEW, **LEFT, "version": "1", "DB-host": URL, "DB-database": "sales", "DB-username": "reader"}

    answer = caller.ask("POST", f"/agents/{agent_id}/edit", {**form, "DB-password-act": "keep"})

    page = Page(answer)
    assert answer.status_code == 422
    assert (value(page, "host"), value(page, "port")) == ("db.example.org", "5433")
    assert "checked" in page.root.one(id="DB-password-replace").attributes
    assert SECRET not in page.html
    with console.app_context():
        assert agent_reads.read(admin, agent_id)["version"] == 1


def test_no_password_of_an_address_is_kept_when_the_session_ended(console: Flask, admin: Actor) -> None:
    for text in (URL, f"Server=a b;Password={SECRET};c", f"u/{SECRET}@h:1", f"psql postgresql://u%3A{SECRET}@h,i"):
        browser = browser_of(admin, console)
        values = fields_of(browser.get("/agents/new").form("/agents/new"))
        values["DB-host"] = text
        end_sessions(console, admin)

        refused = browser.post("/agents/new", values, status=401)

        assert isinstance(refused, Page)
        with console.app_context():
            unsaved = unsaved_form.UnsavedForm.read(refused.root.one("input", name="kept")["value"])
        assert unsaved
        assert SECRET not in str(unsaved)
        assert ("DB-password-typed", "y") in [(name, value) for name, value in unsaved.values]
