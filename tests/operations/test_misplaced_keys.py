"""Private keys that 0.1.0 stored in a certificate field are not shown or copied, and do not block other changes."""

from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from flask import Flask

from agents_app.connections import TYPES
from agents_app.db import db
from agents_app.errors import InvalidInput
from agents_app.models import Agent, AgentVersion
from agents_app.operations import agent_reads, agents, runtime
from agents_app.operations.permissions import Actor
from agents_app.values import pem as schema
from agents_app.values.pem import without_private_keys
from tests import pem
from tests.make import make_agent, make_user, runtime_actor

BOTH = pem.certificate() + pem.private_key()
MARK = "PRIVATE KEY-----"
FIELDS = [("POWERBI", "certificate_pem"), ("DB", "ssl_root_cert")]


@pytest.fixture
def admin(app: Flask) -> Actor:
    """An admin of a new account."""
    return make_user(app)


def make_old_agent(app: Flask, admin: Actor, kind: str, field: str, value: object = BOTH) -> UUID:
    """An agent as an earlier release stored it: the row and the first version have this value."""
    agent_id = make_agent(app, admin, connection_type=kind)
    with db.transaction() as session:
        version = session.get_one(AgentVersion, (agent_id, 1))
        config = {**version.snapshot["connection_config"], field: value}
        version.snapshot = {**version.snapshot, "connection_config": config}
        session.execute(sa.update(Agent).where(Agent.id == agent_id).values(connection_config=config))
    return agent_id


def in_clear(actor: Actor, agent_id: UUID) -> dict[str, Any]:
    """The configuration that a runtime fetches."""
    found = runtime.fetch(runtime_actor(actor), agent_id)
    assert found is not None
    config: dict[str, Any] = found["connection_config"]
    return config


def snapshot(agent_id: UUID, version: int) -> str:
    """The snapshot of a version, as text."""
    with db.reading() as connection:
        wanted = sa.select(AgentVersion.snapshot)
        found = wanted.where(AgentVersion.agent_id == agent_id, AgentVersion.version == version)
        return str(connection.scalar(found))


def test_every_certificate_field_is_tested_here() -> None:
    takes_pem = [
        (kind.value, name)
        for kind, model in TYPES.items()
        for name, member in model.model_json_schema()["properties"].items()
        if member.get("maxLength") == schema.MOST and name not in model.secret_names()
    ]

    assert sorted(takes_pem) == sorted(FIELDS)


@pytest.mark.parametrize(("kind", "field"), FIELDS)
def test_a_stored_private_key_is_not_shown(app: Flask, admin: Actor, kind: str, field: str) -> None:
    agent_id = make_old_agent(app, admin, kind, field)

    shown = agent_reads.read(admin, agent_id)["connection_config"]

    assert shown[field] == pem.certificate()


@pytest.mark.parametrize(("kind", "field"), FIELDS)
def test_a_private_key_is_not_accepted_again(app: Flask, admin: Actor, kind: str, field: str) -> None:
    agent_id = make_old_agent(app, admin, kind, field)

    with pytest.raises(InvalidInput) as refusal:
        agents.update(admin, agent_id, {"name": "Other", "connection_config": {field: BOTH}})

    assert [pointer for pointer, _ in refusal.value.fields] == [f"/connection_config/{field}"]


@pytest.mark.parametrize("ends", ["\n", "\r\n"])
@pytest.mark.parametrize("is_sent", [False, True], ids=["field left out", "field sent back as shown"])
@pytest.mark.parametrize(("kind", "field"), FIELDS)
def test_another_field_changes_and_no_new_copy_of_the_key_is_made(
    app: Flask, admin: Actor, kind: str, field: str, ends: str, *, is_sent: bool
) -> None:
    agent_id = make_old_agent(app, admin, kind, field)
    sent = {"connection_config": {field: pem.certificate().replace("\n", ends)}} if is_sent else {}

    agents.update(admin, agent_id, {"name": "Other", **sent})

    assert agent_reads.read(admin, agent_id)["name"] == "Other"
    assert MARK not in snapshot(agent_id, 2)
    assert in_clear(admin, agent_id)[field] == BOTH


def test_a_new_certificate_takes_the_place_of_certificate_and_key(app: Flask, admin: Actor) -> None:
    agent_id = make_old_agent(app, admin, "POWERBI", "certificate_pem")

    agents.update(admin, agent_id, {"connection_config": {"certificate_pem": pem.certificate("new")}})

    assert in_clear(admin, agent_id)["certificate_pem"] == pem.certificate("new")


def test_a_copy_and_a_restored_agent_do_not_have_the_key(app: Flask, admin: Actor) -> None:
    agent_id = make_old_agent(app, admin, "POWERBI", "certificate_pem")
    copy_id = agents.clone(admin, agent_id).agent_id
    agents.delete(admin, agent_id)

    agents.restore_deleted(admin, agent_id)

    for one in (agent_id, copy_id):
        assert in_clear(admin, one)["certificate_pem"] == pem.certificate()
    assert MARK not in snapshot(copy_id, 1) + snapshot(agent_id, 2) + snapshot(agent_id, 3)


@pytest.mark.parametrize(
    ("field", "stored"),
    [
        ("certificate_pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"),
        ("tenant_id", "one word"),
        ("workspace_id", "Finance"),
        ("row_limit", 10**7),
        ("a field of another release", "x"),
    ],
)
def test_a_stored_value_that_is_now_refused_does_not_block_other_changes(
    app: Flask, admin: Actor, field: str, stored: object
) -> None:
    agent_id = make_old_agent(app, admin, "POWERBI", field, stored)

    agents.update(admin, agent_id, {"name": "Other"})
    if " of " not in field:
        agents.update(admin, agent_id, {"description": "Sent back.", "connection_config": {field: str(stored)}})

    assert agent_reads.read(admin, agent_id)["connection_config"].get(field) == (None if " of " in field else stored)
    with pytest.raises(InvalidInput):
        agents.update(admin, agent_id, {"connection_config": {field: f"{stored}1" if field != "row_limit" else 0}})


def test_a_stored_name_that_is_now_refused_does_not_block_other_changes(app: Flask, admin: Actor) -> None:
    agent_id = make_agent(app, admin)
    with db.transaction() as session:
        session.execute(sa.update(Agent).where(Agent.id == agent_id).values(name="Sales\u2028figures"))

    agents.update(admin, agent_id, {"description": "Answers."})

    assert agent_reads.read(admin, agent_id)["name"] == "Sales\u2028figures"


@pytest.mark.parametrize("form", pem.keys())
def test_a_private_key_is_accepted_in_its_own_field(app: Flask, admin: Actor, form: str) -> None:
    for text in (pem.keys()[form], pem.keys()[form].replace("\n", "\\n")):
        agent_id = make_agent(app, admin, connection_type="POWERBI", connection_config={"private_key_pem": text})

        assert in_clear(admin, agent_id)["private_key_pem"] == pem.keys()[form]


def test_a_chain_of_certificates_is_accepted(app: Flask, admin: Actor) -> None:
    leaf, root = pem.certificate("leaf"), pem.certificate("root")

    agent_id = make_agent(app, admin, connection_config={"ssl_root_cert": f"  {leaf}\n{root}\n\n"})

    assert agent_reads.read(admin, agent_id)["connection_config"]["ssl_root_cert"] == leaf + root


@pytest.mark.parametrize("label", ["PGP PRIVATE KEY BLOCK", "PRIVATE  KEY", "PRIVATE KEY ", "OPENSSH PRIVATE KEY"])
def test_a_private_key_is_recognised_by_every_label_that_0_1_0_accepted(label: str) -> None:
    certificate = pem.certificate()

    assert without_private_keys(f"{certificate}-----BEGIN {label}-----\nQUJD\n-----END {label}-----\n") == certificate


@pytest.mark.parametrize("sign", ["\u00ad", "\u2060", "\u200b", "\u061c", "\u034f", "\ufe0f"])
@pytest.mark.parametrize(
    "label", ["PRI{}VATE KEY", "PRIVATE K{}EY", "PRIVATE{}KEY", "EC {}PRIVATE KEY", "PRIVATE KEY{}"]
)
def test_an_invisible_character_does_not_hide_a_private_key(app: Flask, admin: Actor, sign: str, label: str) -> None:
    key = pem.private_key().replace("PRIVATE KEY", label.format(sign))

    with pytest.raises(InvalidInput) as refusal:
        make_agent(app, admin, connection_config={"ssl_root_cert": key})

    assert "A private key does not belong in the field" in refusal.value.fields[0][1]
    assert without_private_keys(key) == ""
    assert without_private_keys("a\u00adb") == "a\u00adb"
