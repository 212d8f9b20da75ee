"""`flask secrets` and `flask purge`: output and exit codes."""

import base64
import json
import os
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from click.testing import Result
from flask import Flask

from agents_app.db import db, now
from agents_app.errors import Unavailable
from agents_app.models import Agent, Event, LoginAttempt, SecondFactor
from agents_app.operations import agent_reads, agents, events, second_factors
from agents_app.operations.permissions import Visitor
from agents_app.schemas.events import parse_query
from tests.conftest import OpenConsole
from tests.make import make_agent, make_user
from tests.second_factor import fresh_code, half_session_of, set_up, stored_id

DAMAGED = "v1:k1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"


@pytest.fixture
def app(schema_url: str, open_console: OpenConsole) -> Flask:
    """An app with a database of its own: keys are for all accounts of a server."""
    return open_console(schema_url)


def typed(app: Flask, *words: str) -> Result:
    return app.test_cli_runner().invoke(args=words, catch_exceptions=False)


def status(app: Flask) -> tuple[int, dict[str, dict[str, Any]]]:
    result = typed(app, "secrets", "status", "--json")
    return result.exit_code, {key["key_id"]: key for key in json.loads(result.stdout)["items"]}


def a_key(key_id: str) -> str:
    return f"{key_id}:{base64.b64encode(os.urandom(32)).decode()}"


def keys_of(app: Flask) -> str:
    return str(app.extensions["settings"].encryption_keys)


def use_keys(app: Flask, *keys: str) -> None:
    app.extensions["settings"] = replace(app.extensions["settings"], encryption_keys=",".join(keys))


def make_agents(app: Flask) -> Any:
    """Create two agents with two secrets each, and return the creator and the id of the first."""
    maker = make_user(app)
    config = {"password": "canary pa55"}
    ids = [make_agent(app, maker, name=n, api_key="sk-canary-0123", connection_config=config) for n in ("One", "Two")]
    return maker, ids[0]


def damage(app: Flask, agent_id: Any) -> None:
    with app.app_context(), db.transaction() as session:
        session.execute(sa.update(Agent).where(Agent.id == agent_id).values(api_key=DAMAGED))


@pytest.mark.parametrize("act", ["status", "rotate", "verify"])
def test_without_keys_the_setting_is_named(app: Flask, act: str) -> None:
    app.extensions["settings"] = replace(app.extensions["settings"], encryption_keys=None)

    result = typed(app, "secrets", act)

    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("Error: ENCRYPTION_KEYS is not set.")


@pytest.mark.parametrize(
    ("key_id", "is_set", "fits", "sentence"),
    [
        ("k1", True, False, "The key k1 in ENCRYPTION_KEYS is not the one that stored secrets were encrypted with."),
        ("k2", False, None, "ENCRYPTION_KEYS lacks the key k1, which stored secrets may need."),
    ],
    ids=["another key", "no key"],
)
def test_a_wrong_and_a_missing_key_are_reported(
    app: Flask, key_id: str, *, is_set: bool, fits: bool | None, sentence: str
) -> None:
    make_agents(app)
    use_keys(app, a_key(key_id))

    code, keys = status(app)
    shown, rotated, verified = (typed(app, "secrets", act) for act in ("status", "rotate", "verify"))

    wanted = {"key_id": "k1", "is_set": is_set, "is_first": is_set, "fits": fits, "secrets": 4, "is_wrong": True}
    assert (code, keys["k1"]) == (1, wanted)
    assert (shown.exit_code, shown.stderr) == (1, f"{sentence}\n")
    assert (rotated.exit_code, rotated.stdout, rotated.stderr) == (1, "", f"Error: {sentence}\n")
    assert (verified.exit_code, verified.stderr) == (1, "4 secrets cannot be decrypted.\n")


def test_a_key_that_no_secret_uses_yet_is_not_a_problem(app: Flask) -> None:
    make_agents(app)
    use_keys(app, keys_of(app), a_key("k2"))

    code, keys = status(app)

    assert code == 0
    assert {one: (key["is_first"], key["fits"], key["secrets"]) for one, key in keys.items()} == {
        "k1": (True, True, 4),
        "k2": (False, None, 0),
    }


def test_a_secret_that_cannot_be_decrypted_is_named_without_its_value(app: Flask) -> None:
    _, agent_id = make_agents(app)
    assert typed(app, "secrets", "verify").exit_code == 0
    damage(app, agent_id)

    table, found = typed(app, "secrets", "verify"), typed(app, "secrets", "verify", "--json")

    assert (table.exit_code, found.exit_code) == (1, 1)
    assert table.stdout.splitlines()[1].split() == [str(agent_id), "api_key", "agent", "One"]
    named = {"agent_id": str(agent_id), "name": "One", "kind": "agent", "pointer": "/api_key"}
    assert json.loads(found.stdout) == {"items": [named], "private_keys": []}
    assert DAMAGED not in table.output + found.output
    assert "canary" not in table.output + found.output


def test_rotation_reports_how_many_secrets_moved_and_which_keys_can_be_removed(app: Flask) -> None:
    maker, agent_id = make_agents(app)
    with app.app_context():
        agents.delete(maker, agent_id)
    new = a_key("k2")
    use_keys(app, new, keys_of(app))

    first, again = typed(app, "secrets", "rotate"), typed(app, "secrets", "rotate")

    nothing = "k1 encrypts no secrets any more.\n"
    assert (first.exit_code, first.stdout, first.stderr) == (0, f"4 secrets moved to the key k2.\n{nothing}", "")
    assert (again.exit_code, again.stdout) == (0, f"0 secrets moved to the key k2.\n{nothing}")
    use_keys(app, new)
    code, keys = status(app)
    assert (code, list(keys), keys["k2"]["secrets"]) == (0, ["k2"], 4)
    assert typed(app, "secrets", "verify").stderr.startswith("Every stored secret can be decrypted")


def test_rotation_fails_when_a_secret_stays_behind(app: Flask) -> None:
    _, agent_id = make_agents(app)
    damage(app, agent_id)
    use_keys(app, a_key("k2"), keys_of(app))

    result = typed(app, "secrets", "rotate")

    assert result.exit_code == 1
    assert result.stdout == "3 secrets moved to the key k2.\nk1 encrypts 1 secret.\n"
    assert result.stderr == "1 secret cannot be decrypted. To list them: flask secrets verify\n"


def test_a_dry_run_of_a_purge_counts_and_keeps(app: Flask) -> None:
    make_agents(app)
    with app.app_context(), db.transaction() as session:
        session.add(LoginAttempt(address="192.0.2.1", created_at=now() - timedelta(days=2)))
        session.execute(sa.update(Event).values(created_at=now() - timedelta(days=400)))

    dry, again = (json.loads(typed(app, "purge", "--dry-run", "--json").stdout) for _ in range(2))
    wet = typed(app, "purge")
    after = json.loads(typed(app, "purge", "--json").stdout)

    rows = {"sessions": 0, "sign-in attempts": 1, "started tests": 0, "links": 0, "waiting identities": 0, "events": 2}
    rows |= {"secrets of deleted agents": 0, "fetches of ended tokens": 0}
    assert dry == again == {"is_dry_run": True, "rows": rows}
    assert [line.split(maxsplit=1) for line in wet.stdout.splitlines()[1:]] == [[str(n), k] for k, n in rows.items()]
    assert after == {"is_dry_run": False, "rows": dict.fromkeys(rows, 0)}


def test_a_purge_continues_until_nothing_is_left(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agents_app.operations.purge.BATCH", 2)
    with app.app_context(), db.transaction() as session:
        for _ in range(5):
            session.add(LoginAttempt(address="192.0.2.1", created_at=now() - timedelta(days=2)))

    result = json.loads(typed(app, "purge", "--json").stdout)

    assert result["rows"]["sign-in attempts"] == 5


def test_a_present_or_unknown_key_is_not_given_up(app: Flask) -> None:
    make_agents(app)

    for key_id, sentence in (
        ("k1", "Error: The key k1 is in ENCRYPTION_KEYS and is correct. Move its secrets with: flask secrets rotate\n"),
        ("k9", "Error: No secret waits for a key called k9: it was never used, or is marked as lost already.\n"),
    ):
        result = typed(app, "secrets", "give-up", key_id, "--confirm", key_id)
        assert (result.exit_code, result.stdout, result.stderr) == (1, "", sentence)
    assert status(app)[0] == 0


def test_a_key_is_not_given_up_while_another_key_has_its_name(app: Flask) -> None:
    make_agents(app)
    right = keys_of(app)
    use_keys(app, a_key("k1"))

    refused = typed(app, "secrets", "give-up", "k1", "--confirm", "k1")

    assert refused.exit_code == 1
    assert (
        "ENCRYPTION_KEYS has another key with the name k1. Give that one a name that was never used" in refused.stderr
    )
    use_keys(app, a_key("k2"), right)
    assert status(app)[0] == 0


def test_a_lost_key_is_given_up_once_its_id_is_typed_and_the_console_writes_again(app: Flask) -> None:
    maker, agent_id = make_agents(app)
    use_keys(app, a_key("k2"))
    with pytest.raises(Unavailable):
        make_agent(app, maker)
    assert typed(app, "secrets", "give-up", "k1", "--confirm", "k2").exit_code == 2
    assert status(app)[1]["k1"]["is_wrong"]

    assert typed(app, "secrets", "give-up", "k1", "--confirm", "k1").exit_code == 0

    with app.app_context():
        agents.update(maker, agent_id, {"api_key": "sk-typed-again", "connection_config": {"password": "so is this"}})
        secrets_set = agent_reads.read(maker, agent_id)["secrets_set"]
        (acted,) = events.listing(maker, parse_query({"about": "secrets"})).items
    assert [fact["readable"] for fact in secrets_set.values()] == [True, True]
    assert (acted["action"], acted["details"]) == ("secrets.key_given_up", {"key": "k1"})
    assert typed(app, "secrets", "verify").stderr == "2 secrets cannot be decrypted.\n"


def test_the_secret_of_a_second_factor_is_counted_moved_and_still_works(app: Flask) -> None:
    person = make_user(app)
    with app.app_context():
        set_up(person)
    old, new = keys_of(app), a_key("k2")
    use_keys(app, new, old)
    assert status(app)[1]["k1"]["secrets"] == 1

    rotated = typed(app, "secrets", "rotate")

    assert (rotated.exit_code, rotated.stdout.splitlines()[0]) == (0, "1 secret moved to the key k2.")
    use_keys(app, new)
    code, keys = status(app)
    assert (code, list(keys), keys["k2"]["secrets"]) == (0, ["k2"], 1)
    assert typed(app, "secrets", "verify").exit_code == 0
    with app.app_context():
        assert second_factors.finish_sign_in(Visitor(), half_session_of(person), {"code": fresh_code(person)})


def test_a_second_factor_that_cannot_be_decrypted_is_named_and_recovery_codes_still_work(app: Flask) -> None:
    person = make_user(app, name="Ada")
    with app.app_context():
        codes = set_up(person)
        with db.transaction() as session:
            session.execute(sa.update(SecondFactor).values(secret=DAMAGED))

    table, found = typed(app, "secrets", "verify"), typed(app, "secrets", "verify", "--json")

    assert (table.exit_code, found.exit_code) == (1, 1)
    assert table.stdout.splitlines()[1].split() == [str(person.user_id), "second_factor", "second", "factor", "Ada"]
    named = {"user_id": str(stored_id(person)), "name": "Ada", "kind": "second factor", "pointer": "/second_factor"}
    assert json.loads(found.stdout)["items"] == [named]
    with app.app_context():
        half = half_session_of(person)
        with pytest.raises(Unavailable, match="ENCRYPTION_KEYS"):
            second_factors.finish_sign_in(Visitor(), half, {"code": fresh_code(person)})
        assert second_factors.finish_sign_in(Visitor(), half, {"code": codes[0]})
