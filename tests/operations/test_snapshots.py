"""Snapshots of other releases: a missing, unknown or invalid field is never an internal error."""

import copy
from collections.abc import Callable
from functools import partial
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from flask import Flask

from agents_app.config import settings
from agents_app.connections import TYPES
from agents_app.db import db
from agents_app.errors import Conflict
from agents_app.models import Agent, AgentVersion
from agents_app.operations import agent_reads, agent_secrets, agents, rotation, snapshots, stored_secrets
from agents_app.operations.permissions import Actor
from agents_app.schemas.agents import CONFIG
from agents_app.values.choices import ConnectionType
from tests.make import agent_values, make_agent

CONFIGS: dict[str, dict[str, Any]] = {
    "DB": {"password": "pass word 12", "port": 6432, "row_limit": 7, "table_allow_list": ["orders"]},
    "POWERBI": {"client_secret": "a~client~secret~of~ours", "credential_expires_at": "2099-12-31", "timeout_s": 9},
}
TEXTS = {"description": "Of sales.", "model_type": "gpt-5-mini", "system_instructions": "Be brief."}
LACKING = object()
CHANGES = {"lacking": LACKING, "null": None, "a number": -7, "a text": "\x01", "a list": [["x"]]}
REQUIRED = {"name", "connection_type", CONFIG, "dialect", "host", "database", "username", "tenant_id", "client_id"} | {
    "workspace_id",
    "dataset_id",
}
Change = Callable[[dict[str, Any]], object]


def deleted(app: Flask, admin: Actor, kind: str) -> UUID:
    """A deleted agent with every field, whose secrets are kept."""
    agent_id = make_agent(
        app, admin, api_key="sk-0123456789abcdef", connection_type=kind, connection_config=CONFIGS[kind], **TEXTS
    )
    agents.delete(admin, agent_id)
    return agent_id


def rewrite(agent_id: UUID, change: Change, column: str = "snapshot", *, only: int | None = None) -> None:
    """Change all snapshots of an agent, or `only` that of one version, as if another release had written them."""
    versions = sa.select(AgentVersion).where(AgentVersion.agent_id == agent_id)
    with db.transaction() as session:
        for version in session.scalars(versions.where(AgentVersion.version == only) if only else versions):
            value = copy.deepcopy(getattr(version, column))
            if value is None:
                continue
            changed = change(value)
            setattr(version, column, value if changed is None else changed)


def put(place: str, value: Any) -> Change:
    """A change of one field, or of one field of the configuration."""

    def change(snapshot: dict[str, Any]) -> None:
        outer, _, inner = place.rpartition("/")
        holder = snapshot
        if outer:
            holder = snapshot[outer] = dict(snapshot[outer])
        if value is LACKING:
            holder.pop(inner)
        else:
            holder[inner] = value

    return change


def refusal_of(act: Callable[[], object]) -> Conflict | None:
    """The Conflict that a call raises, if any. Other exceptions are not caught."""
    try:
        act()
    except Conflict as refusal:
        return refusal
    return None


def places(app: Flask, admin: Actor, kind: str) -> list[str]:
    """Every field of a snapshot of this connection type."""
    agent_id = make_agent(app, admin, connection_type=kind, connection_config=CONFIGS[kind])
    with db.reading() as connection:
        recorded = connection.scalar(sa.select(AgentVersion.snapshot).where(AgentVersion.agent_id == agent_id))
    return [*recorded, *(f"{CONFIG}/{name}" for name in recorded[CONFIG])]


@pytest.mark.long
@pytest.mark.parametrize("how", CHANGES)
@pytest.mark.parametrize("kind", CONFIGS)
def test_undo_of_any_incomplete_or_invalid_snapshot_works_or_says_why_not(
    kind: str, how: str, app: Flask, admin: Actor
) -> None:
    found = places(app, admin, kind)
    assert {"name", "created_at", "created_by", "secrets", "status", f"{CONFIG}/row_limit"} <= set(found)
    for place in found:
        agent_id = deleted(app, admin, kind)
        rewrite(agent_id, put(place, CHANGES[how]))
        name = place.rpartition("/")[2]

        refusal = refusal_of(partial(agents.restore_deleted, admin, agent_id))
        if refusal is None:
            assert name not in REQUIRED, place
            _is_whole(admin, agent_id, kind)
        else:
            assert name in REQUIRED or how not in ("lacking", "null"), place
            assert refusal.code == snapshots.UNREADABLE
            assert refusal.detail.startswith("The stored version of this agent cannot be used by this release")
            assert place.replace("/", ".") in refusal.detail or place == CONFIG


def _is_whole(admin: Actor, agent_id: UUID, kind: str) -> None:
    """The agent can be read, fetched and changed, with its secrets."""
    config = agent_reads.read(admin, agent_id)[CONFIG]
    names = set(TYPES[ConnectionType(kind)].model_fields) - set(TYPES[ConnectionType(kind)].secret_names())
    with db.reading() as connection:
        row = connection.execute(sa.select(Agent).where(Agent.id == agent_id)).one()
    encrypted = agent_secrets.encrypted_values(row.api_key, row.connection_config)
    clear = agent_secrets.decrypt(settings().keys.encryption, admin.account_id, agent_id, encrypted)
    secret = TYPES[ConnectionType(kind)].secret_names()[0]

    assert set(config) == names
    assert clear == {"/api_key": "sk-0123456789abcdef", f"/{CONFIG}/{secret}": CONFIGS[kind][secret]}
    agents.update(admin, agent_id, {"description": "Changed after it came back."})


def test_a_missing_field_of_a_snapshot_has_its_default_and_an_unknown_one_is_dropped(app: Flask, admin: Actor) -> None:
    agent_id = deleted(app, admin, "DB")

    def change(snapshot: dict[str, Any]) -> None:
        for name in ("description", "status", "status_reason", "created_by", "created_at"):
            snapshot.pop(name)
        snapshot["colour"] = "red"
        config = {
            name: value for name, value in snapshot[CONFIG].items() if name not in ("row_limit", "port", "sslmode")
        }
        snapshot[CONFIG] = config | {"flavour": "sweet"}

    rewrite(agent_id, change)
    agents.restore_deleted(admin, agent_id)

    agent = agent_reads.read(admin, agent_id)
    assert (agent["description"], agent["status"], agent["status_reason"]) == (None, "active", None)
    assert (agent["created_by"], agent["model_type"]) == (None, "gpt-5-mini")
    config = agent[CONFIG]
    assert (config["row_limit"], config["port"], config["sslmode"]) == (1_000, 5432, "require")
    assert config["table_allow_list"] == ["orders"]
    assert "flavour" not in config


@pytest.mark.parametrize("snapshot", [[], "text", 7, {}, {CONFIG: []}, {"name": "Sales", "connection_type": "ORACLE"}])
def test_an_invalid_snapshot_is_a_conflict(snapshot: Any, app: Flask, admin: Actor) -> None:
    agent_id = deleted(app, admin, "DB")
    rewrite(agent_id, lambda _old: snapshot)

    with pytest.raises(Conflict, match="cannot be used by this release") as refusal:
        agents.restore_deleted(admin, agent_id)

    assert refusal.value.code == snapshots.UNREADABLE


@pytest.mark.parametrize(
    "kept", [[], "text", 7, {"sealed": []}, {"sealed": {"/api_key": 7}}, {"sealed": {"/api_key": None}}]
)
def test_kept_secrets_of_an_unknown_form_are_a_conflict_and_no_other_command_stops_at_them(
    kept: Any, app: Flask, admin: Actor
) -> None:
    agent_id = deleted(app, admin, "DB")
    rewrite(agent_id, lambda _old: kept, "kept_secrets")

    with pytest.raises(Conflict, match="its secrets cannot be read"):
        agents.restore_deleted(admin, agent_id)

    assert agent_id not in {holder.owner_id for holder in stored_secrets.secret_rows()}
    assert stored_secrets.status()
    assert rotation.rotate("operator", lambda _done: None)


@pytest.mark.parametrize("facts", [LACKING, None, {}, {"/api_key": None}, {"/api_key": {"set_by": "Ada", "hue": 1}}])
def test_secrets_are_restored_whatever_facts_were_recorded(facts: Any, app: Flask, admin: Actor) -> None:
    agent_id = deleted(app, admin, "DB")
    rewrite(agent_id, put("facts", facts), "kept_secrets")
    rewrite(agent_id, put("sealed/gone", "v1:k1:abc"), "kept_secrets")

    agents.restore_deleted(admin, agent_id)

    shown = agent_reads.read(admin, agent_id)["secrets_set"]
    assert set(shown) == {"/api_key", f"/{CONFIG}/password"}
    assert all(set(fact) == {"set_at", "set_by", "last_four", "readable"} for fact in shown.values())
    assert all(fact["readable"] for fact in shown.values())


@pytest.mark.long
@pytest.mark.parametrize("how", CHANGES)
def test_a_repeated_request_is_answered_whatever_the_first_request_recorded(how: str, app: Flask, admin: Actor) -> None:
    for place in places(app, admin, "DB"):
        values = agent_values(connection_config={"password": "pass word 12"})
        agent_id = agents.create(admin, values, f"{how} {place}").agent_id
        rewrite(agent_id, put(place, CHANGES[how]))

        refusal = refusal_of(partial(agents.create, admin, values, f"{how} {place}"))
        assert refusal is None or refusal.code == "idempotency_key_reused", place

    # A field that was not recorded has its default, so it is the same request.
    values = agent_values(name="Of other code")
    agent_id = agents.create(admin, values, "of other code").agent_id
    for place in ("description", "system_instructions", f"{CONFIG}/row_limit", f"{CONFIG}/port"):
        rewrite(agent_id, put(place, LACKING))
    rewrite(agent_id, put("colour", "red"))
    assert agents.create(admin, values, "of other code")[:2] == (agent_id, False)
    with pytest.raises(Conflict):
        agents.create(admin, values | {"description": "Other content."}, "of other code")
