"""The history of an agent: its versions are listed, read, compared and restored, without values of secrets."""

from typing import Any
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa
from flask import Flask

from agents_app.db import db
from agents_app.errors import Conflict, Forbidden, InvalidInput, Malformed, NotFound, Stale
from agents_app.models import AgentVersion, Event
from agents_app.operations import agent_history, agent_reads, agents, bulk_agents
from agents_app.operations.permissions import Actor
from agents_app.schemas.agents import CONFIG
from agents_app.schemas.change_notes import SECRET
from agents_app.schemas.versions import make_cursor
from agents_app.values.choices import Door
from tests.make import POWER_BI, make_agent, make_user

KEY, PASSWORD = "sk-0123456789-canary", "canary-of-the-database"
SECRETS = {"api_key": KEY, CONFIG: {"password": PASSWORD}}
DATABASE_PASSWORD = f"/{CONFIG}/password"
PRIVATE_KEY = "-----BEGIN PRIVATE KEY----- MIIEvQ -----END PRIVATE KEY-----"


@pytest.fixture
def admin(app: Flask) -> Actor:
    """An admin of a new account."""
    return make_user(app)


@pytest.fixture
def agent_id(app: Flask, admin: Actor) -> UUID:
    """An agent with secrets, at version 1."""
    return make_agent(app, admin, **SECRETS)


def store_snapshot(agent_id: UUID, version: int, snapshot: Any) -> None:
    """Put something else in place of what a version recorded."""
    where = AgentVersion.agent_id == agent_id, AgentVersion.version == version
    with db.transaction() as session:
        session.execute(sa.update(AgentVersion).where(*where).values(snapshot=snapshot))


def snapshot_of(agent_id: UUID, version: int) -> Any:
    with db.reading() as connection:
        where = AgentVersion.agent_id == agent_id, AgentVersion.version == version
        return connection.scalar(sa.select(AgentVersion.snapshot).where(*where))


def refused(admin: Actor, agent_id: UUID, number: int, **values: Any) -> dict[str, str]:
    with pytest.raises(InvalidInput) as refusal:
        agents.restore_version(admin, agent_id, number, values)
    return dict(refusal.value.fields)


@pytest.mark.parametrize("number", [0, -1, 2, 2**31, 10**30])
def test_a_version_that_does_not_exist_is_neither_read_nor_compared_nor_restored(
    number: int, admin: Actor, agent_id: UUID
) -> None:
    for ask in (agent_history.read_version, agent_history.difference, agents.restore_version):
        with pytest.raises(NotFound):
            ask(admin, agent_id, number)
        with pytest.raises(NotFound):
            ask(admin, uuid4(), 1)
    with pytest.raises(NotFound):
        agent_history.difference(admin, agent_id, 1, number)


def test_versions_of_another_account_are_not_there(app: Flask, agent_id: UUID) -> None:
    other = make_user(app)

    for ask in (agent_history.read_version, agent_history.difference, agents.restore_version):
        messages = set()
        for wanted in (agent_id, uuid4()):
            with pytest.raises(NotFound) as refusal:
                ask(other, wanted, 1)
            messages.add(refusal.value.detail)
        assert len(messages) == 1
    with pytest.raises(NotFound):
        agent_history.listing(other, agent_id)


@pytest.mark.parametrize("cursor", ["zzz", "x" * 4_000, "W10", make_cursor(1), make_cursor(0), make_cursor(2**31)])
def test_a_cursor_that_is_not_valid_is_refused(cursor: str, admin: Actor, agent_id: UUID) -> None:
    with pytest.raises(Malformed):
        agent_history.listing(admin, agent_id, cursor)


def test_viewers_read_the_history_and_restore_nothing(app: Flask, admin: Actor, agent_id: UUID) -> None:
    viewer = make_user(app, "viewer", admin.account_id)
    agents.update(admin, agent_id, {"name": "Orders"})

    with pytest.raises(Forbidden):
        agents.restore_version(viewer, agent_id, 1)

    assert len(agent_history.listing(viewer, agent_id).items) == 2
    assert agents.restore_version(make_user(app, "editor", admin.account_id), agent_id, 1)


def test_a_stale_restore_writes_nothing(admin: Actor, agent_id: UUID) -> None:
    agents.update(admin, agent_id, {"name": "Orders"})

    with pytest.raises(Stale):
        agents.restore_version(admin, agent_id, 1, version=1)

    assert agent_reads.read(admin, agent_id)["version"] == 2


def test_a_secret_is_not_restored_to_another_destination(admin: Actor, agent_id: UUID) -> None:
    moved = {"host": "new.example.org", "password": "the new password"}
    agents.update(admin, agent_id, {CONFIG: moved, "model_provider": "openai", "api_key": "sk-the-new-key"})

    problems = refused(admin, agent_id, 1)

    assert problems.keys() == {"/api_key", DATABASE_PASSWORD}
    assert problems == {
        "/api_key": "This version has another model provider or base URL, so the stored API key is not used. "
        + "Set it now, or remove it.",
        DATABASE_PASSWORD: "This version has another destination of the connection, so the stored password is not "
        + "used. Set it now, or remove it.",
    }
    assert refused(admin, agent_id, 1, api_key="sk-typed-again").keys() == {DATABASE_PASSWORD}
    assert agents.restore_version(admin, agent_id, 1, {"api_key": "sk-typed-again", CONFIG: {"password": None}})
    assert agent_reads.read(admin, agent_id)["secrets_set"].keys() == {"/api_key"}
    assert agent_history.read_version(admin, agent_id, 3).change.secrets == {
        "/api_key": "replaced",
        DATABASE_PASSWORD: "removed",
    }


def test_a_restore_takes_a_note_and_secrets_of_the_restored_version_only(admin: Actor, agent_id: UUID) -> None:
    agents.update(admin, agent_id, {"connection_type": "POWERBI", CONFIG: POWER_BI})
    values = {"name": "Other", CONFIG: {"host": "x", "client_secret": "y", "a/b": 1}, "note": "a\nb", "api_key": 5}

    problems = refused(admin, agent_id, 1, **values)

    wrong = {"/name", f"/{CONFIG}/host", f"/{CONFIG}/client_secret", f"/{CONFIG}", "/note", "/api_key"}
    assert problems.keys() == wrong
    assert "api_key, connection_config.password" in problems["/name"]
    assert agent_reads.read(admin, agent_id)["version"] == 2


def test_a_version_whose_external_id_another_agent_has_is_not_restored(app: Flask, admin: Actor) -> None:
    agent_id = make_agent(app, admin, external_id="crm-1")
    agents.update(admin, agent_id, {"external_id": None})
    make_agent(app, admin, external_id="crm-1")

    with pytest.raises(Conflict) as refusal:
        agents.restore_version(admin, agent_id, 1)

    assert refusal.value.code == "external_id_reused"
    assert agent_reads.read(admin, agent_id)["version"] == 2


@pytest.mark.parametrize("snapshot", [[], "x", 7, {"connection_type": "FAX"}, {"name": 5, "connection_type": "DB"}])
def test_a_version_that_cannot_be_read_is_listed_and_says_so(admin: Actor, agent_id: UUID, snapshot: Any) -> None:
    agents.update(admin, agent_id, {"name": "Orders"})
    store_snapshot(agent_id, 1, snapshot)

    read = agent_history.read_version(admin, agent_id, 1)
    with pytest.raises(Conflict) as refusal:
        agents.restore_version(admin, agent_id, 1)

    assert [one.version for one in agent_history.listing(admin, agent_id).items] == [2, 1]
    assert read.problem
    assert read.problem.startswith("The stored version of this agent cannot be used by this release:")
    assert (read.content is None) == (not isinstance(snapshot, dict))
    assert refusal.value.detail.endswith("Restore another version, or change the agent.")


def test_a_note_with_a_private_key_is_refused_at_every_change(admin: Actor, agent_id: UUID) -> None:
    agents.update(admin, agent_id, {"name": "Orders"})
    note = {"note": PRIVATE_KEY}
    changes = (
        lambda: agents.update(admin, agent_id, {"name": "Other", **note}),
        lambda: agents.enable(admin, agent_id, values=note),
        lambda: agents.disable(admin, agent_id, {"reason": "Moving.", **note}),
        lambda: bulk_agents.act(admin, {"act": "disable", "ids": [agent_id], "reason": "Moving.", **note}),
        lambda: bulk_agents.undo(admin, agent_id, note),
        lambda: agents.clone(admin, agent_id, values=note),
        lambda: agents.restore_version(admin, agent_id, 1, note),
        lambda: agents.delete(admin, agent_id, values=note),
        lambda: agents.restore_deleted(admin, agent_id, note),
    )

    for change in changes:
        with pytest.raises(InvalidInput) as refusal:
            change()
        assert [pointer for pointer, _ in refusal.value.fields] == ["/note"]
    # The reason is a note too.
    for values in ({"reason": PRIVATE_KEY}, {"reason": PRIVATE_KEY, "act": "disable", "ids": [agent_id]}):
        with pytest.raises(InvalidInput) as refusal:
            bulk_agents.act(admin, values) if "act" in values else agents.disable(admin, agent_id, values)
        assert [pointer for pointer, _ in refusal.value.fields] == ["/reason"]


def test_a_note_repeats_no_secret_of_its_change_and_confirms_no_guess_of_a_stored_one(
    admin: Actor, agent_id: UUID
) -> None:
    key = {"api_key": "Bearer sk-new-0123456789", CONFIG: {"password": "short"}}
    for values in ({"note": "Now sk-new-0123456789."}, {"note": "The key Bearer sk-new-0123456789", "name": ""}):
        with pytest.raises(InvalidInput) as refusal:
            agents.update(admin, agent_id, {**key, **values})
        assert ("/note", SECRET) in refusal.value.fields
        assert "sk-new" not in str(refusal.value.fields)

    # Too short to tell that it is a secret, then one that is stored: the answer must be that for a wrong guess.
    agents.update(admin, agent_id, {**key, "note": "A short note"})
    for guess in ("sk-new-0123456789", "sk-other-0123456789"):
        agents.update(admin, agent_id, {"name": guess[3:8], "note": f"It is {guess}"})

    assert agent_reads.read(admin, agent_id)["version"] == 4


def test_a_restore_of_what_the_agent_has_writes_nothing(admin: Actor, agent_id: UUID) -> None:
    agents.update(admin, agent_id, {"name": "Orders"})
    agents.update(admin, agent_id, {"name": "Sales"})

    assert not agents.restore_version(admin, agent_id, 1, {"note": "Nothing to do."})

    assert agent_reads.read(admin, agent_id)["version"] == 3


def test_the_first_version_is_restored_as_a_new_one_which_names_it(admin: Actor, agent_id: UUID) -> None:
    before = agent_reads.read(admin, agent_id)
    agents.update(admin, agent_id, {"name": "Orders", "labels": {"team": "finance"}, CONFIG: {"row_limit": 7}})
    agents.disable(admin, agent_id, {"reason": "Moving."})

    assert agents.restore_version(admin, agent_id, 1, {"note": "The new name was wrong."}, 3)

    after = agent_reads.read(admin, agent_id)
    same = ("name", "labels", CONFIG, "secrets_set")
    assert {name: after[name] for name in same} == {name: before[name] for name in same}
    assert (after["version"], after["status"], after["status_reason"]) == (4, "disabled", "Moving.")
    change = agent_history.listing(admin, agent_id).items[0]
    assert (change.action, change.restored_version, change.note, change.door) == (
        "agent.version_restored",
        1,
        "The new name was wrong.",
        Door.PAGE,
    )
    assert sorted(change.fields) == [f"/{CONFIG}/row_limit", "/labels", "/name"]
    assert change.secrets == {}
    with db.reading() as connection:
        wanted = sa.select(Event.details).where(Event.target_id == agent_id, Event.action == change.action)
        assert connection.scalar(wanted) == {"version": 4, "restored_version": 1, "note": "The new name was wrong."}


def test_secrets_that_the_restored_type_has_not_are_removed(app: Flask, admin: Actor) -> None:
    agent_id = make_agent(app, admin, connection_type="POWERBI", connection_config=POWER_BI, api_key=KEY)
    agents.update(admin, agent_id, {"connection_type": "DB", CONFIG: {**_database(), "password": PASSWORD}})

    agents.restore_version(admin, agent_id, 1)

    read = agent_reads.read(admin, agent_id)
    assert (read["connection_type"], read["secrets_set"].keys()) == ("POWERBI", {"/api_key"})
    assert agent_history.read_version(admin, agent_id, 3).change.secrets == {DATABASE_PASSWORD: "removed"}


def test_values_that_this_release_refuses_stay_valid_while_they_are_the_same(admin: Actor, agent_id: UUID) -> None:
    agents.update(admin, agent_id, {"owner": "Finance"})
    with db.transaction() as session:
        session.execute(
            sa.text("UPDATE agents SET model_type = :odd WHERE id = :id").bindparams(
                sa.bindparam("odd", "\u202eodd"), sa.bindparam("id", agent_id, sa.Uuid)
            )
        )
    store_snapshot(agent_id, 1, {**snapshot_of(agent_id, 1), "model_type": "\u202eodd"})

    assert agents.restore_version(admin, agent_id, 1)

    assert agent_history.read_version(admin, agent_id, 3).change.fields == ["/owner"]


def test_versions_are_listed_newest_first_page_by_page_also_of_a_deleted_agent(
    app: Flask, admin: Actor, agent_id: UUID
) -> None:
    agents.update(admin, agent_id, {"name": "Orders", "api_key": "sk-9876543210-canary"})
    agents.update(admin, agent_id, {"connection_type": "POWERBI", CONFIG: POWER_BI, "note": "Moved."})
    agents.delete(admin, agent_id, values={"note": "Not needed."})

    first = agent_history.listing(admin, agent_id, limit=3)
    second = agent_history.listing(admin, agent_id, first.next_cursor, 3)

    assert [(one.version, one.action) for one in first.items + second.items] == [
        (4, "agent.deleted"),
        (3, "agent.updated"),
        (2, "agent.updated"),
        (1, "agent.created"),
    ]
    assert [one.note for one in first.items] == ["Not needed.", "Moved.", None]
    assert [one.fields for one in first.items[1:] + second.items] == [["/connection_type"], ["/name"], []]
    assert [dict(one.secrets) for one in first.items + second.items] == [
        {},
        {DATABASE_PASSWORD: "removed"},
        {"/api_key": "replaced"},
        {"/api_key": "set", DATABASE_PASSWORD: "set"},
    ]
    assert (first.name, first.newest, first.is_there, second.next_cursor) == ("Orders", 4, False, None)
    assert KEY not in repr((first, second))


def test_any_two_versions_are_compared_and_of_secrets_only_what_happened(admin: Actor, agent_id: UUID) -> None:
    agents.update(admin, agent_id, {"name": "Orders", "api_key": "sk-9876543210-canary"})
    agents.update(admin, agent_id, {"owner": "Finance", CONFIG: {"password": None}})
    agents.update(admin, agent_id, {"name": "Returns"})

    found = agent_history.difference(admin, agent_id, 4, 1)
    back = agent_history.difference(admin, agent_id, 1, 4)
    same = agent_history.difference(admin, agent_id, 2, 2)

    assert (found.base, found.changed) == (1, ["/name", "/owner"])
    assert found.before
    assert found.after
    assert back.after
    assert (found.before["name"], found.after["name"], back.after["name"]) == ("Sales", "Returns", "Sales")
    assert found.secrets == {"/api_key": "replaced", DATABASE_PASSWORD: "removed"}
    assert back.secrets == {"/api_key": "replaced", DATABASE_PASSWORD: "set"}
    assert (same.changed, same.secrets) == ([], {})
    assert agent_history.difference(admin, agent_id, 4).secrets == {}
    assert agent_history.difference(admin, agent_id, 1).base is None
    assert "canary" not in repr((found, back))


def test_a_version_is_read_as_it_was_without_values_of_secrets(admin: Actor, agent_id: UUID) -> None:
    agents.update(admin, agent_id, {"name": "Orders", CONFIG: {"password": None}})

    first, second = (agent_history.read_version(admin, agent_id, number) for number in (1, 2))

    assert first.content
    assert second.content
    assert (first.content["name"], second.content["name"], first.content["status"]) == ("Sales", "Orders", "active")
    assert (first.secrets, second.secrets) == (["/api_key", DATABASE_PASSWORD], ["/api_key"])
    assert (first.problem, first.newest, first.is_there) == (None, 2, True)
    assert "canary" not in repr((first, second))


def _database() -> dict[str, Any]:
    return {"dialect": "postgresql", "host": "db.example.org", "database": "sales", "username": "reader"}
