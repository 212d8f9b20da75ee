"""`flask agents`: the history of an agent, its restored versions, and deleted agents that are restored."""

import json
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from agents_app.operations import agents
from agents_app.operations.permissions import Actor
from agents_app.values.choices import Door
from tests.cli.conftest import Terminal
from tests.make import make_agent, make_user

CANARY = "canary-of-the-database"
TOKEN_LIKE = "The key is sk-proj-4f9aB27cXw81LqZt93VhYp60RkEm"


@pytest.fixture
def admin(terminal: Terminal) -> Actor:
    """An admin of the account of the terminal."""
    return make_user(terminal.app, account_id=terminal.account_id)


@pytest.fixture
def agent_id(terminal: Terminal, admin: Actor) -> str:
    """An agent at version 2, which has another host and another password than version 1."""
    made = str(make_agent(terminal.app, admin, connection_config={"password": CANARY}))
    words = ("--host", "new.example.org", "--ask", "password", "--note", "The warehouse has moved.")
    assert terminal("agents", "update", made, *words, stdin=f"{CANARY} 2\n").exit_code == 0
    return made


def test_a_version_that_does_not_exist_is_an_error(terminal: Terminal, agent_id: str) -> None:
    for words in (
        ("versions", str(uuid4())),
        ("version", agent_id, "3"),
        ("version", agent_id, "1", "--compare", "9"),
        ("restore-version", agent_id, "0"),
        ("restore-deleted", agent_id),
    ):
        result = terminal("agents", *words)

        assert (result.exit_code, result.stdout) == (1, ""), words
        assert result.stderr.startswith("Error: There is no ")
    assert terminal("agents", "versions", agent_id, "--cursor", "zzz").exit_code == 1
    assert terminal("agents", "versions", agent_id, "--limit", "0").exit_code == 1


@pytest.mark.parametrize("note", ["x" * 501, "two\nlines", "-----BEGIN PRIVATE KEY-----\nMIIE"])
@pytest.mark.parametrize(
    "command", ["update", "enable", "disable", "clone", "delete", "restore-version", "restore-deleted"]
)
def test_a_bad_note_is_refused_by_every_command(terminal: Terminal, agent_id: str, command: str, note: str) -> None:
    words = {"delete": ("--yes",), "restore-version": ("1",)}.get(command, ())

    result = terminal("agents", command, agent_id, *words, "--note", note)

    assert (result.exit_code, result.stderr.count("  note: ")) == (1, 1)
    assert terminal.json("agents", "show", agent_id)["version"] == 2


def test_a_version_is_restored_with_the_secret_that_it_needs(terminal: Terminal, agent_id: str) -> None:
    refused = terminal("agents", "restore-version", agent_id, "1")
    stale = terminal("agents", "restore-version", agent_id, "1", "--version", "1", "--clear", "password")
    words = ("agents", "restore-version", agent_id, "1", "--note", "Moved back.")
    done = terminal(*words, "--ask", "password", stdin=f"{CANARY} 3\n")
    again = terminal(*words)

    assert refused.exit_code == stale.exit_code == 1
    sentence = "This version has another destination of the connection, so the stored password is not used."
    ways = "Set it with --ask password, or remove it with --clear password."
    assert f"  connection_config.password: {sentence} {ways}" in refused.stderr
    changed = terminal("agents", "update", agent_id, "--host", "third.example.org")
    assert "Set it with --ask password, remove it with --clear password, or undo that change." in changed.stderr
    assert (done.exit_code, done.stderr.splitlines()[-1]) == (0, "Sales has the content of version 1 again.")
    assert again.stderr == "Nothing was changed: Sales has the content of version 1 already.\n"
    agent = terminal.json("agents", "show", agent_id)
    assert (agent["connection_config"]["host"], agent["version"]) == ("db.example.org", 3)
    newest = terminal.json("agents", "versions", agent_id)["items"][0]
    assert (newest["restored_version"], newest["note"], newest["door"]) == (1, "Moved back.", "terminal")


def test_the_history_is_printed_without_secrets(terminal: Terminal, agent_id: str) -> None:
    table = terminal("agents", "versions", agent_id)
    first = terminal("agents", "versions", agent_id, "--limit", "1")
    shown = terminal("agents", "version", agent_id, "2")
    compared = terminal.json("agents", "version", agent_id, "1", "--compare", "2")

    assert [line.split()[:2] for line in table.stdout.splitlines()[1:]] == [["2", "updated"], ["1", "created"]]
    assert "The warehouse has moved." in table.stdout
    assert "connection_config.host, connection_config.password replaced" in table.stdout
    assert first.stderr.startswith("For the next page: --cursor ")
    assert "connection_config.host      db.example.org  new.example.org" in shown.stdout
    assert compared["changes"] == [
        {"pointer": "/connection_config/host", "before": "new.example.org", "after": "db.example.org"}
    ]
    assert compared["secret_changes"] == {"/connection_config/password": "replaced"}
    assert "canary" not in table.output + shown.output + json.dumps(compared)


def test_a_deleted_agent_is_listed_and_restored_with_its_secrets(terminal: Terminal, agent_id: str) -> None:
    terminal("agents", "delete", agent_id, "--yes", "--note", "Not needed.")

    listed = terminal.json("agents", "deleted")["items"]
    table = terminal("agents", "deleted")
    restored = terminal("agents", "restore-deleted", agent_id, "--note", "Needed after all.")

    assert [(one["id"], one["has_kept_secrets"]) for one in listed] == [(agent_id, True)]
    assert "kept" in table.stdout
    assert (restored.exit_code, restored.stderr.splitlines()[-1]) == (0, "Sales is restored.")
    notes = [one["note"] for one in terminal.json("agents", "versions", agent_id)["items"]]
    assert notes == ["Needed after all.", "Not needed.", "The warehouse has moved.", None]
    assert terminal.json("agents", "deleted")["items"] == []


def test_what_looks_like_a_secret_in_a_note_is_a_warning(terminal: Terminal, agent_id: str) -> None:
    for words in (
        ("update", agent_id, "--name", "Orders"),
        ("clone", agent_id),
        ("restore-version", agent_id, "1", "--clear", "password"),
        ("delete", agent_id, "--yes"),
        ("restore-deleted", agent_id),
    ):
        result = terminal("agents", *words, "--note", TOKEN_LIKE)

        assert "Warning: note: " in result.stderr, words
        assert "sk-proj" not in result.output


def test_of_long_texts_the_changed_words_are_printed_in_lines_that_can_be_read(
    terminal: Terminal, agent_id: str, tmp_path: Path
) -> None:
    rules = [f"Rule {number} of the team says how an agent answers questions about orders." for number in range(400)]
    texts = ["\n".join(rules), " ".join(rules), "x" * 5_000]
    for text in (texts[0], texts[0].replace("Rule 200 of the team", "Rule 200 of the firm"), *texts[1:]):
        (tmp_path / "agent.json").write_text(json.dumps({"system_instructions": text}))
        assert terminal("agents", "update", agent_id, "--file", str(tmp_path / "agent.json")).exit_code == 0

    shown = [terminal("agents", "version", agent_id, str(number)) for number in (3, 4, 5, 6)]

    assert all(one.exit_code == 0 for one in shown)
    assert max(len(line) for one in shown for line in one.stdout.splitlines()) <= 125
    assert max(len(one.stdout.splitlines()) for one in shown) < 100
    changed = shown[1].stdout.partition("system_instructions:")[2].splitlines()
    assert "  Rule 200 of the [-team-] {+firm+} says how an agent answers questions about orders." in changed
    folded = [line.strip(" …") for line in changed if "unchanged …" in line]
    assert folded == ["199 lines unchanged", "198 lines unchanged"]
    assert "--json prints" in shown[1].stdout
    whole = terminal.json("agents", "version", agent_id, "4")["changes"][0]["after"]
    assert whole == texts[0].replace("Rule 200 of the team", "Rule 200 of the firm")


def test_the_person_whose_token_made_a_change_is_named(terminal: Terminal, admin: Actor, agent_id: str) -> None:
    token = Actor(admin.account_id, "token ci", Door.TOKEN, user_id=admin.user_id, role=admin.role)
    with terminal.app.app_context():
        agents.update(token, UUID(agent_id), {"name": "Orders"})
        agents.delete(token, UUID(agent_id))

    for words in (("agents", "versions", agent_id), ("agents", "deleted"), ("events", "list")):
        assert f"{admin.name}, token ci" in terminal(*words).stdout, words
    assert terminal.json("agents", "versions", agent_id)["items"][0]["token_owner"] == admin.name
