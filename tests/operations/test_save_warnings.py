"""What is said of an agent that was just saved."""

from uuid import UUID

import pytest
from flask import Flask

from agents_app.connections.power_bi import PowerBiConnection
from agents_app.db import db
from agents_app.models import ConnectionTest
from agents_app.operations import agent_reads, agents, save_warnings
from agents_app.operations.permissions import Actor
from agents_app.probes.causes import CAUSES
from agents_app.probes.causes.cause import Responsible
from agents_app.probes.results import Result, Step
from tests.make import make_agent

DATASET = PowerBiConnection.example["dataset_id"]
USER = "/connection_config/impersonated_user_name"


def said(app: Flask, actor: Actor, agent_id: UUID) -> list[tuple[str, str]]:
    """The pointers and the begin of each sentence."""
    with app.app_context():
        found = save_warnings.of_agent(agent_reads.read(actor, agent_id))
    return [(pointer, sentence[:31]) for pointer, sentence in found]


def test_an_agent_that_was_never_tested_is_judged_by_its_fields(console: Flask, admin: Actor) -> None:
    config = {**PowerBiConnection.example, "impersonated_user_name": "ada@example.org"}
    agent_id = make_agent(console, admin, connection_type="POWERBI", connection_config=config)
    other_id = make_agent(console, admin)

    assert said(console, admin, agent_id) == [(USER, "An impersonated user name is fo")]
    assert said(console, admin, other_id) == [("/connection_config/password", "Enter the password.")]


@pytest.mark.parametrize("console", ["sqlite"], indirect=True)
def test_a_tls_mode_that_lets_another_server_get_the_password_is_said(console: Flask, admin: Actor) -> None:
    agent_id = make_agent(console, admin, connection_config={"password": "pw"})
    warning = [("/connection_config/sslmode", "The TLS mode require does not c")]
    found = []

    for changes in ({}, {"dialect": "mysql"}, {"sslmode": "verify-full"}, {"dialect": "mssql", "sslmode": "require"}):
        with console.app_context():
            agents.update(admin, agent_id, {"connection_config": {"password": "pw", **changes}})
        found.append(said(console, admin, agent_id))

    assert found == [[], warning, [], warning]
    assert CAUSES["password_not_protected"].responsible is Responsible.YOU


@pytest.mark.parametrize(
    ("user", "has_security", "expected"),
    [
        (None, True, [("/connection_config/dataset_id", "The dataset of the agent has ro")]),
        ("ada@example.org", True, [(USER, "The dataset of the agent has ro")]),
        ("ada@example.org", False, [(USER, "The dataset of the agent has no")]),
        (None, False, []),
    ],
)
def test_row_level_security_of_the_last_test_is_said(
    console: Flask, admin: Actor, user: str | None, has_security: bool, expected: list[tuple[str, str]]
) -> None:
    config = {**PowerBiConnection.example, "impersonated_user_name": user}
    agent_id = make_agent(console, admin, connection_type="POWERBI", connection_config=config)
    facts = {"dataset_id": DATASET, "row_level_security": has_security}
    result = Result((Step("query", "passed", 1),), facts=facts)
    with console.app_context(), db.transaction() as session:
        session.add(
            ConnectionTest(
                agent_id=agent_id,
                account_id=admin.account_id,
                version=1,
                valid_for_version=1,
                actor_name="Ada",
                outcome="passed",
                result={"connection": result.to_json()},
            )
        )

    assert said(console, admin, agent_id) == expected
