"""The pages of API tokens."""

from uuid import uuid4

import pytest
from flask import Flask

from agents_app.operations import tokens
from agents_app.operations.permissions import Actor
from tests.make import make_agent, make_token, make_user
from tests.web.conftest import Browser, Page


def test_a_token_is_shown_once_and_works(console: Flask, admin: Actor, browser: Browser) -> None:
    agent_id = make_agent(console, admin)
    given = {"name": "runtime", "scopes": ["runtime"], "expires_in_days": "30", "agent_ids": [str(agent_id)]}

    page = browser.send("/tokens/new", status=200, **given)

    assert isinstance(page, Page)
    text = page.root.one(id="new-value")["value"]
    answer = console.test_client().get(
        f"/api/v1/agents/{agent_id}/runtime", headers={"Authorization": f"Bearer {text}"}
    )
    assert answer.status_code == 200
    assert "Only" in page.root.one("tbody").text
    assert text not in browser.get("/tokens").html


@pytest.mark.parametrize(
    ("changes", "input_id", "sentence"),
    [
        ({"name": ""}, "name", "Enter a name for the token."),
        ({"scopes": []}, "scopes", "Choose at least one scope: read, write, runtime."),
        ({"scopes": ["root"]}, "scopes", "Choose from the scopes read, write, runtime."),
        ({"expires_in_days": "0"}, "expires_in_days", "Days must be between 1 and 3,650."),
    ],
)
def test_a_bad_token_is_refused_at_its_input(
    changes: dict[str, object], input_id: str, sentence: str, browser: Browser
) -> None:
    page = browser.send("/tokens/new", status=422, **{"name": "ci", **changes})

    assert isinstance(page, Page)
    assert page.error_at(input_id) == sentence


def test_a_token_cannot_be_limited_to_an_agent_of_another_account(console: Flask, browser: Browser) -> None:
    foreign = make_agent(console, make_user(console))

    browser.send("/tokens/new", status=422, name="ci", agent_ids=[str(foreign)])


def test_a_revoked_token_is_gone(console: Flask, admin: Actor, browser: Browser) -> None:
    text = make_token(console, admin)
    address = browser.get("/tokens").root.one("a", class_="danger-line")["href"]

    answer = browser.send(address)

    assert "ci was revoked." in browser.get(answer.headers["Location"]).text
    assert "No tokens yet" in browser.get("/tokens").text
    answer = console.test_client().get("/api/v1/agents", headers={"Authorization": f"Bearer {text}"})
    assert answer.status_code == 401


def test_a_token_of_another_account_is_not_found(console: Flask, browser: Browser) -> None:
    owner = make_user(console)
    make_token(console, owner)
    with console.app_context():
        foreign = tokens.listing(owner)[0]["id"]

    for token_id in (foreign, uuid4()):
        browser.get(f"/tokens/{token_id}/revoke", 404)
        browser.post(f"/tokens/{token_id}/revoke", {"csrf_token": browser.token()}, 404)


def token_on(page: object) -> str:
    assert isinstance(page, Page)
    return page.root.one(id="new-value")["value"]


def test_a_form_sent_again_with_other_content_says_so_and_then_creates_another_token(
    console: Flask, admin: Actor, browser: Browser
) -> None:
    page = browser.get("/tokens/new")
    first = token_on(browser.send(page, "/tokens/new", status=200, name="ci"))

    refused = browser.send(page, "/tokens/new", status=422, name="other")

    assert isinstance(refused, Page)
    sentence = "This form already created a token with other values. To create another, send the form again."
    assert sentence in refused.root.one(class_="problems").text
    assert first not in refused.html
    assert token_on(browser.send(refused, "/tokens/new", status=200)) != first


def test_a_form_whose_token_was_revoked_creates_and_shows_none(console: Flask, admin: Actor, browser: Browser) -> None:
    page = browser.get("/tokens/new")
    text = token_on(browser.send(page, "/tokens/new", status=200, name="ci"))
    browser.send(browser.get("/tokens").root.one("a", class_="danger-line")["href"])

    refused = browser.send(page, "/tokens/new", status=422, name="ci")

    assert isinstance(refused, Page)
    assert "is no longer valid" in refused.text
    assert text not in refused.html
    assert "No tokens yet" in browser.get("/tokens").text


def test_a_form_that_is_sent_twice_creates_one_token_and_shows_it_twice(
    console: Flask, admin: Actor, browser: Browser
) -> None:
    page = browser.get("/tokens/new")

    first, second = (token_on(browser.send(page, "/tokens/new", status=200, name="ci")) for _ in range(2))

    assert first == second
    with console.app_context():
        assert len(tokens.listing(admin)) == 1


def test_a_token_is_rotated_on_a_page_and_both_are_listed(console: Flask, admin: Actor, browser: Browser) -> None:
    browser.send("/tokens/new", status=200, name="ci")
    path = next(link["href"] for link in browser.get("/tokens").root.all("a") if link["href"].endswith("/rotate"))
    refused = browser.send(path, status=422, overlap="2 weeks")
    assert isinstance(refused, Page)
    assert refused.error_at("overlap") == "Write 1h to 168h (hours) or 1d to 7d (days), such as 24h."

    page = browser.get(path)
    first, second = (browser.send(page, path, status=200, overlap="7d") for _ in range(2))

    assert isinstance(first, Page)
    assert token_on(first) == token_on(second)
    with console.app_context():
        end = next(token["expires_at"] for token in tokens.listing(admin) if token["replaced_at"])
    end_shown = f"{end:%-d %b %Y, %H:%M} UTC"
    assert f"The old token keeps working until {end_shown}." in first.text
    row = browser.get("/tokens").root.one("tbody").all("tr")[1].text
    assert ("Replaced" in row, "ends in 7 days" in row, "Rotate" in row) == (True, True, False)
    for again in (browser.get(path, 409), browser.send(page, path, status=409, key="another")):
        assert isinstance(again, Page)
        assert "The token ci was replaced. Rotate the newer token of this name." in again.text
    activity = browser.get("/activity").text
    assert "rotated the API token ci: agc_" in activity
    assert f"which keeps working until {end_shown}" in activity
    assert token_on(first) not in activity


def test_tokens_that_were_not_used_have_a_tab_and_a_wrong_number_of_days_is_refused(
    console: Flask, admin: Actor, browser: Browser
) -> None:
    browser.send("/tokens/new", status=200, name="ci")

    page = browser.get("/tokens")
    tab = next(link for link in page.root.all("a") if "unused_days" in link["href"])
    assert (tab["href"], tab.text) == ("/tokens?unused_days=60", "Not used for 60 days 0")
    assert "Every token was used" in browser.get(tab["href"]).text
    for days in ("0", "x", "3651", "1.5"):
        main = browser.get(f"/tokens?unused_days={days}", 422).root.one("main")
        assert "The number of days must be" in main.text
        assert "Not used for" not in main.text
        assert main.one("a", href="/tokens").text == "Show all API tokens"


def test_the_token_of_another_person_is_revoked_but_not_rotated(console: Flask, admin: Actor, browser: Browser) -> None:
    other = make_user(console, "admin", admin.account_id, name="Grace")
    with console.app_context():
        token_id, _ = tokens.create(other, {"name": "ci", "scopes": ["write"]})

    row = browser.get("/tokens").root.one("tbody").text
    refused = browser.get(f"/tokens/{token_id}/rotate", 409)

    assert ("Rotate" in row, "Revoke" in row) == (False, True)
    assert "only Grace can rotate it. Create a new token." in refused.text


def test_a_token_shows_the_names_of_its_agents(console: Flask, admin: Actor, browser: Browser) -> None:
    ids = [str(make_agent(console, admin, name=name)) for name in ("Sales", "Orders", "HR", "Finance")]
    with console.app_context():
        tokens.create(admin, {"name": "ci", "scopes": ["runtime"], "agent_ids": ids})

    row = browser.get("/tokens").root.one("tbody")

    assert [link.text for link in row.all("a") if "/agents/" in link["href"]] == ["Sales", "Orders", "HR", "Finance"]
    assert "and 1 more" in row.text
