"""What the console keeps of fetches: which version each token has, how often and when; and what is an event."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from threading import Barrier
from typing import Any
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa
from flask import Flask

from agents_app.db import db, now
from agents_app.errors import NotFound, Unavailable
from agents_app.models import Event, RuntimeRead
from agents_app.operations import agent_reads, agents, attention, readers, runtime, tokens
from agents_app.operations.permissions import Actor
from agents_app.schemas import listing
from tests.conftest import OpenConsole
from tests.make import make_agent, make_user, marked_version, runtime_actor
from tests.operations.test_attention import WHOLE, listed


def runtime_of(console: Flask, admin: Actor, agent_ids: tuple[UUID, ...] = ()) -> Actor:
    """The actor of a new runtime token."""
    with console.app_context():
        return runtime_actor(admin, agent_ids)


def age(**since: float) -> None:
    """Let this time pass for all stored reads."""
    with db.transaction() as session:
        for row in session.scalars(sa.select(RuntimeRead)):
            row.seen_at -= timedelta(**since)
            row.last_fetched_at = row.last_fetched_at and row.last_fetched_at - timedelta(**since)


def events(agent_id: UUID) -> list[int]:
    """The versions of the fetches that are events, in their order."""
    fetched = sa.select(Event.details).where(Event.target_id == agent_id, Event.action == "agent.fetched")
    with db.reading() as connection:
        return sorted(details["version"] for details in connection.scalars(fetched))


def only(admin: Actor, agent_id: UUID) -> dict[str, Any]:
    """The only reader of an agent."""
    (found,) = readers.who_runs(admin, agent_id)
    return found


def test_only_the_first_fetch_of_a_version_is_an_event_and_others_are_counted_once_a_minute(
    console: Flask, admin: Actor
) -> None:
    agent_id, actor = make_agent(console, admin), runtime_of(console, admin)
    with console.app_context():
        for _ in range(3):
            runtime.fetch(actor, agent_id)
        runtime.fetch(actor, agent_id, [marked_version(agent_id)])
        within_a_minute = only(admin, agent_id)
        age(minutes=2)
        runtime.fetch(actor, agent_id, [marked_version(agent_id)])
        later = only(admin, agent_id)
        agents.update(admin, agent_id, {"description": "Other"})
        behind = only(admin, agent_id)
        runtime.fetch(actor, agent_id)

        assert (within_a_minute["fetches_at_least"], later["fetches_at_least"]) == (1, 5)
        assert later["first_fetched_at"] < later["last_fetched_at"]
        assert (behind["version"], behind["versions_behind"]) == (1, 1)
        assert (only(admin, agent_id)["version"], only(admin, agent_id)["versions_behind"]) == (2, 0)
        assert events(agent_id) == [1, 2]


def test_secrets_that_are_sent_first_after_a_304_or_a_check_are_an_event(console: Flask, admin: Actor) -> None:
    agent_id, actor = make_agent(console, admin), runtime_of(console, admin)
    with console.app_context():
        runtime.check(actor, {str(agent_id): [marked_version(agent_id)]})
        checked = only(admin, agent_id)
        runtime.fetch(actor, agent_id, [marked_version(agent_id)])
        confirmed = only(admin, agent_id)
        before = events(agent_id)
        runtime.fetch(actor, agent_id)

        assert (checked["version"], checked["fetches_at_least"], checked["last_fetched_at"]) == (1, 0, None)
        assert (confirmed["version"], confirmed["fetches_at_least"]) == (1, 1)
        assert (before, events(agent_id)) == ([], [1])


def test_a_304_to_a_token_that_was_never_sent_the_secrets_does_not_count_as_sending_them(
    console: Flask, admin: Actor
) -> None:
    agent_id, actor = make_agent(console, admin), runtime_of(console, admin)
    with console.app_context():
        runtime.fetch(actor, agent_id, [marked_version(agent_id)])
        before = events(agent_id)
        runtime.fetch(actor, agent_id)

        assert (before, events(agent_id)) == ([], [1])


@pytest.mark.parametrize("refusal", ["disabled", "missing", "foreign", "not its agent"])
def test_what_is_refused_is_no_fetch(console: Flask, admin: Actor, refusal: str) -> None:
    other = make_user(console)
    agent_id = make_agent(console, other if refusal == "foreign" else admin)
    limits = {"agent_ids": (make_agent(console, admin),)} if refusal == "not its agent" else {}
    actor, asked = runtime_of(console, admin, **limits), uuid4() if refusal == "missing" else agent_id
    with console.app_context():
        if refusal == "disabled":
            agents.disable(admin, agent_id, {"reason": "Moving."})
        with pytest.raises(Exception, match="disabled" if refusal == "disabled" else "no agent"):
            runtime.fetch(actor, asked)
        runtime.check(actor, {str(asked): [marked_version(agent_id)]})

        assert readers.who_runs(other if refusal == "foreign" else admin, agent_id) == []


def at_once(console: Flask, act: Callable[[], object], number: int = 8) -> list[object]:
    """Do the same in threads that begin together. Returns what each returned or raised."""
    barrier = Barrier(number)

    def run(_number: int) -> object:
        with console.app_context():
            barrier.wait()
            try:
                return act()
            except Exception as error:
                return error

    with ThreadPoolExecutor(number) as pool:
        return list(pool.map(run, range(number)))


def test_fetches_at_once_are_one_event_and_all_are_counted(console: Flask, admin: Actor) -> None:
    agent_id, actor = make_agent(console, admin), runtime_of(console, admin)

    answers = at_once(console, lambda: runtime.fetch(actor, agent_id))
    checks = at_once(console, lambda: runtime.check(actor, {str(agent_id): [marked_version(agent_id)]}))

    assert [one for one in (*answers, *checks) if isinstance(one, Exception)] == []
    with console.app_context():
        age(minutes=2)
        runtime.fetch(actor, agent_id)
        assert (only(admin, agent_id)["fetches_at_least"], events(agent_id)) == (9, [1])


# SQLite has one writer, so nothing is deleted between the two.
def test_an_agent_deleted_while_it_is_fetched_is_not_found(postgres_schema_url: str, open_console: OpenConsole) -> None:
    console = open_console(postgres_schema_url)
    admin = make_user(console)
    agent_id, actor = make_agent(console, admin), runtime_of(console, admin)
    answers: list[object] = []

    def delete(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        if "INSERT INTO runtime_reads" in statement and not answers:
            answers.append("deleted")
            with db.engine.connect() as other:
                other.execution_options(isolation_level="AUTOCOMMIT")
                other.execute(sa.text("DELETE FROM agents WHERE id = :id"), {"id": agent_id})

    with console.app_context():
        sa.event.listen(db.engine, "before_cursor_execute", delete)
        try:
            with pytest.raises(NotFound):
                runtime.fetch(actor, agent_id)
        finally:
            sa.event.remove(db.engine, "before_cursor_execute", delete)


def test_a_database_that_cannot_write_refuses_only_the_first_fetch_of_a_version(console: Flask, admin: Actor) -> None:
    agent_id, actor = make_agent(console, admin), runtime_of(console, admin)

    def refuse(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        if "runtime_reads" in statement and not statement.startswith("SELECT"):
            raise Unavailable("The database is read-only now.")

    with console.app_context():
        sa.event.listen(db.engine, "before_cursor_execute", refuse)
        try:
            with pytest.raises(Unavailable):
                runtime.fetch(actor, agent_id)
            sa.event.remove(db.engine, "before_cursor_execute", refuse)
            runtime.fetch(actor, agent_id)
            age(minutes=2)
            sa.event.listen(db.engine, "before_cursor_execute", refuse)
            answers = [runtime.fetch(actor, agent_id), runtime.fetch(actor, agent_id, [marked_version(agent_id)])]
            checked = runtime.check(actor, {str(agent_id): [marked_version(agent_id)]})
        finally:
            sa.event.remove(db.engine, "before_cursor_execute", refuse)
        runtime.fetch(actor, agent_id)

        assert isinstance(answers[0], dict)
        assert answers[1] == marked_version(agent_id)
        assert checked[str(agent_id)]["state"] == "unchanged"
        assert (only(admin, agent_id)["fetches_at_least"], events(agent_id)) == (4, [1])


def test_readers_are_shown_with_the_state_of_their_token_and_leave_with_the_agent(console: Flask, admin: Actor) -> None:
    agent_id = make_agent(console, admin)
    runtimes = [runtime_of(console, admin) for _ in range(3)]
    with console.app_context():
        for one in runtimes:
            runtime.fetch(one, agent_id)
        tokens.revoke(admin, runtimes[0].token_id)
        tokens.rotate(admin, runtimes[1].token_id, {})
        states = {one["token_id"]: one["token_state"] for one in readers.who_runs(admin, agent_id)}
        recent = readers.recent(admin, [agent_id])
        of_token = [agent.id for agent in readers.agents_of_token(admin, runtimes[2].token_id)]
        agents.delete(admin, agent_id)

        assert states == dict(zip((one.token_id for one in runtimes), ("revoked", "replaced", "active"), strict=True))
        assert {one.token_id: one.token_state for one in recent} == states
        assert {one.token_id for one in recent if one.works} == {one.token_id for one in runtimes[1:]}
        assert of_token == [agent_id]
        assert readers.agents_of_token(admin, runtimes[2].token_id) == []
        with pytest.raises(NotFound):
            readers.who_runs(admin, agent_id)
        agents.restore_deleted(admin, agent_id)
        assert readers.who_runs(admin, agent_id) == []


def test_readers_of_another_account_are_not_found(console: Flask, admin: Actor) -> None:
    agent_id, actor, other = make_agent(console, admin), runtime_of(console, admin), make_user(console)
    with console.app_context():
        runtime.fetch(actor, agent_id)

        with pytest.raises(NotFound):
            readers.who_runs(other, agent_id)
        assert readers.agents_of_token(other, actor.token_id) == []


# Days are counted when the test runs: the tests may run over midnight.
def test_an_active_agent_that_no_runtime_fetched_for_30_days_needs_attention(console: Flask, admin: Actor) -> None:
    agent_id, never = (make_agent(console, admin, connection_config=WHOLE) for _ in range(2))
    first, second = runtime_of(console, admin), runtime_of(console, admin)
    with console.app_context():
        runtime.fetch(first, agent_id)
        age(days=29)
        assert (attention.of_agent(admin, agent_id), listed(admin)) == ([], [])
        age(days=1)
        day = (now() - timedelta(days=30)).date()
        (reason,) = attention.of_agent(admin, agent_id)

        assert reason["code"] == "not_fetched"
        assert reason["detail"] == f"No runtime has asked for it since {day}. The last one used the token “ci”."
        assert listed(admin) == [agent_id]
        assert attention.of_agent(admin, never) == []
        runtime.check(second, {str(agent_id): [marked_version(agent_id)]})
        assert (attention.of_agent(admin, agent_id), listed(admin)) == ([], [])
        age(days=30)
        agents.disable(admin, agent_id, {"reason": "Not in use."})
        assert (attention.of_agent(admin, agent_id), listed(admin)) == ([], [])


def test_a_list_says_when_each_agent_was_last_fetched(console: Flask, admin: Actor) -> None:
    fetched, never = (make_agent(console, admin) for _ in range(2))
    with console.app_context():
        runtime.fetch(runtime_of(console, admin), fetched)
        items = {one["id"]: one["last_fetched_at"] for one in agent_reads.listing(admin, listing.parse({})).items}

        assert items == {fetched: only(admin, fetched)["last_fetched_at"], never: None}


def test_a_check_says_what_is_so_by_id_first_and_then_by_external_id(console: Flask, admin: Actor) -> None:
    agent_id, disabled, foreign = (make_agent(console, one) for one in (admin, admin, make_user(console)))
    spelled = make_agent(console, admin, external_id=str(agent_id))
    named = make_agent(console, admin, external_id="crm/17")
    lonely = str(uuid4())
    by_uuid = make_agent(console, admin, external_id=lonely)
    actor = runtime_of(console, admin)
    with console.app_context():
        agents.disable(admin, disabled, {"reason": "Moving."})
        marks = {one: marked_version(one) for one in (agent_id, named, by_uuid, disabled)}
        has = [marks[agent_id]]
        asked = {str(agent_id): has, " crm/17 ": has, lonely: [], str(disabled): has, str(foreign): has, "none": has}
        found = runtime.check(actor, asked)
        limited = runtime.check(replace(actor, agent_ids=frozenset({named})), dict.fromkeys(asked, has))

    def item(state: str, one: UUID, version: int, reason: str | None = None) -> dict[str, Any]:
        return {"state": state, "id": one, "version": version, "marked": marks[one], "reason": reason}

    assert found[str(agent_id)] == item("unchanged", agent_id, 1) != spelled
    assert found[" crm/17 "] == item("changed", named, 1)
    assert found[lonely] == item("changed", by_uuid, 1)
    assert found[str(disabled)] == item("disabled", disabled, 2, "Moving.")
    assert found[str(foreign)] == found["none"] == limited[str(agent_id)]
    assert [key for key, one in limited.items() if one["state"] != "not_found"] == [" crm/17 "]
