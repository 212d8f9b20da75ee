"""`flask agents export`, `plan` and `apply`."""

import json
from pathlib import Path

import pytest

from agents_app.operations.agent_file_secrets import IN_CLEAR
from agents_app.operations.agent_files import OTHER_PLAN
from agents_app.schemas.agent_files import FORMAT, TOO_MUCH
from agents_app.schemas.change_notes import SECRET
from agents_app.values import limits
from agents_app.values.rules import NOT_A_DIGEST
from tests.cli.conftest import Terminal

CANARY = "canary-secret-0123456789"
AGENT = """\
  - name: Sales
    external_id: {0}
    connection_type: DB
    connection_config:
      dialect: postgresql
      host: db.example.org
      database: sales
      username: reader
"""
HEAD = "format: agent-console-agents/1\nagents:\n"


def write(folder: Path, text: str) -> Path:
    path = folder / "agents.yaml"
    path.write_text(text)
    return path


def test_a_plan_names_all_unreadable_secrets_with_their_lines(
    terminal: Terminal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EMPTY", "")
    (tmp_path / "empty.txt").write_text("\n")
    (tmp_path / "large.txt").write_text("x" * 100_001)
    (tmp_path / "bytes.txt").write_bytes(b"\xff")
    (tmp_path / "ours").mkdir()
    wrong = {
        "env:MISSING": "The variable MISSING is not set. Set it in the shell in which you type the command.",
        "env:EMPTY": "The variable EMPTY is empty.",
        "file:empty.txt": "The file empty.txt is empty.",
        "file:large.txt": "The file large.txt is too large for a secret. Use at most 100 kB.",
        "file:bytes.txt": "The file bytes.txt is not in UTF-8.",
        "file:ours": "ours is a folder. Write the path of a file.",
        "file:none.txt": "There is no file none.txt. A relative path begins in the folder of the file of agents.",
        "env:": "Write the name after the colon, such as env:SALES_PASSWORD or file:secrets/sales.txt.",
        "file:~nobody-here/x": "~nobody-here/x begins with ~ and a user name that does not exist on this machine. "
        + "Write the whole path, or ./ before a name that begins with ~.",
        CANARY: IN_CLEAR,
    }
    text = "".join(AGENT.format(f"x-{n}") + f'    secrets:\n      password: "{one}"\n' for n, one in enumerate(wrong))

    refused = terminal("agents", "plan", write(tmp_path, HEAD + text))

    assert refused.exit_code == 1
    assert refused.stderr.splitlines()[1:] == [
        f"  agents.{number}.secrets.password: line {12 + 10 * number}: {sentence}"
        for number, sentence in enumerate(wrong.values())
    ]
    assert CANARY not in refused.output


def test_a_file_is_planned_applied_and_exported(
    terminal: Terminal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SALES_PASSWORD", CANARY)
    (tmp_path / "key.txt").write_text(f"{CANARY}-key\n")
    secrets = "    secrets:\n      api_key: file:key.txt\n      password: env:SALES_PASSWORD\n"
    path = write(tmp_path, HEAD + AGENT.format("x") + secrets)

    repeating = terminal("agents", "apply", path, "--note", f"Now {CANARY}")
    disabled = path.read_text() + f"    status: disabled\n    status_reason: Was {CANARY}.\n"
    as_reason = terminal("agents", "apply", write(tmp_path, disabled))
    write(tmp_path, HEAD + AGENT.format("x") + secrets)
    planned = terminal("agents", "plan", path)
    digest = json.loads(terminal("agents", "plan", path, "--json").stdout)["digest"]
    applied = terminal("agents", "apply", path, "--note", "Release 12")
    again = terminal("agents", "apply", path)
    exported = terminal("agents", "export", "--output", tmp_path / "out.yaml")

    assert (repeating.exit_code, as_reason.exit_code) == (1, 1)
    assert f"  note: {SECRET}" in repeating.stderr
    assert f"  agents.0.status_reason: line 15: {SECRET}" in as_reason.stderr
    assert CANARY not in repeating.output + as_reason.output
    assert planned.exit_code == 2
    assert planned.stdout.splitlines() == [
        "+ Sales (x): new",
        "    connection: DB, db.example.org, postgresql, sales",
        "    api_key: set from file:key.txt",
        "    connection_config.password: set from env:SALES_PASSWORD, sent to "
        + "DB, postgresql, db.example.org, 5432, sales, reader, require",
        "Plan: 1 new, 0 changed, 0 the same, 0 missing in the file and kept.",
        f"Digest: {digest}",
    ]
    assert exported.stderr == ""
    assert (applied.exit_code, again.exit_code, exported.exit_code) == (0, 0, 0)
    assert again.stderr == "Nothing was changed: 0 new, 0 changed, 1 the same, 0 missing in the file and kept.\n"
    stored = "    secrets:\n      api_key: stored\n      password: stored\n"
    assert (tmp_path / "out.yaml").read_text() == HEAD + AGENT.format("x") + stored
    assert terminal("agents", "plan", tmp_path / "out.yaml").exit_code == 0
    assert terminal("agents", "plan", "-", stdin=(tmp_path / "out.yaml").read_text()).exit_code == 0
    assert CANARY not in planned.output + applied.output + again.output


def test_a_name_that_the_terminal_cannot_encode_is_refused_with_its_line(terminal: Terminal, tmp_path: Path) -> None:
    values = {"name": "Sales", "connection_type": "DB", "secrets": {"api_key": "env:\ud800"}}
    file = write(tmp_path, json.dumps({"format": FORMAT, "agents": [values]}))

    refused = terminal("agents", "apply", file)

    sentence = "The name of the variable has a character that the terminal cannot encode."
    assert refused.exit_code == 1
    assert f"  agents.0.secrets.api_key: line 1: {sentence}" in refused.stderr.splitlines()


def test_an_export_that_no_import_reads_is_refused_and_writes_no_file(
    terminal: Terminal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal("agents", "apply", write(tmp_path, HEAD + AGENT.format("x") + AGENT.format("y")))
    monkeypatch.setattr(limits, "FILE_AGENTS", 1)

    refused = terminal("agents", "export", "--output", tmp_path / "out.yaml")

    assert (refused.exit_code, refused.stdout) == (1, "")
    assert f"More than 1 agents match. {TOO_MUCH}" in refused.stderr
    assert not (tmp_path / "out.yaml").exists()


def test_only_the_plan_with_the_named_digest_is_applied(terminal: Terminal, tmp_path: Path) -> None:
    path = write(tmp_path, HEAD + AGENT.format("x") + AGENT.format("y"))
    digest = terminal("agents", "plan", path).stdout.split()[-1]

    unset = terminal("agents", "apply", path, "--plan", "")
    pruning = terminal("agents", "apply", path, "--prune", "--plan", digest)
    assert terminal.json("agents", "list")["items"] == []
    terminal("agents", "apply", write(tmp_path, HEAD + AGENT.format("x")))
    write(tmp_path, HEAD + AGENT.format("x") + AGENT.format("y"))
    overtaken = terminal("agents", "apply", path, "--plan", digest)
    new_digest = terminal("agents", "plan", path).stdout.split()[-1]
    applied = terminal("agents", "apply", path, "--plan", new_digest)

    assert (unset.exit_code, NOT_A_DIGEST in unset.stderr) == (2, True)
    for refused in (pruning, overtaken):
        assert (refused.exit_code, refused.stdout) == (1, "")
        assert OTHER_PLAN in refused.stderr
    assert (applied.exit_code, len(terminal.json("agents", "list")["items"])) == (0, 2)


def test_a_line_is_named_once(terminal: Terminal, tmp_path: Path) -> None:
    refused = terminal(
        "agents", "plan", write(tmp_path, HEAD + AGENT.format("x") + f"    secrets:\n      {CANARY}: x\n")
    )

    assert "  agents.0.secrets: Line 12 has a member that is not known here." in refused.stderr
    assert CANARY not in refused.output


def test_an_output_that_is_a_link_to_itself_is_refused(terminal: Terminal, tmp_path: Path) -> None:
    link = tmp_path / "agents.yaml"
    link.symlink_to(link)

    refused = terminal("agents", "export", "--output", link)

    assert (refused.exit_code, refused.stdout) == (1, "")
    assert f"{link} is a symbolic link that leads to itself." in refused.stderr


def test_agents_are_deleted_only_after_a_confirmation(terminal: Terminal, tmp_path: Path) -> None:
    terminal("agents", "apply", write(tmp_path, HEAD + AGENT.format("x")))
    path = write(tmp_path, HEAD.rstrip() + " []\n")

    planned = terminal("agents", "plan", "--prune", path)
    warning = "Warning: 1 of 1 agent is missing in this file and would be deleted. Was it exported with a filter?"
    assert warning in planned.stderr
    assert "would be deleted" not in terminal("agents", "plan", path).stderr
    kept = terminal("agents", "apply", path)
    unasked = terminal("agents", "apply", "--prune", "-", stdin=path.read_text())
    denied = terminal("agents", "apply", "--prune", path, stdin="n\n")
    assert warning in denied.stderr
    deleted = terminal("agents", "apply", "--prune", "--yes", path)

    assert [one.exit_code for one in (kept, unasked, denied, deleted)] == [0, 2, 1, 0]
    assert "  Sales (x): missing in the file, kept" in kept.stdout
    # The plan is printed where something is asked, and otherwise what was done.
    assert ("Plan: " in denied.stdout, "Plan: " in deleted.stdout) == (True, False)
    assert "Add --yes" in unasked.stderr
    assert "- Sales (x): deleted" in deleted.stdout
    assert terminal.json("agents", "list")["items"] == []


def test_of_the_agents_that_a_plan_does_not_change_only_the_first_are_named(terminal: Terminal, tmp_path: Path) -> None:
    agents = "".join(AGENT.format(f"x-{number:02}") for number in range(25))
    terminal("agents", "apply", write(tmp_path, HEAD + agents))

    planned = terminal("agents", "plan", write(tmp_path, HEAD + AGENT.format("new")))

    kept = [f"  Sales (x-{number:02}): missing in the file, kept" for number in range(20)]
    assert planned.stdout.splitlines()[-23:-2] == [
        *kept,
        "  … and 5 more that stay as they are. --json has all of them.",
    ]


@pytest.mark.parametrize(
    "words", [["none.yaml"], [], ["/etc"], ["--bogus", "-"], ["-", "more"], ["/proc/self/mem"]], ids=" ".join
)
def test_wrong_usage_of_a_plan_is_an_error_and_not_a_change(terminal: Terminal, words: list[str]) -> None:
    refused = terminal("agents", "plan", *words, stdin=f"{HEAD.rstrip()} []\n")

    assert (refused.exit_code, refused.stdout) == (1, "")
    assert "Error: " in refused.stderr
