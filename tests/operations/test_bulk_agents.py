"""Bulk acts on agents that another transaction has locked, and on as many agents as one act can have."""

import json
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from uuid import UUID

import pytest
import sqlalchemy as sa
from flask import Flask

from agents_app.db import db
from agents_app.models import Agent, AgentVersion, Event
from agents_app.operations import agent_files, agents, bulk_agents
from agents_app.operations.permissions import Actor
from agents_app.schemas.agent_files import FORMAT, read
from agents_app.schemas.bulk_agents import IDS_MAX
from tests.cli.conftest import wait_for
from tests.conftest import OpenConsole
from tests.make import DATABASE, make_agent, make_user

# A wait for a lock ends soon in these tests.
SHORT_WAIT, LONGER_WAIT = "options=-c%20lock_timeout%3D50ms", "options=-c%20lock_timeout%3D1s"
BUSY = ("database_busy", "The database is busy. Try again in a moment.")


@contextmanager
def locked(agent_ids: Sequence[UUID]) -> Iterator[None]:
    """Lock these agents in another transaction while the block runs."""
    with db.engine.begin() as connection:
        connection.execute(sa.select(Agent.id).where(Agent.id.in_(agent_ids)).with_for_update())
        yield


def versions(agent_ids: Sequence[UUID]) -> list[int]:
    """The version of each agent."""
    with db.reading() as connection:
        found = {row.id: row.version for row in connection.execute(sa.select(Agent.id, Agent.version))}
    return [found[one] for one in agent_ids]


def test_only_agents_that_are_locked_fail_and_after_three_of_them_no_other_is_waited_for(
    postgres_schema_url: str, open_console: OpenConsole
) -> None:
    app = open_console(f"{postgres_schema_url}{'&' if '?' in postgres_schema_url else '?'}{SHORT_WAIT}")
    admin = make_user(app)
    # In the order in which every operation locks them.
    ids = sorted(make_agent(app, admin, name=f"Agent {number}") for number in range(6))

    with app.app_context():
        with locked(ids[1:2]):
            one_busy = bulk_agents.act(admin, {"act": "set_owner", "owner": "Ada", "ids": ids})
        assert versions(ids) == [2, 1, 2, 2, 2, 2]
        with locked([*ids[:2], ids[3]]):
            three_busy = bulk_agents.act(admin, {"act": "set_owner", "owner": "Grace", "ids": ids})
        assert versions(ids) == [2, 1, 3, 2, 2, 2]
        with locked(ids[2:3]):
            undone = bulk_agents.undo(admin, three_busy.id)
        again = bulk_agents.act(admin, {"act": "set_owner", "owner": "Grace", "ids": ids})

    assert [one.id for one in one_busy.changed] == [ids[0], *ids[2:]]
    assert [(one.id, one.code, one.detail) for one in one_busy.failed] == [(ids[1], *BUSY)]
    assert one_busy.failed[0].name
    # The last two were free. They are named with the others, and nothing is lost.
    assert [(one.id, one.code, one.detail) for one in three_busy.failed] == [
        (one, *BUSY) for one in (*ids[:2], *ids[3:])
    ]
    assert [(one.id, one.code) for one in undone.failed] == [(ids[2], BUSY[0])]
    assert again.counts == {"changed": 5, "unchanged": 1, "failed": 0}


def test_an_act_whose_end_cannot_be_recorded_says_what_it_changed(
    postgres_schema_url: str, open_console: OpenConsole
) -> None:
    app = open_console(f"{postgres_schema_url}{'&' if '?' in postgres_schema_url else '?'}{LONGER_WAIT}")
    admin = make_user(app)
    agent_id, record = make_agent(app, admin), sa.select(Event.id).where(Event.action == "agent.bulk")
    results: list[bulk_agents.BulkResult] = []

    def change() -> None:
        with app.app_context():
            results.append(bulk_agents.act(admin, {"act": "set_owner", "owner": "Ada", "ids": [agent_id]}))

    with app.app_context(), db.engine.begin() as other:
        changing = threading.Thread(target=change)
        with locked([agent_id]):
            changing.start()
            wait_for(lambda: bool(other.scalars(record.with_for_update()).all()))
        changing.join()
        unfinished = bulk_agents.result(admin, results[0].id)

    assert results[0].counts == {"changed": 1, "unchanged": 0, "failed": 0}
    assert (unfinished.counts, [one.id for one in unfinished.changed]) == (None, [agent_id])


@pytest.mark.parametrize("values", [{"act": "set_owner", "owner": "Ada"}, {"act": "delete"}], ids=["change", "delete"])
def test_undos_at_the_same_time_are_one_undo_and_the_others_are_repeated(
    app: Flask, admin: Actor, values: dict[str, str]
) -> None:
    ids = [make_agent(app, admin, name=f"Agent {number}") for number in range(4)]
    done, start = bulk_agents.act(admin, {**values, "ids": ids}), threading.Barrier(4)

    def undo(_: int) -> bulk_agents.BulkResult:
        with app.app_context():
            start.wait()
            return bulk_agents.undo(admin, done.id)

    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(undo, range(4)))

    record = bulk_agents.result(admin, results[0].id)
    assert record.counts == {"changed": 4, "unchanged": 0, "failed": 0}
    assert [one.failed for one in results] == [[]] * 4
    # Each agent was restored by one request. One that restored none says so.
    assert {one.is_repeated for one in results if not one.changed} <= {True}
    assert versions(ids) == [done.changed[0].version + 1] * 4


def test_an_undo_that_was_cut_off_goes_on_and_an_agent_that_it_did_not_reach_can_fail(app: Flask, admin: Actor) -> None:
    ids = [make_agent(app, admin, name=f"Agent {number}") for number in range(2)]
    done = bulk_agents.act(admin, {"act": "set_owner", "owner": "Ada", "ids": ids})
    agents.update(admin, ids[0], {"description": "Later."})
    undone = bulk_agents.undo(admin, done.id)
    with db.transaction() as session:
        event = session.scalars(sa.select(Event).where(Event.id == undone.id)).one()
        event.details = {name: value for name, value in event.details.items() if name not in ("counts", "failed")}

    again = bulk_agents.undo(admin, done.id)

    assert (again.is_repeated, [one.id for one in again.unchanged]) == (True, [ids[1]])
    assert [(one.id, one.code) for one in again.failed] == [(ids[0], "stale")]
    assert bulk_agents.result(admin, undone.id).counts == {"changed": 1, "unchanged": 0, "failed": 1}


@pytest.mark.long
def test_a_thousand_agents_are_changed_deleted_and_restored(app: Flask, admin: Actor) -> None:
    entries = [
        {"name": f"Agent {number}", "external_id": f"x{number}", "connection_type": "DB", "connection_config": DATABASE}
        for number in range(IDS_MAX)
    ]
    agent_files.apply(admin, read(json.dumps({"format": FORMAT, "agents": entries}).encode()))
    with db.reading() as connection:
        ids = list(connection.scalars(sa.select(Agent.id).where(Agent.account_id == admin.account_id)))

    labelled = bulk_agents.act(admin, {"act": "set_labels", "labels": {"team": "a"}, "ids": ids})
    undone = bulk_agents.undo(admin, labelled.id)
    deleted = bulk_agents.act(admin, {"act": "delete", "ids": ids})
    restored = bulk_agents.undo(admin, deleted.id)

    for result in (labelled, undone, deleted, restored):
        assert result.counts == {"changed": IDS_MAX, "unchanged": 0, "failed": 0}
    assert set(versions(ids)) == {5}
    with db.reading() as connection:
        wanted = sa.select(AgentVersion.action).where(AgentVersion.account_id == admin.account_id)
        made = Counter(connection.scalars(wanted))
        events = Counter(connection.scalars(sa.select(Event.action).where(Event.account_id == admin.account_id)))
    actions = dict.fromkeys(
        ("agent.created", "agent.updated", "agent.change_undone", "agent.deleted", "agent.restored"), 1
    )
    assert made == {action: number * IDS_MAX for action, number in actions.items()}
    assert {action: events[action] for action in made} == made
    assert events["agent.bulk"] == 4
