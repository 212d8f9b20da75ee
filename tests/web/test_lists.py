"""The list of agents. Its filters, order and page are in its URL."""

import pytest
from flask import Flask

from agents_app.operations import agent_list_statements, agent_reads, agents, filter_choices
from agents_app.operations.permissions import Actor
from tests.make import make_agent, make_user
from tests.web.conftest import Browser, Page, SignIn

# What only programs write.
MACHINE_WORDS = {"-updated_at", "updated_at", "true", "false", "DB", "POWERBI", "active", "cursor", "cursor."}
WEIGHT_MAX = 60_000
# The filters that offer the values in use.
USED = ("model_type", "owner")


def names(page: Page) -> list[str]:
    return [row.all("a")[0].text for row in page.root.one("tbody").all("tr")]


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("status=asleep", 422),
        ("sort=size", 422),
        ("limit=0", 422),
        ("limit=many", 422),
        ("connection_type=CSV", 422),
        ("cursor=zzz", 400),
        ("before=%00", 422),
        ("needs_attention=maybe", 422),
        ("created_by=me", 422),
        ("q=" + "x" * 201, 422),
    ],
)
def test_a_refused_url_shows_why_and_links_to_all_agents(query: str, status: int, browser: Browser) -> None:
    page = browser.get(f"/agents?{query}", status)

    assert "This list cannot be shown" in page.text
    assert page.root.one("main").one("a", href="/agents").text == "Show all agents"
    assert "Limit: Limit" not in page.text
    assert not MACHINE_WORDS & set(page.root.one("main").text.replace(",", " ").split())


def test_unknown_parameters_of_the_url_are_ignored(console: Flask, admin: Actor, browser: Browser) -> None:
    make_agent(console, admin, name="Sales")

    assert names(browser.get("/agents?utm_source=mail")) == ["Sales"]


@pytest.mark.parametrize(
    ("given", "clean"),
    [
        ("/agents?owner=&label=&q=", "/agents"),
        ("/agents?q=a+%26+b&owner=&status=active&owner=%20", "/agents?q=a+%26+b&status=active"),
        ("/activity?door=&since=", "/activity"),
    ],
)
def test_what_a_form_sends_empty_leaves_the_address(given: str, clean: str, browser: Browser) -> None:
    answer = browser.client.get(given)

    assert (answer.status_code, answer.headers["Location"]) == (303, clean)


def test_a_redirect_is_never_longer_than_the_headers_that_proxies_accept(browser: Browser) -> None:
    for path in ("/agents", "/activity"):
        long = browser.client.get(f"{path}?q={'%E6%BC%A2' * 200}&since=&owner=", environ_base=browser.environ)
        assert (long.status_code, "Location" in long.headers) == (200, False)


def test_the_page_of_a_list_weighs_little_with_every_badge(console: Flask, admin: Actor, browser: Browser) -> None:
    facts = {"owner": "Finance analytics", "environment": "production", "model_provider": "azure_openai"}
    days = {"api_key_expires_at": "2020-01-01", "connection_config": {"credential_expires_at": "2020-01-02"}}
    facts |= {"model_base_url": "https://contoso.openai.example", "model_type": "claude-sonnet-4-5", **days}
    for number in range(21):
        make_agent(
            console, admin, name=f"Sales figures of region {number}", description="What was sold. " * 20, **facts
        )

    page = browser.get("/agents?q=sales&environment=production&sort=name")

    badges = page.root.one("tbody").all("td", class_="c-status")[0].text
    assert badges == "Active Incomplete API key: Expired"
    assert len(page.html.encode()) <= WEIGHT_MAX


def test_chips_show_names_and_never_ids(console: Flask, admin: Actor, browser: Browser) -> None:
    editor = make_user(console, "editor", admin.account_id, name="Grace Hopper")
    outsider = make_user(console, name="Mallory")
    make_agent(console, admin)
    addresses = [f"/agents?created_by={user_id}" for user_id in (admin.user_id, editor.user_id, outsider.user_id)]

    chips = [browser.get(address).root.one("a", class_="chip").text for address in addresses]

    people = [chip.removeprefix("Remove the filter: Created by ") for chip in chips]
    assert people == [admin.name, "Grace Hopper", "someone who is no longer here"]
    chip = browser.get("/agents?needs_attention=false").root.one("a", class_="chip")
    assert (chip.text, chip["href"]) == ("Remove the filter: Needs attention is No", "/agents")


def test_the_filters_offer_the_models_and_owners_of_the_whole_account_with_their_numbers(
    console: Flask, admin: Actor, browser: Browser
) -> None:
    make_agent(console, make_user(console), model_type="foreign")
    for model, owner in (("gpt-5", "Sales"), ("mistral-large", None), ("gpt-5", "Finance")):
        make_agent(console, admin, model_type=model, owner=owner)

    page = browser.get("/agents?limit=1&model_type=gone")

    offered = [[option.text for option in page.root.one("select", id=name).all("option")] for name in USED]
    assert offered == [["Any", "gpt-5 (2)", "mistral-large (1)", "gone (0)"], ["Any", "Finance (1)", "Sales (1)"]]


def test_many_models_are_suggestions_of_a_field_that_takes_others_too(
    console: Flask, admin: Actor, monkeypatch: pytest.MonkeyPatch, browser: Browser
) -> None:
    monkeypatch.setattr(filter_choices, "OFFERED", 1)
    for model in ("gpt-5", "gpt-5", "mistral-large"):
        make_agent(console, admin, model_type=model)

    page = browser.get("/agents?model_type=mistral-large")

    field = page.root.one("input", id="model_type")
    suggested = page.root.one("datalist", id=field["list"]).all("option")
    assert [(option["value"], option.text) for option in suggested] == [("gpt-5", "2")]
    assert field["value"] == "mistral-large"


def test_an_account_sees_only_its_own_agents(console: Flask, browser: Browser) -> None:
    make_agent(console, make_user(console), name="Foreign")

    page = browser.get("/agents?q=foreign")

    assert "Create your first agent" in page.text


def test_an_empty_tab_does_not_say_that_the_search_found_nothing(
    console: Flask, admin: Actor, browser: Browser
) -> None:
    make_agent(console, admin)

    page = browser.get("/agents?status=disabled")

    assert "No agent is disabled" in page.text
    assert "Every word" not in page.text


def test_the_tab_of_agents_that_need_attention_says_why_and_the_others_can_be_listed_too(
    console: Flask, admin: Actor, browser: Browser
) -> None:
    make_agent(console, admin, name="Fine", connection_config={"password": "a password"})
    assert "No agent needs attention" in browser.get("/agents?needs_attention=true").text
    make_agent(console, admin, name="Incomplete")

    page, others = (browser.get(f"/agents?needs_attention={value}") for value in ("true", "false"))

    assert (names(page), names(others)) == (["Incomplete"], ["Fine"])
    rows = browser.get("/agents?sort=name").root.all("td", class_="c-status")
    assert [row.text for row in rows] == ["Active", "Active Incomplete"]
    assert "Incomplete: enter the password." in page.root.one("tbody").text
    assert "Incomplete: enter the password." not in others.text


def test_an_empty_list_offers_a_new_agent_to_those_who_may_create_one(
    console: Flask, admin: Actor, signed_in: SignIn
) -> None:
    page = signed_in(admin).get("/agents")
    assert "Create your first agent" in page.text
    assert page.root.all("a", href="/agents/new")

    page = signed_in(make_user(console, "viewer", admin.account_id)).get("/agents")
    assert "No agents yet" in page.text
    assert not page.root.all("a", href="/agents/new")


def test_search_filters_and_tabs_narrow_the_list(console: Flask, admin: Actor, browser: Browser) -> None:
    make_agent(console, admin, name="Sales", model_type="gpt-5")
    make_agent(console, admin, name="Retail", connection_type="POWERBI", model_type="gpt-5-mini")
    off = make_agent(console, admin, name="Old sales")
    with console.app_context():
        agents.disable(admin, off, {"reason": "Old"})

    assert names(browser.get("/agents?q=SALES&sort=name")) == ["Old sales", "Sales"]
    assert names(browser.get("/agents?status=disabled")) == ["Old sales"]
    assert names(browser.get("/agents?connection_type=POWERBI")) == ["Retail"]
    assert names(browser.get("/agents?model_type=gpt-5")) == ["Sales"]
    page = browser.get("/agents?q=nothing+like+it")
    assert "No agent matches" in page.text
    tabs = page.root.one("nav", class_="tabs")
    assert tabs.text == "All 3 Active 2 Disabled 1 Needs attention 3 Deleted"
    assert tabs.all("a")[1]["href"] == "/agents?q=nothing+like+it&status=active"


def test_a_chip_removes_its_filter_and_clear_all_removes_all(console: Flask, admin: Actor, browser: Browser) -> None:
    make_agent(console, admin, model_type="gpt-5")

    page = browser.get("/agents?q=sales&status=active&model_type=gpt-5&connection_type=DB")

    chips = page.root.one("ul", class_="chips").all("a")
    assert [chip["href"] for chip in chips] == [
        "/agents?status=active&connection_type=DB&model_type=gpt-5",
        "/agents?q=sales&status=active&model_type=gpt-5",
        "/agents?q=sales&status=active&connection_type=DB",
        "/agents?status=active",
    ]


def test_agents_are_filtered_by_their_facts_with_a_chip_for_each(
    console: Flask, admin: Actor, browser: Browser
) -> None:
    make_agent(console, admin, name="Other")
    facts = {"owner": "Finance", "environment": "production", "model_provider": "openai", "labels": {"team": "core"}}
    make_agent(console, admin, external_id="ERP-7", **facts)
    filters = "environment=production&owner=Finance&label=team%3Acore&external_id=ERP-7&model_provider=openai"

    page = browser.get(f"/agents?{filters}")

    assert names(page) == ["Sales"]
    assert page.root.one(class_="belongs").text == "ProductionOwner: Finance"
    chips = page.root.one("ul", class_="chips").all("a", class_="chip")
    assert [chip.text.removeprefix("Remove the filter: ") for chip in chips] == [
        *("Environment is Production", "Owner is Finance", "Label is team:core", "Model provider is OpenAI"),
        "External ID is ERP-7",
    ]
    assert chips[2]["href"] == "/agents?environment=production&owner=Finance&model_provider=openai&external_id=ERP-7"
    assert page.root.one("input", id="external_id")["value"] == "ERP-7"


def test_a_label_of_an_agent_links_to_the_agents_that_have_it(console: Flask, admin: Actor, browser: Browser) -> None:
    agent_id = make_agent(console, admin, labels={"team": "R&D: core"})
    make_agent(console, admin, name="Other")

    link = browser.get(f"/agents/{agent_id}").root.one("a", class_="fact-chip")

    assert link.text == "team=R&D: core"
    assert names(browser.get(link["href"])) == ["Sales"]


def test_only_the_sorted_column_shows_its_order_and_reverses_it(console: Flask, admin: Actor, browser: Browser) -> None:
    for name in ("Beta", "alpha", "Gamma"):
        make_agent(console, admin, name=name)

    page = browser.get("/agents?sort=name&q=a")

    assert names(page) == ["alpha", "Beta", "Gamma"]
    sorted_column = page.root.one("th", aria_sort="ascending")
    assert len([cell for cell in page.root.all("th") if cell["aria-sort"]]) == 1
    assert sorted_column.one("a")["href"] == "/agents?q=a&sort=-name"
    assert page.root.one("caption").text == "Agents, by name"
    assert names(browser.get("/agents?q=a&sort=-name")) == ["Gamma", "Beta", "alpha"]


@pytest.mark.parametrize("sort", ["name", "-updated_at"])
def test_next_and_previous_lead_through_the_whole_list_and_back(
    sort: str, console: Flask, admin: Actor, browser: Browser
) -> None:
    for number in range(5):
        make_agent(console, admin, name=f"Agent {number}")

    page = browser.get(f"/agents?limit=2&sort={sort}&q=agent")
    forth = [names(page)]
    while links := page.root.all("a", rel="next"):
        page = browser.get(links[0]["href"])
        forth.append(names(page))
    back = [names(page)]
    while links := page.root.all("a", rel="prev"):
        page = browser.get(links[0]["href"])
        back.append(names(page))

    assert [len(part) for part in forth] == [2, 2, 1]
    assert back == forth[::-1]
    assert pager(page) == "1-2 of 5 agents that match"


def pager(page: Page) -> str:
    """Where the pager says that the page is, with a hyphen in place of the dash."""
    return page.root.one("nav", class_="pager").one("p").text.replace("\N{EN DASH}", "-")


def linked(browser: Browser, page: Page, text: str) -> Page:
    """The page of this link of the pager."""
    links = page.root.one("nav", class_="pager").all("a")
    return browser.get(next(link["href"] for link in links if link.text == text))


@pytest.mark.parametrize("sort", ["name", "-name"])
def test_the_pager_says_where_one_is_and_leads_to_the_ends(
    sort: str, console: Flask, admin: Actor, browser: Browser
) -> None:
    for number in range(5):
        make_agent(console, admin, name=f"Agent {number}")
    first = browser.get(f"/agents?limit=2&sort={sort}")

    second = linked(browser, first, "Next")
    last = linked(browser, first, "Last page")
    before_last = linked(browser, last, "Previous")

    places = [pager(page) for page in (first, second, last, before_last)]
    assert places == [f"{place} of 5 agents" for place in ("1-2", "3-4", "5", "3-4")]
    assert names(before_last) == names(second)
    assert [link.text for link in last.root.one("nav", class_="pager").all("a")] == ["First page", "Previous"]
    assert names(linked(browser, last, "First page")) == names(first)


def test_the_pager_counts_the_rows_that_are_there_now(console: Flask, admin: Actor, browser: Browser) -> None:
    ids = [make_agent(console, admin, name=f"Agent {number}") for number in range(5)]
    first = browser.get("/agents?limit=2&sort=name")
    with console.app_context():
        agents.delete(admin, ids[0])

    second = linked(browser, first, "Next")

    assert (names(second), pager(second)) == (["Agent 2", "Agent 3"], "2-3 of 4 agents")


def test_the_pager_says_only_what_it_knows_of_a_long_list(
    console: Flask, admin: Actor, monkeypatch: pytest.MonkeyPatch, browser: Browser
) -> None:
    for module in (agent_list_statements, agent_reads):
        monkeypatch.setattr(module, "COUNT_UP_TO", 3)
    for number in range(9):
        make_agent(console, admin, name=f"Agent {number}")
    first = browser.get("/agents?limit=2&sort=name")

    third = linked(browser, linked(browser, first, "Next"), "Next")
    last = linked(browser, first, "Last page")

    assert pager(third) == "After the first 1,000 agents"
    assert names(last) == ["Agent 7", "Agent 8"]
    assert pager(last) == "The last 2 of 4 agents"


def test_a_page_that_became_empty_links_to_the_first_page(console: Flask, admin: Actor, browser: Browser) -> None:
    for number in range(3):
        make_agent(console, admin, name=f"Agent {number}")
    last = browser.get("/agents?limit=2&sort=name").root.one("a", rel="next")["href"]
    only = browser.get(last).root.one("tbody").all("a")[0]["href"]

    answer = browser.send(only.replace("?", "/delete?"))

    page = browser.get(answer.headers["Location"])
    assert "This page is empty" in page.text
    assert page.root.one("main").one("a", class_="button", href="/agents?sort=name&limit=2")
