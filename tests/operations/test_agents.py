"""Every change of an agent adds one version and one event, without secrets, in one transaction."""

import threading
import uuid
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from flask import Flask

from agents_app.db import db
from agents_app.errors import Conflict, InvalidInput, NotFound, Stale
from agents_app.models import Agent, AgentVersion, Event
from agents_app.operations import agent_reads, agents, event_records
from agents_app.operations.permissions import Actor
from agents_app.values import limits
from tests.make import agent_values, make_agent, make_user


@pytest.fixture
def admin(app: Flask) -> Actor:
    """An admin of a new account."""
    return make_user(app)


def versions(agent_id: UUID) -> list[Any]:
    """The versions of an agent."""
    with db.reading() as connection:
        wanted = sa.select(AgentVersion.__table__).where(AgentVersion.agent_id == agent_id)
        return list(connection.execute(wanted.order_by(AgentVersion.version)))


def events_of(agent_id: UUID) -> list[str]:
    """The actions of the events of an agent, in order."""
    with db.reading() as connection:
        wanted = sa.select(Event.action).where(Event.target_id == agent_id).order_by(Event.created_at)
        return list(connection.scalars(wanted))


def test_a_change_that_fails_leaves_no_trace(app: Flask, admin: Actor, monkeypatch: pytest.MonkeyPatch) -> None:
    agent_id = make_agent(app, admin)

    def fail(*_given: object, **_details: object) -> None:
        raise RuntimeError

    monkeypatch.setattr(event_records, "row", fail)
    for change in (
        lambda: agents.update(admin, agent_id, {"name": "Other"}),
        lambda: agents.disable(admin, agent_id, {"reason": "Moving."}),
        lambda: agents.delete(admin, agent_id),
        lambda: agents.clone(admin, agent_id),
    ):
        with pytest.raises(RuntimeError):
            change()

    assert [row.version for row in versions(agent_id)] == [1]
    assert agent_reads.read(admin, agent_id)["name"] == "Sales"


@pytest.mark.parametrize("values", [{}, {"reason": ""}, {"reason": " "}, {"reason": 5}, {"reason": "a\nb"}])
def test_an_agent_is_not_disabled_without_a_reason(app: Flask, admin: Actor, values: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput) as refusal:
        agents.disable(admin, make_agent(app, admin), values)

    assert [pointer for pointer, _ in refusal.value.fields] == ["/reason"]


def test_an_existing_agent_and_an_unknown_agent_cannot_be_restored(app: Flask, admin: Actor) -> None:
    agent_id = make_agent(app, admin)

    for missing in (agent_id, uuid.uuid4()):
        with pytest.raises(NotFound):
            agents.restore_deleted(admin, missing)


def test_the_second_of_two_changes_of_one_version_is_refused(app: Flask, admin: Actor) -> None:
    agent_id = make_agent(app, admin)
    outcomes: list[str] = []
    together = threading.Barrier(2)

    def change(name: str) -> None:
        with app.app_context():
            together.wait()
            try:
                agents.update(admin, agent_id, {"name": name}, version=1)
                outcomes.append("changed")
            except Stale:
                outcomes.append("stale")

    threads = [threading.Thread(target=change, args=(name,)) for name in ("One", "Two")]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]

    assert sorted(outcomes) == ["changed", "stale"]
    assert [row.version for row in versions(agent_id)] == [1, 2]


def test_concurrent_requests_with_one_key_make_one_agent(app: Flask, admin: Actor) -> None:
    made: list[agents.Created] = []
    together = threading.Barrier(4)

    def create() -> None:
        with app.app_context():
            together.wait()
            made.append(agents.create(admin, agent_values(api_key="sk-1"), "deploy"))

    threads = [threading.Thread(target=create) for _ in range(4)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]

    assert len({one.agent_id for one in made}) == 1
    assert sorted(one.is_new for one in made) == [False, False, False, True]


def test_a_key_of_a_deleted_agent_is_not_used_again(app: Flask, admin: Actor) -> None:
    agent_id = agents.create(admin, agent_values(), "deploy").agent_id
    agents.delete(admin, agent_id)

    with pytest.raises(Conflict):
        agents.create(admin, agent_values(), "deploy")


def test_each_change_is_a_version_and_an_event(app: Flask, admin: Actor) -> None:
    agent_id = make_agent(app, admin)
    agents.update(admin, agent_id, {"name": "Other", "api_key": "sk-1"})
    agents.disable(admin, agent_id, {"reason": "Moving."})
    agents.enable(admin, agent_id)
    agents.delete(admin, agent_id)
    agents.restore_deleted(admin, agent_id)

    history = versions(agent_id)

    actions = ["created", "updated", "disabled", "enabled", "deleted", "restored"]
    assert [(row.version, row.action) for row in history] == [
        (number, f"agent.{action}") for number, action in enumerate(actions, 1)
    ]
    assert events_of(agent_id) == [row.action for row in history]
    assert history[1].changes == {"fields": ["name"], "secrets": {"/api_key": "set"}}
    assert history[1].snapshot["secrets"] == ["/api_key"]
    assert {row.actor_name for row in history} == {admin.name}


def test_an_update_without_a_difference_makes_no_version(app: Flask, admin: Actor) -> None:
    agent_id = make_agent(app, admin)
    acts = [
        agents.update(admin, agent_id, {}),
        agents.update(admin, agent_id, {"name": " Sales ", "connection_config": {"port": "5432"}}),
        agents.update(admin, agent_id, {"api_key": None}),
        agents.enable(admin, agent_id),
    ]

    assert acts == [False] * 4
    assert agent_reads.read(admin, agent_id)["version"] == 1
    assert events_of(agent_id) == ["agent.created"]


def test_an_operation_returns_whether_it_changed_something(app: Flask, admin: Actor) -> None:
    agent_id = make_agent(app, admin)

    assert agents.update(admin, agent_id, {"api_key": "sk-1"})
    assert agents.update(admin, agent_id, {"api_key": "sk-1"}), "what is stored of a secret cannot be compared"
    assert agents.disable(admin, agent_id, {"reason": "Moving."})
    assert not agents.disable(admin, agent_id, {"reason": " Moving. "})
    assert agents.disable(admin, agent_id, {"reason": "Another."})
    assert agents.enable(admin, agent_id)


def test_a_deleted_agent_is_restored_as_it_was(app: Flask, admin: Actor) -> None:
    agent_id = make_agent(app, admin, api_key="sk-1", connection_config={"password": "correct horse"})
    before = agent_reads.read(admin, agent_id)
    agents.delete(admin, agent_id)

    agents.restore_deleted(admin, agent_id)

    after = agent_reads.read(admin, agent_id)
    differing = {name for name in before if before[name] != after[name]}
    assert differing == {"version", "updated_at"}
    assert [row.kept_secrets for row in versions(agent_id)] == [None, None, None]


def test_no_secret_is_kept_if_deleted_secrets_days_is_zero(app: Flask, admin: Actor) -> None:
    agent_id = make_agent(app, admin, api_key="sk-1")
    agents.delete(admin, agent_id)

    kept = versions(agent_id)[-1]

    assert kept.kept_secrets["sealed"].keys() == {"/api_key"}
    assert kept.kept_secrets["sealed"]["/api_key"].startswith("v1:k1:")
    assert "sk-1" not in str(kept)


def test_a_copy_of_a_long_name_fits(app: Flask, admin: Actor) -> None:
    copy_id = agents.clone(admin, make_agent(app, admin, name="x" * limits.NAME)).agent_id

    assert agent_reads.read(admin, copy_id)["name"] == "Copy of " + "x" * (limits.NAME - 8)


def test_the_longest_agent_fits_into_its_columns(app: Flask, admin: Actor) -> None:
    # Casefolding makes three letters of one, so the sort key is longer than the name.
    agent_id = make_agent(
        app,
        admin,
        name="\N{LATIN SMALL LIGATURE FFI}" * limits.NAME,
        description="\N{LATIN SMALL LIGATURE FFI}" * limits.DESCRIPTION,
        model_type="😀" * limits.MODEL_TYPE,
        api_key="~" * limits.API_KEY,
        system_instructions="😀" * limits.INSTRUCTIONS,
    )

    with db.reading() as connection:
        stored = connection.scalar(sa.select(Agent.api_key).where(Agent.id == agent_id))
    assert len(stored) <= limits.API_KEY_COLUMN
    assert len(agent_reads.read(admin, agent_id)["system_instructions"]) == limits.INSTRUCTIONS
