"""Every door marks an agent whose secret cannot be decrypted. Everything that needs no secret still works."""

from uuid import UUID

import pytest
import sqlalchemy as sa
from flask import Flask

from agents_app.db import db
from agents_app.errors import Unavailable
from agents_app.models import Agent
from agents_app.operations import agent_reads, agents
from agents_app.operations.permissions import Actor
from agents_app.schemas import listing
from tests.api.conftest import Client
from tests.cli.conftest import Terminal
from tests.make import PASSWORD, make_agent, make_token, make_user
from tests.web.conftest import Browser

DAMAGED = "v1:k1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
MARK = "Cannot be decrypted"


@pytest.fixture
def admin(app: Flask) -> Actor:
    """An admin of a new account."""
    return make_user(app)


def make_damaged(app: Flask, admin: Actor, value: str = DAMAGED) -> UUID:
    """An agent whose API key cannot be decrypted, and whose password can."""
    agent_id = make_agent(app, admin, api_key="sk-1", connection_config={"password": "as stored"})
    with db.transaction() as session:
        session.execute(sa.update(Agent).where(Agent.id == agent_id).values(api_key=value))
    return agent_id


def readable(agent: dict[str, dict[str, dict[str, bool]]]) -> dict[str, bool]:
    return {pointer: fact["readable"] for pointer, fact in agent["secrets_set"].items()}


def test_each_secret_shows_whether_it_can_be_decrypted_and_lists_still_work(app: Flask, admin: Actor) -> None:
    agent_id = make_damaged(app, admin)

    (found,) = agent_reads.listing(admin, listing.parse({})).items

    shown = readable(agent_reads.read(admin, found["id"]))
    assert (found["id"], shown) == (agent_id, {"/api_key": False, "/connection_config/password": True})


def test_a_secret_that_was_moved_from_another_agent_cannot_be_decrypted(app: Flask, admin: Actor) -> None:
    make_agent(app, admin, api_key="sk-of-another")
    with db.reading() as connection:
        stolen = connection.scalar(sa.select(Agent.api_key).where(Agent.account_id == admin.account_id))

    agent_id = make_damaged(app, admin, stolen)

    with pytest.raises(Unavailable):
        agents.clone(admin, agent_id)
    assert readable(agent_reads.read(admin, agent_id))["/api_key"] is False


def test_the_api_shows_an_unreadable_secret(app: Flask, admin: Actor) -> None:
    api = Client(app, make_token(app, admin, "read"))

    agent = api.get(f"/agents/{make_damaged(app, admin)}").json

    assert readable(agent) == {"/api_key": False, "/connection_config/password": True}


def test_the_terminal_shows_an_unreadable_secret(app: Flask, admin: Actor) -> None:
    lines = Terminal(app, admin.account_id)("agents", "show", make_damaged(app, admin)).stdout.splitlines()

    assert [line.split()[0] for line in lines if "CANNOT BE DECRYPTED" in line] == ["api_key"]


def test_the_pages_show_an_unreadable_secret_and_accept_a_new_one(app: Flask, admin: Actor) -> None:
    agent_id = make_damaged(app, admin)
    browser = Browser(app)
    browser.send("/sign-in", email=admin.email, password=PASSWORD)

    shown, edited = browser.get(f"/agents/{agent_id}"), browser.get(f"/agents/{agent_id}/edit")
    agents.update(admin, agent_id, {"api_key": "sk-typed-again"})

    assert (shown.html.count(MARK), edited.html.count(MARK)) == (1, 1)
    assert MARK not in browser.get(f"/agents/{agent_id}").html
