"""`flask secrets verify` finds private keys in clear text, and the steps that it prints remove them."""

import json
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask

from agents_app.db import db
from agents_app.models import Agent, AgentVersion, Event
from agents_app.operations import agents, misplaced_keys
from agents_app.web.activity_sentences import SENTENCES
from tests import pem
from tests.conftest import OpenConsole
from tests.make import make_agent, make_user
from tests.operations.test_misplaced_keys import BOTH, make_old_agent

BODY = pem.private_key().splitlines()[1]


@pytest.fixture
def app(schema_url: str, open_console: OpenConsole) -> Flask:
    """An app with a database of its own: all accounts of a server are searched."""
    return open_console(schema_url)


def typed(app: Flask, *words: str, stdin: str = "") -> Any:
    return app.test_cli_runner().invoke(args=words, input=stdin, catch_exceptions=False)


def in_clear(app: Flask) -> tuple[int, list[dict[str, Any]]]:
    result = typed(app, "secrets", "verify", "--json")
    return result.exit_code, json.loads(result.stdout)["private_keys"]


def stored(app: Flask) -> str:
    with app.app_context(), db.reading() as connection:
        tables = (Agent.__table__, AgentVersion.__table__, Event.__table__)
        return str([tuple(row) for table in tables for row in connection.execute(sa.select(table))])


def make_two(app: Flask) -> tuple[str, str]:
    """Two agents of two accounts as release 0.1.0 stored them: one that was renamed later, and a deleted one."""
    first, second = make_user(app), make_user(app)
    with app.app_context():
        one = make_old_agent(app, first, "POWERBI", "certificate_pem")
        agents.update(first, one, {"name": "Renamed"})
        other = make_old_agent(app, second, "DB", "ssl_root_cert")
        agents.delete(second, other)
        make_agent(app, second, system_instructions=f"A sample of a key:\n{pem.private_key()}")
    return str(one), str(other)


def test_private_keys_in_clear_text_are_named_without_their_value(app: Flask) -> None:
    one, other = make_two(app)

    code, found = in_clear(app)
    table = typed(app, "secrets", "verify")

    assert code == 1
    assert sorted(found, key=lambda row: row["kind"]) == [
        {
            "agent_id": one,
            "name": "Renamed",
            "pointer": "/connection_config/certificate_pem",
            "kind": "agent",
            "is_in_agent": True,
            "versions": [1],
        },
        {
            "agent_id": other,
            "name": "Sales",
            "pointer": "/connection_config/ssl_root_cert",
            "kind": "deleted agent",
            "is_in_agent": False,
            "versions": [1],
        },
    ]
    assert table.exit_code == 1
    assert one in table.stdout
    assert other in table.stdout
    assert "Replace the key with a new one where it was issued." in table.stderr
    assert "flask secrets remove-private-keys" in table.stderr
    assert BODY not in table.output


def test_nothing_is_removed_without_a_confirmation(app: Flask) -> None:
    make_two(app)

    result = typed(app, "secrets", "remove-private-keys", stdin="n\n")

    assert result.exit_code == 1
    assert BODY not in result.output
    assert len(in_clear(app)[1]) == 2


def test_the_printed_steps_leave_no_private_key_in_clear_text(app: Flask) -> None:
    one, other = make_two(app)
    with app.app_context(), db.reading() as connection:
        numbers = connection.execute(sa.select(Agent.version, Agent.updated_at).order_by(Agent.id)).all()

    removed = typed(app, "secrets", "remove-private-keys", "--yes")

    assert removed.exit_code == 0
    assert typed(app, "secrets", "verify").exit_code == 0
    assert typed(app, "secrets", "remove-private-keys").stderr == "No private key is stored in clear text.\n"
    # The sample key in the instructions is not in a field of the connection.
    assert stored(app).count(BODY) == 2
    with app.app_context(), db.reading() as connection:
        assert connection.execute(sa.select(Agent.version, Agent.updated_at).order_by(Agent.id)).all() == numbers
        config = connection.scalar(sa.select(Agent.connection_config).where(Agent.name == "Renamed"))
        assert config["certificate_pem"] == pem.certificate()
        noted = connection.execute(sa.select(Event).where(Event.action == "secrets.private_key_removed")).all()
    assert {str(event.target_id) for event in noted} == {one, other}
    assert {event.details["versions"] for event in noted} == {1}
    assert "secrets.private_key_removed" in SENTENCES


def test_a_history_of_many_versions_is_searched_and_cleared_in_steps(
    app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(misplaced_keys, "BATCH", 2)
    maker = make_user(app)
    with app.app_context():
        ids = [make_old_agent(app, maker, "POWERBI", "certificate_pem") for _ in range(3)]
        for number in range(5):
            agents.update(maker, ids[1], {"name": f"Name {number}"})
        with db.transaction() as session:
            for row in session.scalars(sa.select(AgentVersion).where(AgentVersion.agent_id == ids[1])):
                config = {**row.snapshot["connection_config"], "certificate_pem": BOTH}
                row.snapshot = {**row.snapshot, "connection_config": config}

    found = {row["agent_id"]: row["versions"] for row in in_clear(app)[1]}

    assert found == {str(ids[0]): [1], str(ids[1]): [1, 2, 3, 4, 5, 6], str(ids[2]): [1]}
    assert typed(app, "secrets", "remove-private-keys", "--yes").exit_code == 0
    assert in_clear(app) == (0, [])
    assert BODY not in stored(app)
