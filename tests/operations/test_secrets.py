"""What a change does to stored secrets, and which facts about them are shown."""

from typing import Any
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa
from flask import Flask

from agents_app.connections import TYPES
from agents_app.db import db
from agents_app.errors import InvalidInput, Unavailable
from agents_app.models import Agent
from agents_app.operations import agent_reads, agents, runtime
from agents_app.operations.permissions import Actor
from tests.make import DATABASE, POWER_BI, make_agent, make_user, runtime_actor
from tests.pem import certificate, private_key

PASSWORD = "/connection_config/password"
CERTIFICATE = certificate()
# Every field of the destination, with another value than in make.py.
OTHER_DESTINATIONS: dict[str, dict[str, Any]] = {
    "DB": {
        "dialect": "mysql",
        "host": "other.example.org",
        "port": 5433,
        "database": "other",
        "username": "other",
        "sslmode": "disable",
        "ssl_root_cert": CERTIFICATE,
    },
    "POWERBI": {
        "tenant_id": "other.example.org",
        "client_id": str(uuid4()),
        "workspace_id": str(uuid4()),
        "dataset_id": str(uuid4()),
        "cloud": "china",
    },
}
SECRETS = {"DB": ["password"], "POWERBI": ["client_secret", "private_key_password"]}


@pytest.fixture
def admin(app: Flask) -> Actor:
    """An admin of a new account."""
    return make_user(app)


def in_clear(actor: Actor, agent_id: UUID) -> dict[str, Any]:
    """The configuration that a runtime fetches."""
    found = runtime.fetch(runtime_actor(actor), agent_id)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("kind", "member"), [(kind, member) for kind, all_ in OTHER_DESTINATIONS.items() for member in all_]
)
def test_secrets_must_be_typed_again_if_the_destination_changes(
    app: Flask, admin: Actor, kind: str, member: str
) -> None:
    config = dict.fromkeys(SECRETS[kind], "correct horse")
    agent_id = make_agent(app, admin, connection_type=kind, connection_config=config)

    with pytest.raises(InvalidInput) as refusal:
        agents.update(admin, agent_id, {"connection_config": {member: OTHER_DESTINATIONS[kind][member]}})

    assert [pointer for pointer, _ in refusal.value.fields] == [f"/connection_config/{name}" for name in SECRETS[kind]]
    assert in_clear(admin, agent_id)["connection_config"].items() >= config.items()


def test_every_field_of_the_destination_is_tested_above() -> None:
    for kind, declaration in TYPES.items():
        assert set(declaration.destination_names()) == set(OTHER_DESTINATIONS[kind.value])


def test_a_port_that_is_no_longer_given_is_another_destination(app: Flask, admin: Actor) -> None:
    agent_id = make_agent(app, admin, connection_config={"port": 6000, "password": "correct horse"})

    with pytest.raises(InvalidInput):
        agents.update(admin, agent_id, {"connection_config": {"port": None}})


@pytest.mark.parametrize("blank", ["", "  "])
def test_a_blank_secret_is_not_typed_again(app: Flask, admin: Actor, blank: str) -> None:
    agent_id = make_agent(app, admin, connection_config={"password": "correct horse"})

    with pytest.raises(InvalidInput):
        agents.update(admin, agent_id, {"connection_config": {"host": "other.example.org", "password": blank}})


@pytest.mark.parametrize("value", ["Ab***9!", "***1", "x***", "abc•••", "**", "xxxxy", "x...z", "hidden-7"])
def test_a_secret_that_only_contains_mask_characters_is_accepted(app: Flask, admin: Actor, value: str) -> None:
    for kind, names in SECRETS.items():
        config = dict.fromkeys(names, value)
        api_key = value if value.isascii() else None
        agent_id = make_agent(app, admin, connection_type=kind, api_key=api_key, connection_config=config)

        found = in_clear(admin, agent_id)

        assert found["connection_config"].items() >= config.items()
        assert found["api_key"] == api_key


@pytest.mark.parametrize(("typed", "left"), [("battery staple", "battery staple"), (None, None)])
def test_a_destination_changes_with_a_typed_or_removed_secret(
    app: Flask, admin: Actor, typed: str | None, left: str | None
) -> None:
    agent_id = make_agent(app, admin, api_key="sk-1", connection_config={"password": "correct horse"})

    agents.update(admin, agent_id, {"connection_config": {"host": "other.example.org", "password": typed}})

    found = in_clear(admin, agent_id)
    assert found["connection_config"].get("password") == left
    assert found["api_key"] == "sk-1"


def test_changing_the_type_and_changing_it_back_removes_the_secrets(app: Flask, admin: Actor) -> None:
    agent_id = make_agent(app, admin, connection_config={"password": "correct horse"})
    agents.update(admin, agent_id, {"connection_type": "POWERBI", "connection_config": POWER_BI})

    agents.update(admin, agent_id, {"connection_type": "DB", "connection_config": DATABASE})

    assert agent_reads.read(admin, agent_id)["secrets_set"] == {}


def test_a_secret_that_is_not_named_is_kept(app: Flask, admin: Actor) -> None:
    agent_id = make_agent(app, admin, api_key="sk-1", connection_config={"password": " correct  horse "})

    agents.update(admin, agent_id, {"name": "Other", "api_key": "", "connection_config": {"row_limit": 5}})

    found = in_clear(admin, agent_id)
    assert (found["api_key"], found["connection_config"]["password"]) == ("sk-1", " correct  horse ")


def test_the_facts_of_a_secret_are_when_by_whom_and_the_last_four_characters_of_a_long_one(
    app: Flask, admin: Actor
) -> None:
    agent_id = make_agent(app, admin, api_key="sk-123456789-wxyz", connection_config={"password": "fifteen letters"})

    facts = agent_reads.read(admin, agent_id)["secrets_set"]

    assert facts["/api_key"].items() >= {"set_by": admin.name, "last_four": "wxyz"}.items()
    assert facts[PASSWORD].items() >= {"set_by": admin.name, "last_four": None}.items()


def test_the_facts_of_a_key_in_pem_have_none_of_its_characters(app: Flask, admin: Actor) -> None:
    config = {"private_key_pem": private_key()}
    agent_id = make_agent(app, admin, connection_type="POWERBI", connection_config=config)

    facts = agent_reads.read(admin, agent_id)["secrets_set"]

    assert facts["/connection_config/private_key_pem"]["last_four"] is None


def test_a_stored_secret_can_be_decrypted_only_in_its_place(app: Flask, admin: Actor) -> None:
    first, second = (make_agent(app, admin, api_key="sk-1", connection_config={"password": "pw"}) for _ in "12")
    with db.transaction() as session:
        taken = session.scalar(sa.select(Agent.api_key).where(Agent.id == first))
        session.execute(sa.update(Agent).where(Agent.id == second).values(api_key=taken))

    with pytest.raises(Unavailable) as refusal:
        in_clear(admin, second)

    assert refusal.value.code == "secret_unavailable"
    assert agent_reads.read(admin, second)["name"] == "Sales"


def test_a_stored_secret_is_encrypted(app: Flask, admin: Actor) -> None:
    agent_id = make_agent(app, admin, api_key="sk-1", connection_config={"password": "correct horse"})

    with db.reading() as connection:
        row = connection.execute(sa.select(Agent.__table__).where(Agent.id == agent_id)).one()

    assert row.api_key.startswith("v1:k1:")
    assert row.connection_config["password"].keys() == {"$enc"}
    assert "correct horse" not in str(row)
    assert "sk-1" not in str(row)
