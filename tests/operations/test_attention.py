"""Which agents need attention, and why. The list, its count and the terminal use the same definition."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from flask import Flask

from agents_app.db import db, now
from agents_app.models import Agent, ConnectionTest
from agents_app.operations import agent_reads, attention
from agents_app.operations.permissions import Actor
from agents_app.schemas import listing
from tests.make import make_agent, make_user

WHOLE = {"password": "a password"}
Change = Callable[[UUID], None]


def on_day(days: int) -> str:
    """The day in so many days."""
    return (now().date() + timedelta(days=days)).isoformat()


def store_test(admin: Actor, agent_id: UUID, outcome: str, *, is_out_of_date: bool = False) -> None:
    """Store a last test of this outcome."""
    row = ConnectionTest(agent_id=agent_id, account_id=admin.account_id, version=1, actor_name="Admin", result={})
    row.outcome, row.is_out_of_date = outcome, is_out_of_date
    with db.transaction() as session:
        session.add(row)


def damage(agent_id: UUID) -> None:
    """Replace the API key with a text that no key decrypts."""
    with db.transaction() as session:
        session.execute(sa.update(Agent).where(Agent.id == agent_id).values(api_key="v1:k9:AAAA"))


@pytest.mark.parametrize(
    ("values", "codes"),
    [
        ({}, []),
        ({"connection_config": {"password": None}}, ["incomplete"]),
        ({"model_provider": "openai"}, ["incomplete"]),
        ({"model_provider": "openai", "api_key": "sk-1"}, []),
        ({"connection_config": WHOLE | {"credential_expires_at": on_day(31)}}, []),
        ({"connection_config": WHOLE | {"credential_expires_at": on_day(30)}}, ["expiring"]),
        ({"connection_config": WHOLE | {"credential_expires_at": on_day(0)}}, ["expiring"]),
        ({"connection_config": WHOLE | {"credential_expires_at": on_day(-1)}}, ["expired"]),
        ({"api_key": "sk-1", "api_key_expires_at": on_day(-1)}, ["expired"]),
    ],
)
def test_an_agent_needs_attention_if_it_lacks_something_or_expires(
    console: Flask, admin: Actor, values: dict[str, Any], codes: list[str]
) -> None:
    agent_id = make_agent(console, admin, **{"connection_config": WHOLE, **values})

    with console.app_context():
        found = attention.listing(admin)

    assert [reason["code"] for agent in found for reason in agent["reasons"]] == codes
    assert [agent["id"] for agent in found] == [agent_id] * bool(codes)


@pytest.mark.parametrize(
    ("outcome", "is_out_of_date", "codes"),
    [("passed", False, []), ("warning", False, []), ("failed", True, []), ("failed", False, ["test_failed"])],
)
def test_an_agent_needs_attention_if_its_last_test_failed(
    console: Flask, admin: Actor, outcome: str, is_out_of_date: bool, codes: list[str]
) -> None:
    agent_id = make_agent(console, admin, connection_config=WHOLE)

    with console.app_context():
        store_test(admin, agent_id, outcome, is_out_of_date=is_out_of_date)

        assert [reason["code"] for agent in attention.listing(admin) for reason in agent["reasons"]] == codes


def test_an_agent_needs_attention_if_a_secret_cannot_be_decrypted(console: Flask, admin: Actor) -> None:
    agent_id = make_agent(console, admin, connection_config=WHOLE, api_key="sk-1")

    with console.app_context():
        damage(agent_id)
        (found,) = attention.listing(admin)

    assert found["reasons"] == [
        {"code": "secret_unreadable", "detail": "A stored secret cannot be decrypted: api_key."}
    ]


def test_the_list_and_its_count_have_the_same_agents_and_none_of_another_account(console: Flask, admin: Actor) -> None:
    make_agent(console, make_user(console), name="Foreign")
    make_agent(console, admin, name="Fine", connection_config=WHOLE)
    for name in ("Beta", "Alpha"):
        make_agent(console, admin, name=name)

    with console.app_context():
        listed = agent_reads.listing(admin, listing.parse({"needs_attention": "true", "sort": "name"}))
        others = agent_reads.listing(admin, listing.parse({"needs_attention": "false"}))
        page, counts = agent_reads.listing_with_counts(admin, listing.parse({"limit": 1}))
        found = attention.listing(admin)

    assert [item["name"] for item in listed.items] == [agent["name"] for agent in found] == ["Alpha", "Beta"]
    assert [item["name"] for item in others.items] == ["Fine"]
    assert (counts.attention, counts.all, set(page.attention)) == (2, 3, {agent["id"] for agent in found})
