"""`flask agents bulk`: agents are chosen by the filters of the list, and never all of them by accident."""

import json

import pytest

from tests.cli.conftest import Terminal
from tests.make import agent_values


def add(terminal: Terminal, name: str, **options: str) -> str:
    """Add an agent, and return its id."""
    config = agent_values()["connection_config"]
    given = {"name": name, "connection_type": "DB", **config, **options}
    words = [word for option, text in given.items() for word in (f"--{option.replace('_', '-')}", text)]
    return terminal("agents", "create", *words).stdout.strip()


def statuses(terminal: Terminal) -> dict[str, str]:
    """The status of each agent, by its name."""
    return {one["name"]: one["status"] for one in terminal.json("agents", "list")["items"]}


def test_nothing_is_done_without_a_filter_or_without_a_confirmation(terminal: Terminal) -> None:
    add(terminal, "One", environment="staging")
    add(terminal, "Two")
    disable = ("agents", "bulk", "disable", "--reason", "Moving.")

    unfiltered = terminal(*disable, "--yes")
    both = terminal(*disable, "--all", "--environment", "staging", "--yes")
    refused = terminal(*disable, "--environment", "staging", stdin="n\n")
    other_number = terminal("agents", "bulk", "delete", "--all", stdin="1\n")
    wrong = terminal(*disable, "--environment", "test", "--yes")
    blank = terminal("agents", "bulk", "disable", "--reason", " ", "--all", "--yes")
    dry = terminal(*disable, "--environment", "staging", "--dry-run")
    incomplete = terminal("agents", "bulk", "disable", "--all", "--yes")

    assert "Give at least one filter" in unfiltered.stderr
    assert "Use either filters or --all." in both.stderr
    assert "1 agent matches:\n  One\nDisable: 1 agent. Continue?" in refused.stderr
    assert "This is another number. Nothing was deleted." in other_number.stderr
    assert "Choose one of" in wrong.stderr
    assert "reason: Say why the agents are disabled." in blank.stderr
    assert (dry.exit_code, "One" in dry.stdout, "Two" in dry.stdout) == (0, True, False)
    assert "Missing option '--reason'." in incomplete.stderr
    exits = [one.exit_code for one in (unfiltered, both, refused, other_number, wrong, blank, incomplete)]
    assert exits == [2, 2, 1, 1, 3, 3, 2]
    assert statuses(terminal) == {"One": "active", "Two": "active"}


def test_wrong_values_are_refused_before_the_agents_are_listed(terminal: Terminal) -> None:
    add(terminal, "Retail")
    wrong = {
        "environment: Choose one of": ("set-environment", "test"),
        "owner: ": ("set-owner", "x" * 300),
        "labels: Write each label as name=value": ("set-labels", "team"),
        "reason: Say why the agents are disabled.": ("disable", "--reason", " "),
        "note: ": ("delete", "--note", "x" * 5_000),
    }

    for sentence, words in wrong.items():
        for last in ("--yes", "--dry-run"):
            refused = terminal("agents", "bulk", *words, "--all", last)
            assert (refused.exit_code, refused.stdout) == (3, "")
            assert sentence in refused.stderr
            assert "Retail" not in refused.stderr
    assert statuses(terminal) == {"Retail": "active"}


def test_a_filter_can_be_repeated_and_an_empty_one_never_means_all_agents(terminal: Terminal) -> None:
    for name, owner in (("One", "Ada"), ("Two", "Grace"), ("Three", "Linus")):
        add(terminal, name, owner=owner)

    listed = terminal.json("agents", "list", "--owner", "Ada", "--owner", "Grace")
    exported = terminal("agents", "export", "--owner", "Ada", "--owner", "Grace")
    empty = terminal("agents", "bulk", "delete", "--owner", "", "--yes")
    deleted = terminal("agents", "bulk", "delete", "--owner", "Ada", "--owner", "Grace", "--yes")

    assert sorted(agent["name"] for agent in listed["items"]) == ["One", "Two"]
    assert ("One" in exported.stdout, "Three" in exported.stdout) == (True, False)
    assert (empty.exit_code, "owner: A value is empty." in empty.stderr) == (3, True)
    assert deleted.exit_code == 0
    assert statuses(terminal) == {"Three": "active"}


def test_a_dry_run_needs_no_values(terminal: Terminal) -> None:
    add(terminal, "Retail")

    for command in ("disable", "set-owner", "set-environment", "set-labels", "delete", "enable", "test"):
        dry = terminal("agents", "bulk", command, "--all", "--dry-run")

        assert (dry.exit_code, dry.stderr) == (0, "1 agent matches. Nothing was changed.\n")
        assert "Retail" in dry.stdout
        if command.startswith("set-"):
            missing = terminal("agents", "bulk", command, "--all", "--yes")
            assert (missing.exit_code, "Missing argument" in missing.stderr) == (2, True)


def test_an_act_is_done_with_those_that_match_and_is_undone(terminal: Terminal) -> None:
    add(terminal, "One", environment="staging", owner="Ada")
    add(terminal, "Two")
    chosen = ("--environment", "staging", "--yes", "--json")

    done = [
        json.loads(terminal("agents", "bulk", *words, *chosen).stdout)["items"][0]
        for words in (
            ("disable", "--reason", "Moving.", "--note", "Weekend."),
            ("enable",),
            ("set-owner", "--remove"),
            ("set-labels", "team=finance", "tier="),
            ("set-environment", "production"),
        )
    ]
    undone = terminal("agents", "bulk", "undo", done[-1]["id"], "--note", "Too early.")
    second = terminal("agents", "bulk", "undo", done[-1]["id"])
    again = terminal("agents", "bulk", "undo", done[2]["id"])

    assert [one["counts"]["changed"] for one in done] == [1] * 5
    agent = next(one for one in terminal.json("agents", "list")["items"] if one["name"] == "One")
    assert (agent["owner"], agent["labels"], agent["environment"]) == (None, {"team": "finance"}, "staging")
    notes = [one["note"] for one in terminal.json("agents", "versions", agent["id"])["items"]]
    assert notes == ["Too early.", None, None, None, None, "Weekend.", None]
    listed = terminal("agents", "versions", agent["id"]).stdout
    assert "change_undone (undid set_environment, back to version 5)" in " ".join(listed.split())
    assert (undone.exit_code, undone.stdout) == (0, "")
    assert undone.stderr.startswith("undo: 1 changed, 0 unchanged, 0 failed. Id: ")
    assert (second.exit_code, second.stdout) == (0, "")
    assert second.stderr.startswith(
        "undo: 0 changed, 1 unchanged, 0 failed. This was undone before. Nothing was changed now. Id: "
    )
    assert again.exit_code == 1
    assert "It was changed since." in again.stdout


def test_disabled_agents_are_counted_apart_before_and_after(terminal: Terminal) -> None:
    agent_id = add(terminal, "One")
    add(terminal, "Two")
    terminal("agents", "disable", agent_id, "--reason", "Old.")

    done = terminal("agents", "bulk", "disable", "--reason", "Moving.", "--all", "--yes", "--json")

    assert "1 of them is disabled already. The new reason replaces its reason." in done.stderr
    assert done.stderr.endswith("1 agent was disabled. 1 agent was disabled already, and got a new reason.\n")
    (result,) = json.loads(done.stdout)["items"]
    assert {one["name"]: one["reason_replaced"] for one in result["changed"]} == {"One": True, "Two": False}


@pytest.mark.parametrize(("name", "value"), [("owner", "Ada"), ("environment", "staging")])
def test_only_the_option_removes_a_value(terminal: Terminal, name: str, value: str) -> None:
    add(terminal, "One", **{name: value})
    command = ("agents", "bulk", f"set-{name}")

    empty = terminal(*command, " ", "--all", "--yes")
    both = terminal(*command, value, "--remove", "--all", "--yes")
    kept = terminal.json("agents", "list")["items"][0][name]
    refused = terminal(*command, "--remove", "--all", stdin="n\n")
    removed = terminal(*command, "--remove", "--all", "--yes")

    assert "It is empty. To remove it from the agents: --remove" in empty.stderr
    assert f"Use either {name.upper()} or --remove." in both.stderr
    assert [empty.exit_code, both.exit_code, kept] == [2, 2, value]
    assert f"Remove {name}: 1 agent. Continue?" in refused.stderr
    assert removed.stderr.endswith(f"1 agent had the {name} removed.\n")
    assert terminal.json("agents", "list")["items"][0][name] is None


def test_what_looks_like_a_secret_is_named_once(terminal: Terminal) -> None:
    add(terminal, "Retail")
    secret = "sk-proj-Abc123Def456Ghi789Jkl012Mno345Pqr678"

    done = terminal("agents", "bulk", "disable", "--reason", f"Revoked {secret}", "--all", "--yes")

    assert done.exit_code == 0
    assert done.stderr.count("Warning: reason: ") == 1
    assert secret not in done.stderr + done.stdout


@pytest.mark.parametrize("typed", ["2\n", None])
def test_a_deletion_needs_the_number_of_agents_or_yes(terminal: Terminal, typed: str | None) -> None:
    add(terminal, "Retail north")
    add(terminal, "Retail south")
    add(terminal, "Stock")

    done = terminal("agents", "bulk", "delete", "--search", "retail", *([] if typed else ["--yes"]), stdin=typed or "")

    assert done.exit_code == 0, done.stderr
    assert statuses(terminal) == {"Stock": "active"}


def test_a_failed_test_of_several_is_exit_code_1(terminal: Terminal) -> None:
    add(terminal, "Retail")
    add(terminal, "Stock")

    tested = terminal("agents", "bulk", "test", "--search", "retail", "--yes")

    assert tested.exit_code == 1
    assert "1 of 1 tests failed." in tested.stderr
    assert "incomplete" in tested.stdout
