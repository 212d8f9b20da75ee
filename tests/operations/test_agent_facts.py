"""The external id, the owner, the environment, the labels and the model provider of agents, and what agents lack."""

import threading
from typing import Any
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa
from flask import Flask

from agents_app.db import db
from agents_app.errors import Conflict, InvalidInput
from agents_app.models import Agent
from agents_app.operations import agent_reads, agents, external_ids
from agents_app.operations.permissions import Actor
from agents_app.schemas import listing
from agents_app.schemas.agents import CONFIG
from agents_app.schemas.completeness import missing
from tests import pem
from tests.make import agent_values, make_agent, make_user
from tests.operations.test_secrets import in_clear

TAKEN = [("/external_id", external_ids.TAKEN)]
KEY_AGAIN = (
    "The model provider or its base URL has changed, so the stored API key is not used. "
    + "Set it again, remove it, or undo that change."
)
MODEL = {"model_provider": "openai", "model_base_url": "https://models.example.org/v1", "api_key": "sk-1234"}
PASSWORD = {"password": "correct horse"}


@pytest.fixture
def admin(app: Flask) -> Actor:
    """An admin of a new account."""
    return make_user(app)


def test_a_second_agent_of_an_account_cannot_have_the_same_external_id(app: Flask, admin: Actor) -> None:
    make_agent(app, admin, external_id="crm-1")
    other = make_agent(app, admin, external_id="CRM-1")
    make_agent(app, make_user(app), external_id="crm-1")

    with pytest.raises(InvalidInput) as made:
        agents.create(admin, agent_values(external_id=" crm-1"))
    with pytest.raises(InvalidInput) as changed:
        agents.update(admin, other, {"external_id": "crm-1", "name": "Other"})

    assert made.value.fields == changed.value.fields == TAKEN
    assert agent_reads.read(admin, other)["name"] == "Sales"
    assert [make_agent(app, admin, external_id=None), make_agent(app, admin, external_id="")]


def test_concurrent_requests_with_one_external_id_make_one_agent(app: Flask, admin: Actor) -> None:
    made: list[object] = []
    together = threading.Barrier(4)

    def create() -> None:
        with app.app_context():
            together.wait()
            try:
                made.append(agents.create(admin, agent_values(external_id="crm-1"))[0])
            except InvalidInput as refusal:
                made.append(refusal.fields)

    threads = [threading.Thread(target=create) for _ in range(4)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]

    assert made.count(TAKEN) == 3
    assert len(agent_reads.listing(admin, listing.parse({"external_id": "crm-1"})).items) == 1


def test_a_repeated_request_with_an_external_id_returns_its_agent(app: Flask, admin: Actor) -> None:
    values = agent_values(external_id="crm-1")
    first = agents.create(admin, values, "deploy").agent_id

    assert agents.create(admin, values, "deploy")[:2] == (first, False)
    with pytest.raises(InvalidInput) as refusal:
        agents.create(admin, values, "another key")
    assert refusal.value.fields == TAKEN


def test_an_agent_whose_external_id_was_used_again_is_not_restored(app: Flask, admin: Actor) -> None:
    deleted = make_agent(app, admin, external_id="crm-1")
    agents.delete(admin, deleted)
    other = make_agent(app, admin, external_id="crm-1")

    with pytest.raises(Conflict) as refusal:
        agents.restore_deleted(admin, deleted)
    agents.update(admin, other, {"external_id": None})
    agents.restore_deleted(admin, deleted)

    assert (refusal.value.code, refusal.value.detail) == (external_ids.REUSED_CODE, external_ids.REUSED)
    assert agent_reads.read(admin, deleted)["external_id"] == "crm-1"


@pytest.mark.parametrize(
    "change",
    [
        {"model_provider": "anthropic"},
        {"model_provider": None},
        {"model_base_url": "https://models.example.org/v2"},
        {"model_base_url": "https://models.example.org:444/v1"},
        {"model_base_url": None},
        {"model_base_url": "https://evil.example.org/v1", "api_key": " "},
    ],
)
def test_the_api_key_must_be_typed_again_if_its_destination_changes(
    app: Flask, admin: Actor, change: dict[str, Any]
) -> None:
    agent_id = make_agent(app, admin, **MODEL, connection_config=PASSWORD)

    with pytest.raises(InvalidInput) as refusal:
        agents.update(admin, agent_id, change)
    agents.update(admin, agent_id, change | {"api_key": "sk-5678"})

    assert refusal.value.fields == [("/api_key", KEY_AGAIN)]
    assert in_clear(admin, agent_id)["api_key"] == "sk-5678"
    assert in_clear(admin, agent_id)[CONFIG]["password"] == "correct horse"


def test_an_agent_without_a_provider_asks_for_its_key_when_it_gets_one(app: Flask, admin: Actor) -> None:
    agent_id = make_agent(app, admin, api_key="sk-1234")

    with pytest.raises(InvalidInput):
        agents.update(admin, agent_id, {"model_base_url": "https://evil.example.org"})
    agents.update(admin, agent_id, {"model_base_url": "https://evil.example.org", "api_key": None})

    assert in_clear(admin, agent_id)["api_key"] is None


@pytest.mark.parametrize(
    "change",
    [
        {"model_base_url": "HTTPS://Models.Example.org:443/v1/"},
        {"model_base_url": "“https://models.example.org/v1”"},
        {"model_type": "gpt-5", "owner": "Ada", CONFIG: {"host": "other.example.org", "password": "new"}},
    ],
)
def test_the_api_key_is_kept_if_its_destination_is_the_same(app: Flask, admin: Actor, change: dict[str, Any]) -> None:
    agent_id = make_agent(app, admin, **MODEL, connection_config=PASSWORD)

    agents.update(admin, agent_id, change)

    assert in_clear(admin, agent_id).items() >= MODEL.items()


def test_a_copy_and_a_restored_agent_have_every_fact_and_the_key_with_its_destination(app: Flask, admin: Actor) -> None:
    facts = {"owner": "Ada", "environment": "production", "labels": {"team": "a=b"}, "api_key_expires_at": "2030-01-02"}
    agent_id = make_agent(app, admin, **MODEL, **facts, external_id="crm-1")
    known = in_clear(admin, agent_id)
    copy_id = agents.clone(admin, agent_id).agent_id
    agents.delete(admin, agent_id)
    agents.restore_deleted(admin, agent_id)

    kept = ("owner", "environment", "labels", "api_key_expires_at", *MODEL)
    copy = in_clear(admin, copy_id)

    assert in_clear(admin, agent_id).items() >= {name: known[name] for name in (*kept, "external_id")}.items()
    assert copy.items() >= {name: known[name] for name in kept}.items()
    assert (copy["external_id"], copy["name"]) == (None, "Copy of Sales")


def test_labels_are_replaced_together(app: Flask, admin: Actor) -> None:
    agent_id = make_agent(app, admin, labels={"team": "finance", "region": "emea"})

    agents.update(admin, agent_id, {"labels": {"team": "sales"}})
    assert agent_reads.read(admin, agent_id)["labels"] == {"team": "sales"}

    agents.update(admin, agent_id, {"labels": None})
    assert agent_reads.read(admin, agent_id)["labels"] == {}


@pytest.mark.parametrize(
    ("written", "stored"),
    [
        ("http://localhost:11434", "http://localhost:11434"),
        ("http://ollama:11434/", "http://ollama:11434"),
        ("http://[::1]:11434", "http://[::1]:11434"),
        ("http://10.1.2.3/v1", "http://10.1.2.3/v1"),
        ("http://100.64.0.1", "http://100.64.0.1"),
        ("http://gpu.internal", "http://gpu.internal"),
        ("https://8.8.8.8:8443", "https://8.8.8.8:8443"),
        ("https://XN--bcher-kva.example.org./a%20b", "https://xn--bcher-kva.example.org/a%20b"),
    ],
)
def test_a_base_url_is_stored_in_its_usual_spelling(app: Flask, admin: Actor, written: str, stored: str) -> None:
    agent_id = make_agent(app, admin, model_base_url=written)

    assert agent_reads.read(admin, agent_id)["model_base_url"] == stored


@pytest.mark.parametrize(
    "host",
    ["[::ffff:8.8.8.8]", "[fe80::1]", "[fd00:ec2::254%25x]", "0.0.0.0", "169.254.169.254", "internal.example.org"],
)
def test_an_http_url_of_another_network_is_refused(app: Flask, admin: Actor, host: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        agents.create(admin, agent_values(model_base_url=f"http://{host}"))

    assert [pointer for pointer, _ in refusal.value.fields] == ["/model_base_url"]


def store(agent_id: UUID, **columns: Any) -> None:
    """Store values in the row of an agent, without any check."""
    with db.transaction() as session:
        session.execute(sa.update(Agent).where(Agent.id == agent_id).values(**columns))


@pytest.mark.parametrize(
    "stored", [{"model_base_url": "http://api.example.org/?key=1"}, {"owner": "x\u202ey"}, {"labels": {"a b": ""}}]
)
def test_a_stored_fact_that_is_now_refused_does_not_block_other_changes(
    app: Flask, admin: Actor, stored: dict[str, Any]
) -> None:
    agent_id = make_agent(app, admin, api_key="sk-1234")
    store(agent_id, **stored)

    agents.update(admin, agent_id, {"name": "Other", **stored})

    assert agent_reads.read(admin, agent_id).items() >= {"name": "Other", **stored}.items()


@pytest.mark.parametrize(
    ("dialect", "mode"), [("mysql", "verify-full"), ("postgresql", "require"), ("mssql", "verify-full")]
)
def test_a_new_agent_gets_the_tls_mode_of_its_database_type(app: Flask, admin: Actor, dialect: str, mode: str) -> None:
    config = agent_values(connection_config={"dialect": dialect})[CONFIG]
    agent_id = make_agent(app, admin, connection_config=config)
    without_mode = make_agent(app, admin, connection_config=config)
    store(without_mode, connection_config=config | {"sslmode": None, "port": 3306})

    agents.update(admin, without_mode, {CONFIG: {"row_limit": 5}})

    assert agent_reads.read(admin, agent_id)[CONFIG]["sslmode"] == mode
    assert agent_reads.read(admin, without_mode)[CONFIG]["sslmode"] == "require"


def test_the_day_on_which_the_password_expires_is_that_of_the_credential(app: Flask, admin: Actor) -> None:
    agent_id = make_agent(app, admin, connection_config={"credential_expires_at": "2030-01-02"})

    assert str(agent_reads.read(admin, agent_id)["credential_expires_at"]) == "2030-01-02"


CERTIFICATE = {"auth_method": "certificate"}
LACKS = [
    ({}, ["/connection_config/password"]),
    ({CONFIG: PASSWORD, "api_key": "sk-1"}, []),
    ({CONFIG: PASSWORD, "model_provider": "openai"}, ["/api_key"]),
    ({CONFIG: PASSWORD, "model_provider": "openai", "api_key": "sk-1"}, []),
    ({CONFIG: PASSWORD, "model_provider": "azure_openai"}, ["/model_base_url", "/api_key"]),
    ({CONFIG: PASSWORD, "model_provider": "anthropic"}, ["/api_key"]),
    ({CONFIG: PASSWORD, "model_provider": "ollama"}, ["/model_base_url"]),
    ({CONFIG: PASSWORD, "model_provider": "openai_compatible", "model_base_url": "http://localhost"}, []),
    ({"connection_type": "POWERBI"}, ["/connection_config/client_secret"]),
    ({"connection_type": "POWERBI", CONFIG: {"client_secret": "x"}}, []),
    (
        {"connection_type": "POWERBI", CONFIG: {**CERTIFICATE, "client_secret": "x"}},
        ["/connection_config/certificate_pem", "/connection_config/private_key_pem"],
    ),
    (
        {
            "connection_type": "POWERBI",
            CONFIG: {**CERTIFICATE, "certificate_pem": pem.certificate(), "private_key_pem": pem.private_key()},
        },
        [],
    ),
]


@pytest.mark.parametrize(("values", "lacks"), LACKS)
def test_what_an_agent_lacks_to_sign_in_is_known_and_never_refused(
    app: Flask, admin: Actor, values: dict[str, Any], lacks: list[str]
) -> None:
    agent = agent_reads.read(admin, make_agent(app, admin, **values))

    found = missing(agent, agent["secrets_set"])

    assert [pointer for pointer, _ in found] == lacks
    assert all(sentence.startswith("Enter the ") for _, sentence in found)


def test_nothing_is_missing_from_an_agent_of_a_type_or_a_provider_of_a_newer_release() -> None:
    assert missing({"connection_type": "CSV", "model_provider": "acme", CONFIG: {}}, [str(uuid4())]) == []
