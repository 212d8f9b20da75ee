"""`flask agents readers`, and what commands print before the use of an agent or a token ends."""

from uuid import uuid4

from agents_app.operations import runtime
from tests.cli.conftest import Terminal
from tests.make import make_agent, make_user, runtime_actor


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
