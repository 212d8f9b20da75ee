"""Commands whose output cannot be written, such as on a full disk. Each runs as a process of its own."""

import json
import re
import subprocess

import pytest

from tests.cli.conftest import Checkout
from tests.fork_server import LANGUAGE, programs

pytestmark = pytest.mark.long

SENTENCE = "Error: The output cannot be written: No space left on device."
STORED = "What the command changed is stored. To see it: flask events list"
FILE = """\
format: agent-console-agents/1
agents:
  - {name: Sales, connection_type: DB,
     connection_config: {dialect: postgresql, host: db.example.org, database: sales, username: reader}}
"""


def run(checkout: Checkout, line: str) -> "subprocess.CompletedProcess[str]":
    """Run `flask` in a shell, with the rest of this line."""
    environment = {"LANG": LANGUAGE, "PATH": "/bin", "HOME": str(checkout.folder), **checkout.settings}
    words = ["sh", "-c", f"exec {programs()}/python -m flask {line}"]
    return subprocess.run(
        words, check=False, timeout=60, cwd=checkout.folder, env=environment, capture_output=True, text=True
    )


def failure(checkout: Checkout, line: str) -> tuple[str, int]:
    """What the command says about its output, which goes to a full disk, and its exit code."""
    result = run(checkout, f"{line} > /dev/full")
    return result.stderr.strip(), result.returncode


@pytest.fixture
def ready(ready: Checkout) -> Checkout:
    """A copy of the project with one account and a file of agents."""
    account = "--organisation Acme --name Ada --email ada@example.org --password-stdin"
    assert (
        run(ready, f"accounts create {account} <<< correct-horse-battery-9".replace("<<< ", "<<E\n") + "\nE").returncode
        == 0
    )
    (ready.folder / "agents.yaml").write_text(FILE)
    return ready


def test_a_command_whose_output_cannot_be_written_says_so_in_one_line(ready: Checkout) -> None:
    lines = ("agents plan agents.yaml", "events export", "agents list --help", "agents --help", "--help")

    assert {line: failure(ready, line) for line in lines} == dict.fromkeys(lines, (SENTENCE, 1))
    assert failure(ready, "agents attention") == (SENTENCE, 3)
    assert failure(ready, "db history") == (f"{SENTENCE} To see the state of the database: flask db status", 1)


def test_a_command_that_has_changed_something_says_that_it_is_stored(ready: Checkout) -> None:
    applied = failure(ready, "agents apply agents.yaml --note 'Release 12'")
    agents = json.loads(run(ready, "agents list --json").stdout)["items"]
    invited = failure(ready, "users invite --role editor")

    disabled, code = failure(ready, "agents bulk disable --reason Moving --all --yes --json")

    assert applied == (f"{SENTENCE} {STORED}", 1)
    assert (invited[0].splitlines()[-1], invited[1]) == applied
    assert [agent["name"] for agent in agents] == ["Sales"]
    # The id, without which nobody could undo it.
    assert re.search(r"^disable: 1 changed, 0 unchanged, 0 failed. Id: \S+$", disabled, re.MULTILINE)
    assert (disabled.endswith(f"{SENTENCE} {STORED}"), code) == (True, 3)


def test_messages_that_cannot_be_written_do_not_end_a_command(ready: Checkout) -> None:
    applied = run(ready, "agents apply agents.yaml 2> /dev/full")

    assert (applied.returncode, len(json.loads(run(ready, "agents list --json").stdout)["items"])) == (0, 1)
