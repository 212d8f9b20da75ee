"""`flask agents readers`, and what commands print before the use of an agent or a token ends."""

import json
from pathlib import Path
from uuid import uuid4

from agents_app.operations import agents, runtime
from tests.cli.conftest import Terminal
from tests.make import DATABASE, make_agent, make_user, marked_version, runtime_actor

CONFIG = {"connection_config": {name: value for name, value in DATABASE.items() if name != "password"}}


def test_the_terminal_shows_who_runs_an_agent_and_who_will_notice_its_end(terminal: Terminal) -> None:
    admin = make_user(terminal.app, account_id=terminal.account_id)
    agent_id = make_agent(terminal.app, admin)
    unused = terminal("agents", "readers", agent_id)
    with terminal.app.app_context():
        actor = runtime_actor(admin)
        runtime.fetch(actor, agent_id)

    table = terminal("agents", "readers", agent_id).stdout.splitlines()
    (reader,) = terminal.json("agents", "readers", agent_id)["items"]
    disabled = terminal("agents", "disable", agent_id, "--reason", "Moving.").stderr
    revoked = terminal("tokens", "revoke", actor.token_id).stderr
    deleted = terminal("agents", "delete", agent_id, "--yes").stderr

    assert (unused.stdout, unused.stderr) == ("", "No runtime has fetched it yet.\n")
    assert table[0].split()[:4] == ["TOKEN", "ID", "STATE", "VERSION"]
    assert table[1].split()[:4] == [str(actor.token_id), "active", "1", "0"]
    assert (reader["token_name"], reader["fetches_at_least"]) == ("ci", 1)
    assert "1 runtime asked for it in the last 7 days: ci (" in disabled
    assert "It gets status 403 then." in disabled
    assert "It fetched 1 agent in the last 7 days: Sales (" in revoked
    # The token was revoked, so nobody is left who will notice.
    assert "asked for it" not in deleted
    assert terminal("agents", "readers", uuid4()).exit_code == 1


def test_a_runtime_that_only_asked_has_fetched_no_version(terminal: Terminal) -> None:
    admin = make_user(terminal.app, account_id=terminal.account_id)
    agent_id = make_agent(terminal.app, admin)
    with terminal.app.app_context():
        runtime.check(runtime_actor(admin), {str(agent_id): [marked_version(agent_id)]})

    row = terminal("agents", "readers", agent_id).stdout.splitlines()[1].split()

    assert row[1:3] == ["active", "none"]


def test_acts_and_plans_of_many_agents_say_once_who_will_notice(terminal: Terminal, tmp_path: Path) -> None:
    admin = make_user(terminal.app, account_id=terminal.account_id)
    ids = [make_agent(terminal.app, admin, name=f"Agent {number}") for number in range(3)]
    with terminal.app.app_context():
        agents.disable(admin, ids[2], {"reason": "Moving."})
        for agent_id in ids:
            actor = runtime_actor(admin)
            runtime.fetch(actor, ids[0])
            if agent_id != ids[2]:
                runtime.fetch(actor, ids[1])
    file = tmp_path / "agents.json"
    entry = {"name": "Agent 0", "connection_type": "DB", "status": "disabled", "status_reason": "Moving."}
    file.write_text(json.dumps({"format": "agent-console-agents/1", "agents": [{**entry, **CONFIG}]}))
    bulk, of_file = ("agents", "bulk"), (file, "--prune")

    said = {
        "the active": terminal(*bulk, "disable", "--reason", "Moving.", "--all", stdin="n\n").stderr,
        "these": terminal(*bulk, "delete", "--all", "--dry-run").stderr,
        "the deleted": terminal("agents", "plan", *of_file).stderr,
    }
    confirmed = terminal("agents", "apply", *of_file, stdin="n\n")
    done = terminal("agents", "apply", *of_file, "--yes").stderr
    again = terminal(*bulk, "disable", "--reason", "Moving.", "--all", "--yes").stderr

    for which, text in said.items():
        number = 2 if which == "the deleted" else 3
        asked = f"{number} runtimes asked for one of {which} agents in the last 7 days: ci ("
        assert text.count(asked) == 1, text
    assert "They get status 403 then." in said["the active"]
    assert "They get status 404 then." in said["these"]
    for text in (said["the deleted"], confirmed.stderr, done):
        assert "3 runtimes asked for the disabled agent in the last 7 days: ci (" in text
        assert "They get status 403 then." in text
        assert "They get status 404 then." in text
    assert "asked for" not in again
