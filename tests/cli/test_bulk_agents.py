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

    assert "Give at least one filter" in unfiltered.stderr
    assert "Use either filters or --all." in both.stderr
    assert "1 agent match:\n  One\nDisable: 1 agent. Continue?" in refused.stderr.replace("matches", "match")
    assert "This is another number. Nothing was deleted." in other_number.stderr
    assert "Choose one of" in wrong.stderr
    assert "reason: Say why the agents are disabled." in blank.stderr
    assert (dry.exit_code, "One" in dry.stdout, "Two" in dry.stdout) == (0, True, False)
    exits = [one.exit_code for one in (unfiltered, both, refused, other_number, wrong, blank)]
    assert exits == [2, 2, 1, 1, 3, 3]
    assert statuses(terminal) == {"One": "active", "Two": "active"}


def test_an_act_is_done_with_those_that_match_and_is_undone(terminal: Terminal) -> None:
    add(terminal, "One", environment="staging", owner="Ada")
    add(terminal, "Two")
    chosen = ("--environment", "staging", "--yes", "--json")

    done = [
        json.loads(terminal("agents", "bulk", *words, *chosen).stdout)["items"][0]
        for words in (
            ("disable", "--reason", "Moving.", "--note", "Weekend."),
            ("enable",),
            ("set-owner", ""),
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
    assert (undone.exit_code, undone.stdout) == (0, "")
    assert undone.stderr.startswith("undo: 1 changed, 0 unchanged, 0 failed. Id: ")
    assert (second.exit_code, second.stdout) == (0, "")
    assert second.stderr.startswith(
        "undo: 0 changed, 1 unchanged, 0 failed. This was undone before. Nothing was changed now. Id: "
    )
    assert again.exit_code == 1
    assert "It was changed since." in again.stdout


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
