"""The pages of one agent: create, read, edit, disable, clone, delete, restore."""

import re
from uuid import UUID, uuid4

import pytest
from flask import Flask

from agents_app.operations import agent_reads, agents
from agents_app.operations.permissions import Actor
from agents_app.schemas.listing import parse
from tests.make import POWER_BI, make_agent, make_user
from tests.web.conftest import Browser, Page, SignIn, fields_of

API_KEY = "sk-canary-0123456789-tail"
PASSWORD = "canary-of-the-database"
NEW_DATABASE = {
    "name": "Sales",
    "connection_type": "DB",
    "DB-dialect": "postgresql",
    "DB-host": "db.example.org",
    "DB-database": "sales",
    "DB-username": "reader",
    "DB-password": PASSWORD,
    "api_key": API_KEY,
}
NEW_POWER_BI = {
    "name": "Retail",
    "connection_type": "POWERBI",
    **{f"POWERBI-{name}": value for name, value in POWER_BI.items()},
    "POWERBI-client_secret": "canary~of~power~bi",
    "POWERBI-allowed_tables": "Orders\n\n Customers \nOrders",
}


def read(console: Flask, actor: Actor, agent_id: UUID) -> dict[str, object]:
    with console.app_context():
        return agent_reads.read(actor, agent_id)


def id_in(location: str) -> UUID:
    return UUID(re.findall(r"[0-9a-f-]{36}", location)[0])


@pytest.mark.parametrize(
    ("changes", "input_id", "sentence"),
    [
        ({"name": ""}, "name", "Enter a name for the agent."),
        ({"name": "x" * 256}, "name", "Use at most 255 characters."),
        ({"DB-port": "0"}, "DB-port", "Port must be between 1 and 65,535."),
        ({"DB-port": "many"}, "DB-port", "Port must be a whole number."),
        ({"DB-host": "h1,h2"}, "DB-host", "Write one host name or IP address, such as db.example.org."),
        ({"DB-dialect": "oracle"}, "DB-dialect", "Choose one of: postgresql, mysql, mssql."),
        ({"DB-row_limit": "-1"}, "DB-row_limit", "Row limit must be between 1 and 1,000,000."),
        ({"DB-ssl_root_cert": "x"}, "DB-ssl_root_cert", None),
        ({"DB-password": "••••••••"}, "DB-password", None),
        (
            {"api_key": "{{7*7}} x"},
            "api_key",
            "Use printable ASCII characters without spaces. This has U+0020 (space) at character 8.",
        ),
    ],
)
def test_a_bad_value_is_refused_at_its_input_and_the_rest_is_kept(
    changes: dict[str, str], input_id: str, sentence: str | None, browser: Browser
) -> None:
    page = browser.send("/agents/new", status=422, **{**NEW_DATABASE, "description": "Kept", **changes})

    assert isinstance(page, Page)
    assert sentence in (None, page.error_at(input_id))
    assert page.root.one("a", href=f"#{input_id}")
    assert page.root.one(id="description").text == "Kept"
    assert page.root.one(id="DB-username")["value"] == "reader"
    asked = page.root.all("p", class_="hint", id="DB-password-hint") or page.error_at("DB-password")
    assert asked, "it must be said that the secret is not kept"
    for secret in (API_KEY, PASSWORD):
        assert secret not in page.html


def test_all_errors_are_shown_together_and_the_hidden_panel_is_ignored(browser: Browser) -> None:
    given = {**NEW_DATABASE, "name": "", "DB-host": "", "DB-port": "x", "POWERBI-tenant_id": "not/a/tenant"}

    page = browser.send("/agents/new", status=422, **given)

    assert isinstance(page, Page)
    assert [link["href"] for link in page.root.one(class_="problems").all("a")] == ["#name", "#DB-host", "#DB-port"]
    assert page.root.one(id="POWERBI-tenant_id")["value"] == "not/a/tenant"


def test_each_line_of_the_error_summary_names_its_input_in_the_order_of_the_page(browser: Browser) -> None:
    given = {**NEW_DATABASE, "name": "x" * 256, "api_key": "***", "DB-host": ""}

    page = browser.send("/agents/new", status=422, **given)

    assert isinstance(page, Page)
    name, host, key = [link.text for link in page.root.one(class_="problems").all("a")]
    assert name == f"Name: {page.error_at('name')}"
    assert key.startswith("API key: This is a hidden form")
    assert host == "Enter the host."


def test_an_unknown_connection_type_is_refused(browser: Browser) -> None:
    page = browser.send("/agents/new", status=422, **{**NEW_DATABASE, "connection_type": "ORACLE"})

    assert isinstance(page, Page)
    assert "Choose" in page.error_at("connection_type")


@pytest.mark.parametrize("text", ["https://u:geheim@a.example.org", "https://a.example.org/?key=geheim"])
def test_a_password_in_the_url_of_a_model_is_not_shown_again(text: str, browser: Browser) -> None:
    page = browser.send("/agents/new", status=422, **{**NEW_DATABASE, "model_base_url": text})

    assert isinstance(page, Page)
    assert page.error_at("model_base_url").startswith("Remove the")
    assert "geheim" not in page.html


def test_the_api_key_is_asked_for_again_at_its_input_if_the_provider_changes(
    console: Flask, admin: Actor, browser: Browser
) -> None:
    agent_id = make_agent(console, admin, api_key=API_KEY, model_provider="openai")

    page = browser.send(f"/agents/{agent_id}/edit", status=422, model_provider="anthropic")

    assert isinstance(page, Page)
    assert page.error_at("api_key").endswith(
        "so the stored API key is not used. Set it again, remove it, or undo that change."
    )


def test_labels_are_typed_one_per_line(console: Flask, admin: Actor, browser: Browser) -> None:
    agent_id = make_agent(console, admin, labels={"team": "finance"}, environment="staging")
    path = f"/agents/{agent_id}/edit"
    loaded = browser.get(path).root.one(id="labels").text

    refused = browser.send(path, status=422, labels="team=finance\nemea")
    named = browser.send(path, status=422, labels="team=finance\ncost center=7")
    browser.send(path, labels="\nteam = a=b\n region=emea ", environment="")

    assert isinstance(refused, Page)
    assert refused.error_at("labels") == "Write each label as name=value, such as team=finance."
    assert refused.root.one(id="labels").text == "team=finance emea"
    assert isinstance(named, Page)
    assert named.error_at("labels").startswith("cost center: The name of a label has at most 63 letters")
    assert loaded == "team=finance"
    stored = read(console, admin, agent_id)
    assert (stored["labels"], stored["environment"]) == ({"team": "a=b", "region": "emea"}, None)


@pytest.mark.parametrize("given", [NEW_DATABASE, NEW_POWER_BI], ids=["DB", "POWERBI"])
def test_what_is_typed_is_stored_and_saving_without_a_change_changes_nothing(
    given: dict[str, str], console: Flask, admin: Actor, browser: Browser
) -> None:
    answer = browser.send("/agents/new", **given)
    agent_id = id_in(answer.headers["Location"])
    stored = read(console, admin, agent_id)

    browser.send(f"/agents/{agent_id}/edit")

    assert read(console, admin, agent_id) == stored
    assert stored["version"] == 1
    assert stored["name"] == given["name"]
    if given is NEW_POWER_BI:
        assert stored["connection_config"]["allowed_tables"] == ["Orders", "Customers"]


def test_a_number_is_shown_with_its_unit(console: Flask, admin: Actor, browser: Browser) -> None:
    page = browser.get(f"/agents/{make_agent(console, admin)}")

    names, values = page.root.all("dt"), page.root.all("dd")
    facts = {name.text: value.text for name, value in zip(names, values, strict=True)}

    assert facts["Statement timeout"] == "30000 ms"
    assert facts["Connect timeout"] == "10 s"
    assert facts["Row limit"] == "1000"


@pytest.mark.parametrize("given", [NEW_DATABASE, NEW_POWER_BI], ids=["DB", "POWERBI"])
def test_no_page_contains_a_secret(given: dict[str, str], browser: Browser) -> None:
    agent_id = id_in(browser.send("/agents/new", **given).headers["Location"])

    browser.get("/agents")
    shown = browser.get(f"/agents/{agent_id}")
    browser.get(f"/agents/{agent_id}/disable")
    browser.get(f"/agents/{agent_id}/delete")
    browser.send(f"/agents/{agent_id}/edit", status=422, name="", **{"api_key-act": "replace", "api_key": API_KEY})

    for secret in (API_KEY, PASSWORD, "canary~of~power~bi"):
        assert secret not in browser.seen
    assert "Stored encrypted" in shown.text


def test_a_stored_secret_is_kept_replaced_or_removed(console: Flask, admin: Actor, browser: Browser) -> None:
    agent_id = id_in(browser.send("/agents/new", **NEW_DATABASE).headers["Location"])
    address = f"/agents/{agent_id}/edit"
    page = browser.get(address)
    assert page.root.one(id="api_key-keep")["checked"] is not None
    assert page.root.one(id="api_key")["value"] == ""
    assert page.root.one(id="api_key")["autocomplete"] == "new-password"
    assert "…tail" in page.text

    browser.send(address, **{"api_key-act": "keep", "api_key": "ignored-as-it-is-out-of-sight"})
    assert read(console, admin, agent_id)["version"] == 1

    browser.send(address, **{"api_key-act": "replace", "api_key": "sk-another-0123456789-new1"})
    stored = read(console, admin, agent_id)
    assert stored["version"] == 2
    assert stored["secrets_set"]["/api_key"]["last_four"] == "new1"

    browser.send(address, **{"api_key-act": "remove"})
    assert set(read(console, admin, agent_id)["secrets_set"]) == {"/connection_config/password"}


@pytest.mark.parametrize("blank", ["", "  "])
def test_replacing_a_secret_by_nothing_is_refused_with_all_other_errors(
    blank: str, console: Flask, admin: Actor, browser: Browser
) -> None:
    agent_id = id_in(browser.send("/agents/new", **NEW_DATABASE).headers["Location"])
    address = f"/agents/{agent_id}/edit"

    typed = {"name": "", "DB-password-act": "replace", "DB-password": blank}
    page = browser.send(address, status=422, **typed)

    assert isinstance(page, Page)
    assert page.error_at("DB-password") == "Type the new password, or keep the stored one."
    assert page.error_at("name") == "Enter a name for the agent."
    assert page.root.one(id="DB-password-replace").attributes["checked"] == ""
    browser.send(page, address, name="Sales", **{"DB-password-act": "keep"})
    assert read(console, admin, agent_id)["version"] == 1


def test_a_secret_that_is_not_stored_may_be_left_empty(console: Flask, admin: Actor, browser: Browser) -> None:
    agent_id = make_agent(console, admin)

    browser.send(f"/agents/{agent_id}/edit", description="New", api_key="", **{"DB-password": " "})

    assert read(console, admin, agent_id)["secrets_set"] == {}


def test_a_save_says_whether_anything_was_changed(console: Flask, admin: Actor, browser: Browser) -> None:
    agent_id = make_agent(console, admin)
    address = f"/agents/{agent_id}"

    def message_after(page: str, action: str = "", **typed: str) -> str:
        answer = browser.send(page, action, **typed)
        return browser.get(answer.headers["Location"]).root.one("div", class_="flash").one("p").text

    nothing = "Nothing was changed"
    assert message_after(f"{address}/edit") == f"{nothing}."
    assert message_after(f"{address}/edit", name=" Sales ", **{"DB-host": "DB.example.org"}) == f"{nothing}."
    assert message_after(f"{address}/edit", name="Other") == "Other was saved."
    assert message_after(f"{address}/disable", reason="Moving").startswith("The agent is disabled")
    disabled = browser.get(address)
    assert (
        message_after(f"{address}/disable", reason=" Moving ") == f"{nothing}: it is disabled already, for this reason."
    )
    replaced = "It was already disabled. The reason is now “Another”; before it was “Moving”."
    assert message_after(f"{address}/disable", reason=" Another ") == replaced
    for said in ("The agent is active: runtimes can fetch it.", f"{nothing}: it is active already."):
        browser.send(disabled, f"{address}/enable")
        assert browser.get(address).root.one("div", class_="flash").one("p").text == said
    assert read(console, admin, agent_id)["version"] == 5


def test_another_destination_asks_for_the_password_again(console: Flask, admin: Actor, browser: Browser) -> None:
    agent_id = id_in(browser.send("/agents/new", **NEW_DATABASE).headers["Location"])

    page = browser.send(f"/agents/{agent_id}/edit", status=422, **{"DB-host": "evil.example"})

    assert isinstance(page, Page)
    assert "Set it again, remove it, or undo that change." in page.error_at("DB-password")
    assert page.root.one(id="DB-password-replace").attributes["checked"] == ""
    for changes in ({"do": "save_and_test"}, {"DB-port": "0"}):
        again = browser.send(page, f"/agents/{agent_id}/edit", status=422, **changes)
        assert isinstance(again, Page)
        assert again.error_at("DB-password") == page.error_at("DB-password")
    typed = {"DB-host": "evil.example", "DB-password-act": "replace", "DB-password": "typed-again"}
    browser.send(f"/agents/{agent_id}/edit", **typed)
    assert read(console, admin, agent_id)["connection_config"]["host"] == "evil.example"


def test_the_form_of_another_connection_type_starts_empty(console: Flask, admin: Actor, browser: Browser) -> None:
    agent_id = id_in(browser.send("/agents/new", **NEW_DATABASE).headers["Location"])

    browser.send(f"/agents/{agent_id}/edit", **NEW_POWER_BI)

    stored = read(console, admin, agent_id)
    assert stored["connection_type"] == "POWERBI"
    assert set(stored["secrets_set"]) == {"/api_key", "/connection_config/client_secret"}


def test_a_form_without_its_version_is_refused(console: Flask, admin: Actor, browser: Browser) -> None:
    agent_id = make_agent(console, admin)

    for version in (None, "one"):
        browser.send(f"/agents/{agent_id}/edit", status=400, version=version)


def test_disabling_asks_for_the_reason(console: Flask, admin: Actor, browser: Browser) -> None:
    agent_id = make_agent(console, admin)

    page = browser.send(f"/agents/{agent_id}/disable", status=422, reason=" ")
    assert isinstance(page, Page)
    assert page.error_at("reason") == "Say why the agent is disabled."

    answer = browser.send(f"/agents/{agent_id}/disable", reason="Moved to the new warehouse")
    page = browser.get(answer.headers["Location"])
    assert "Disabled. Moved to the new warehouse" in page.text

    browser.send(page, f"/agents/{agent_id}/enable")
    assert read(console, admin, agent_id)["status"] == "active"


def test_a_reason_that_the_page_did_not_show_is_not_replaced(console: Flask, admin: Actor, browser: Browser) -> None:
    agent_id = make_agent(console, admin)
    address = f"/agents/{agent_id}/disable"
    form = browser.get(address)
    browser.send(form, reason="Broken", action=address)

    page = browser.send(form, address, status=409, reason="Other")

    assert isinstance(page, Page)
    assert "The agent was disabled or changed while this page was open." in page.text
    assert "The reason: “Broken”." in page.text
    assert page.root.one(id="reason")["value"] == "Other"
    assert read(console, admin, agent_id)["status_reason"] == "Broken"
    answer = browser.send(page, address)
    assert "before it was “Broken”" in browser.get(answer.headers["Location"]).text
    assert read(console, admin, agent_id)["status_reason"] == "Other"
    stale = browser.send(page, address, status=409, reason="Third")
    assert isinstance(stale, Page)
    assert "The reason: “Other”." in stale.text


def test_disabling_is_not_refused_because_something_else_changed(
    console: Flask, admin: Actor, browser: Browser
) -> None:
    agent_id = make_agent(console, admin)
    address = f"/agents/{agent_id}/disable"
    form = browser.get(address)
    with console.app_context():
        agents.update(admin, agent_id, {"name": "Other"})

    browser.send(form, address, reason="Moving")
    browser.send(form, address, reason="Moving")

    stored = read(console, admin, agent_id)
    assert (stored["name"], stored["status"], stored["version"]) == ("Other", "disabled", 3)


def test_the_page_of_a_disabled_agent_says_so_and_asks_for_another_reason(
    console: Flask, admin: Actor, browser: Browser
) -> None:
    agent_id = make_agent(console, admin)
    asked = browser.get(f"/agents/{agent_id}/disable").root.one("main").one(class_="confirm").text
    assert "Keep active Disable agent" in asked
    browser.send(f"/agents/{agent_id}/disable", reason="Moving")

    page = browser.get(f"/agents/{agent_id}/disable")

    assert page.root.one("h1").text == "“Sales” is disabled already"
    assert "The reason: “Moving”." in page.text
    assert "Keep the reason Change the reason" in page.root.one("main").one(class_="confirm").text
    assert "Keep active" not in page.text


def test_a_clone_has_the_secrets_and_its_own_name(console: Flask, admin: Actor, browser: Browser) -> None:
    agent_id = id_in(browser.send("/agents/new", **NEW_DATABASE).headers["Location"])

    answer = browser.send(f"/agents/{agent_id}", f"/agents/{agent_id}/clone")

    page = browser.get(answer.headers["Location"])
    assert page.root.one("h1").text == "Copy of Sales"
    assert "…tail" in page.text


def test_a_double_click_on_clone_creates_one_copy(console: Flask, admin: Actor, browser: Browser) -> None:
    agent_id = make_agent(console, admin)
    page = browser.get(f"/agents/{agent_id}")

    first, second = (browser.send(page, f"/agents/{agent_id}/clone") for _ in range(2))

    copy_address = first.headers["Location"]
    assert second.headers["Location"] == copy_address
    browser.send(f"/agents/{id_in(copy_address)}/edit", name="Other")
    again = browser.send(page, f"/agents/{agent_id}/clone")
    assert id_in(again.headers["Location"]) == agent_id
    assert "was changed or deleted since" in browser.get(again.headers["Location"]).text
    with console.app_context():
        assert len(agent_reads.listing(admin, parse({})).items) == 2


def test_undo_restores_a_deleted_agent(console: Flask, admin: Actor, browser: Browser) -> None:
    agent_id = id_in(browser.send("/agents/new", **NEW_DATABASE).headers["Location"])

    answer = browser.send(f"/agents/{agent_id}/delete?back=status%3Dactive")
    assert answer.headers["Location"] == "/agents?status=active"
    page = browser.get("/agents")
    assert "Sales was deleted." in page.text
    browser.get(f"/agents/{agent_id}", 404)

    answer = browser.send(page, f"/agents/{agent_id}/restore")
    assert answer.headers["Location"] == "/agents?status=active"
    assert set(read(console, admin, agent_id)["secrets_set"]) == {"/api_key", "/connection_config/password"}
    browser.post(f"/agents/{agent_id}/restore", {"csrf_token": browser.token()}, 303)
    assert "Sales is already restored. Nothing was changed." in browser.get("/agents").text


def test_editing_and_deleting_return_to_the_same_list(console: Flask, admin: Actor, browser: Browser) -> None:
    make_agent(console, admin, name="Sales one")
    make_agent(console, admin, name="Sales two")
    list_address = "/agents?q=sales&sort=name&limit=1"
    page = browser.get(list_address)
    links = {link.text: link["href"] for link in page.root.one("tbody").all("a")}

    for act in ("Edit", "Delete…"):
        assert browser.send(links[act]).headers["Location"] == list_address
    shown = browser.get(links["Sales one"].replace(links["Sales one"][8:44], str(make_agent(console, admin))))
    assert list_address in [link["href"] for link in shown.root.all("a")]


def test_the_back_parameter_never_leads_to_another_site(console: Flask, admin: Actor, browser: Browser) -> None:
    agent_id = make_agent(console, admin)

    answer = browser.send(f"/agents/{agent_id}/edit?back=//evil.com%3Fnext%3Dhttps://evil.com%26q%3Da", name="A")

    assert answer.headers["Location"] == "/agents?q=a"


def test_text_is_escaped(console: Flask, admin: Actor, browser: Browser) -> None:
    odd = "<script>alert('1')</script> & \"quotes\" %s {{ 7 * 7 }}"
    changes = {"description": odd, "system_instructions": f"\n{odd}", "model_type": odd}
    agent_id = make_agent(console, admin, name=odd, **changes)

    for address in ("/agents", f"/agents/{agent_id}", f"/agents/{agent_id}/edit", f"/agents/{agent_id}/delete"):
        page = browser.get(address)
        assert odd in page.text or odd[:40] in page.text
    browser.send(f"/agents/{agent_id}/edit")
    assert read(console, admin, agent_id)["version"] == 1


@pytest.mark.parametrize("act", ["", "/edit", "/disable", "/delete"])
def test_an_agent_of_another_account_is_not_found(act: str, console: Flask, browser: Browser) -> None:
    foreign = make_agent(console, make_user(console))

    pages = [browser.get(f"/agents/{agent_id}{act}", 404) for agent_id in (foreign, uuid4())]

    assert pages[0].text.partition("Status")[0] == pages[1].text.partition("Status")[0]


@pytest.mark.parametrize("act", ["edit", "disable", "delete", "clone", "enable", "restore"])
def test_another_accounts_agent_cannot_be_changed(act: str, console: Flask, browser: Browser) -> None:
    owner = make_user(console)
    foreign = make_agent(console, owner)

    browser.post(f"/agents/{foreign}/{act}", {"csrf_token": browser.token(), "version": "1", "reason": "x"}, 404)

    assert read(console, owner, foreign)["version"] == 1


@pytest.mark.parametrize("address", ["/agents/new", "/agents/{id}/edit", "/agents/{id}/disable", "/agents/{id}/delete"])
def test_a_viewer_sees_agents_without_actions(address: str, console: Flask, admin: Actor, signed_in: SignIn) -> None:
    agent_id = make_agent(console, admin)
    viewer = signed_in(make_user(console, "viewer", admin.account_id))

    page = viewer.get(address.format(id=agent_id), 403)
    assert "can do this" in page.text

    for shown in (viewer.get("/agents"), viewer.get(f"/agents/{agent_id}")):
        assert "Sales" in shown.text
        actions = [form["action"] for form in shown.root.all("form")]
        assert set(actions) <= {"/agents", "/theme", "/sign-out"}
        addresses = [link["href"] for link in shown.root.all("a")]
        assert not [found for found in addresses if re.search(r"/new|/edit|/disable|/delete\b|/tokens", found)]
    for act in ("clone", "enable", "restore", "edit", "disable", "delete"):
        viewer.post(f"/agents/{agent_id}/{act}", {"csrf_token": viewer.token(), "version": "1", "reason": "x"}, 403)


def test_an_editor_may_do_everything_except_delete(console: Flask, admin: Actor, signed_in: SignIn) -> None:
    agent_id = make_agent(console, admin)
    editor = signed_in(make_user(console, "editor", admin.account_id))

    page = editor.get(f"/agents/{agent_id}")

    assert page.root.all("form", action=f"/agents/{agent_id}/clone")
    assert not page.root.all("a", href=f"/agents/{agent_id}/delete")
    editor.get(f"/agents/{agent_id}/delete", 403)


def test_every_field_of_both_types_is_on_the_form(browser: Browser) -> None:
    page = browser.get("/agents/new")

    names = set(fields_of(page.form("/agents/new"))) | {box["name"] for box in page.root.all("input", type="checkbox")}
    for kind, some in (("DB", ("sslmode", "schema_allow_list", "read_only")), ("POWERBI", ("cloud", "timeout_s"))):
        assert {f"{kind}-{name}" for name in some} <= names
    assert page.root.one(id="DB-read_only").attributes["checked"] == ""
    assert page.root.one(id="DB-row_limit")["value"] == "1000"
