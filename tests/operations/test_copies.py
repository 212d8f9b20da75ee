"""An idempotency key makes one copy of an agent, which a repeated request finds until the copy is changed."""

import threading
from collections.abc import Callable
from uuid import UUID

import pytest
import sqlalchemy as sa
from flask import Flask

from agents_app.db import db
from agents_app.errors import Conflict, NotFound
from agents_app.models import Agent, Event
from agents_app.operations import agents
from agents_app.operations.permissions import Actor
from tests.make import agent_values, make_agent, make_user

KEY = "the key of one form"


@pytest.fixture
def admin(app: Flask) -> Actor:
    """An admin of a new account."""
    return make_user(app)


def count(actor: Actor) -> tuple[int, int]:
    """The number of agents of the account, and of events of copies."""
    mine = sa.select(sa.func.count()).where(Agent.account_id == actor.account_id)
    copied = sa.select(sa.func.count()).where(Event.account_id == actor.account_id, Event.action == "agent.cloned")
    with db.reading() as connection:
        return connection.scalar(mine) or 0, connection.scalar(copied) or 0


def agent_is_changed(admin: Actor, copy_id: UUID, _original: UUID) -> UUID | None:
    agents.update(admin, copy_id, {"name": "Other"})
    return None


def agent_is_deleted(admin: Actor, copy_id: UUID, _original: UUID) -> UUID | None:
    agents.delete(admin, copy_id)
    return None


def another_original(admin: Actor, _copy_id: UUID, original: UUID) -> UUID | None:
    return agents.clone(admin, original)[0]


@pytest.mark.parametrize(
    ("happen", "code"),
    [
        (agent_is_changed, "idempotency_changed"),
        (agent_is_deleted, "idempotency_deleted"),
        (another_original, "idempotency_key_reused"),
    ],
)
def test_a_key_of_a_copy_makes_no_second_one(
    app: Flask, admin: Actor, happen: Callable[[Actor, UUID, UUID], UUID | None], code: str
) -> None:
    original = make_agent(app, admin)
    copy_id = agents.clone(admin, original, KEY).agent_id
    other = happen(admin, copy_id, original) or original
    there = count(admin)

    with pytest.raises(Conflict) as refusal:
        agents.clone(admin, other, KEY)

    assert refusal.value.code == code
    assert count(admin) == there


def test_a_key_is_not_used_for_a_new_agent_and_for_a_copy(app: Flask, admin: Actor) -> None:
    original = agents.create(admin, agent_values(), KEY).agent_id
    agents.clone(admin, original, "another form")

    with pytest.raises(Conflict):
        agents.clone(admin, original, KEY)
    with pytest.raises(Conflict):
        agents.create(admin, agent_values(name="Copy of Sales"), "another form")


def test_concurrent_requests_make_one_copy(app: Flask, admin: Actor) -> None:
    original = make_agent(app, admin, api_key="sk-1")

    made: list[agents.Created] = []
    together = threading.Barrier(4)

    def clone() -> None:
        with app.app_context():
            together.wait()
            made.append(agents.clone(admin, original, KEY))

    threads = [threading.Thread(target=clone) for _ in range(4)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]

    assert len({one.agent_id for one in made}) == 1
    assert sorted(one.is_new for one in made) == [False, False, False, True]
    assert count(admin) == (2, 1)


def test_a_key_finds_nothing_of_another_account(app: Flask, admin: Actor) -> None:
    outsider, original = make_user(app), make_agent(app, admin)
    copy_id = agents.clone(admin, original, KEY).agent_id

    with pytest.raises(NotFound):
        agents.clone(outsider, original, KEY)
    other_id, is_new, _ = agents.clone(outsider, make_agent(app, outsider), KEY)

    assert is_new
    assert other_id != copy_id


def test_each_request_without_a_key_or_with_another_key_makes_a_copy(app: Flask, admin: Actor) -> None:
    original = make_agent(app, admin)

    for key in (None, None, KEY, "another form"):
        agents.clone(admin, original, key)

    assert count(admin) == (5, 4)
