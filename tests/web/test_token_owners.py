"""Every page and every file that names who changed something with an API token names the person too."""

from dataclasses import replace

from flask import Flask

from agents_app.operations import bulk_agents, users
from agents_app.operations.permissions import Actor
from agents_app.values.choices import Door
from tests.api.conftest import Client
from tests.make import make_agent, make_token, make_user
from tests.web.conftest import Browser, Page


def test_the_person_and_the_token_are_named_alike_wherever_a_change_is(
    console: Flask, admin: Actor, browser: Browser
) -> None:
    owner = make_user(console, account_id=admin.account_id, name="Grace <b>")
    token = replace(owner, name="token ci", door=Door.TOKEN)
    agent_id, other_id = make_agent(console, admin), str(make_agent(console, admin, name="By Ada"))
    path, named = f"/agents/{agent_id}", f"{owner.name}, token ci"
    with console.app_context():
        done = bulk_agents.act(token, {"act": "set_owner", "ids": [agent_id], "owner": "Sales"})

    pages = ("/agents", path, f"{path}/edit", f"{path}/versions", f"{path}/versions/2", "/activity")
    for page in (*pages, f"/agents/bulk/{done.id}"):
        text = browser.get(page).text
        assert named in text, page
        assert text.count("token ci") == text.count(named), page
    (in_list,) = [one for one in browser.get("/agents").root.all("span", class_="sub") if one.text == f"by {named}"]
    assert in_list["title"] == f"\u2068{named}\u2069"
    for file in ("/agents/export.csv", "/activity/export"):
        assert named in browser.client.get(file).text, file

    api, account = Client(console, make_token(console, admin)), ("--account", str(admin.account_id))
    of_list = {
        one["id"]: (one["updated_by"], one["updated_by_token_owner"]) for one in api.get("/agents").json["items"]
    }
    assert of_list == {str(agent_id): ("token ci", owner.name), other_id: (admin.name, None)}
    assert api.get(path).json["updated_by_token_owner"] == owner.name
    assert named in console.test_cli_runner().invoke(args=["agents", "show", str(agent_id), *account]).stdout

    # Of a person who was deleted, the token is left.
    with console.app_context():
        users.delete(admin, owner.user_id)
    assert "by token ci" in browser.get("/agents").text
    assert isinstance(browser.get(path), Page)
