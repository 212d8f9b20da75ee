"""With a terminal that is not UTF-8, every command prints what it can, and arguments must be valid text."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import PATIENCE_S, Checkout
from tests.make import KEYS
from tests.project import copy_project

pytestmark = pytest.mark.long

NAME = "Caf\u00e9 \u041f\u0440\u0438\u0432\u0435\u0442 \U0001f600"
AS_ASCII = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
ENCODINGS = {
    "latin-1": {"PYTHONIOENCODING": "latin-1"},
    "ASCII": {"PYTHONIOENCODING": "ascii:strict"},
    "C": AS_ASCII,
}
COMMANDS = ["agents list", "events list", "db status", "agents list --account \u00f1"]


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory, _sqlite_at_head: Path) -> Checkout:
    """A console with names that ASCII and Latin-1 cannot encode. No test changes it."""
    folder = tmp_path_factory.mktemp("filled")
    file = shutil.copy(_sqlite_at_head, folder / "console.db")
    ready = Checkout(copy_project(folder / "agent console"), {**KEYS, "DATABASE_URL": f"sqlite:///{file}"})
    people = ["--name", NAME, "--email", "ada@example.org", "--organisation", NAME, "--password-stdin"]
    made = subprocess.run(
        ready._command("accounts", "create", *people),
        check=False,
        cwd=ready.folder,
        env=ready._environment({"PYTHONUTF8": "1"}),
        input=b"a long pass phrase 27",
        capture_output=True,
        timeout=PATIENCE_S,
    )
    assert made.returncode == 0, made.stderr
    words = ["--connection-type", "DB", "--dialect", "mysql", "--host", "h", "--database", "d", "--username", "u"]
    assert ready.flask("agents", "create", "--name", NAME, *words, PYTHONUTF8="1").returncode == 0
    return ready


def run(console: Checkout, words: list[str], settings: dict[str, str]) -> "subprocess.CompletedProcess[bytes]":
    """A command with its output as bytes."""
    environment = console._environment(settings)
    return subprocess.run(
        words, check=False, cwd=console.folder, env=environment, capture_output=True, timeout=PATIENCE_S
    )


@pytest.mark.parametrize("settings", ENCODINGS.values(), ids=ENCODINGS)
def test_every_command_prints_what_the_terminal_can_show(filled: Checkout, settings: dict[str, str]) -> None:
    encoding = "latin-1" if settings.get("PYTHONIOENCODING") == "latin-1" else "ascii"
    for command in COMMANDS:
        words = [os.fsdecode(word) for word in command.encode().split()]
        if settings is AS_ASCII and not command.isascii():
            continue
        printed = run(filled, filled._command(*words), settings)

        assert b"Traceback" not in printed.stdout + printed.stderr, command
        assert printed.returncode == (0 if command.isascii() else 1), printed.stderr
        (printed.stdout + printed.stderr).decode(encoding)
        if command == "agents list":
            assert f"{NAME[:4].encode(encoding, 'replace').decode(encoding)}" in printed.stdout.decode(encoding)
            assert b"?????? ?" in printed.stdout


@pytest.mark.parametrize("settings", [ENCODINGS["latin-1"], AS_ASCII], ids=["latin-1", "C"])
def test_json_is_complete_in_every_encoding(filled: Checkout, settings: dict[str, str]) -> None:
    printed = run(filled, filled._command("agents", "list", "--json"), settings)

    assert printed.stdout.isascii()
    assert json.loads(printed.stdout)["items"][0]["name"] == NAME


def test_json_is_readable_where_the_terminal_can_show_it(filled: Checkout) -> None:
    printed = run(filled, filled._command("agents", "list", "--json"), {"PYTHONUTF8": "1"})

    assert NAME.encode() in printed.stdout


@pytest.mark.parametrize("settings", [{"PYTHONUTF8": "1"}, AS_ASCII], ids=["UTF-8", "C"])
def test_an_argument_that_is_not_text_is_refused_with_one_sentence(ready: Checkout, settings: dict[str, str]) -> None:
    name = os.fsdecode(b"caf\xe9")
    for words in (["agents", "create", "--name", name], ["db", "migrate", "-m", name], ["users", "list", name]):
        refused = run(ready, ready._command(*words), settings)

        assert refused.returncode == 1
        assert refused.stdout == b""
        assert refused.stderr.startswith(b"An argument of this command is not valid in the encoding ")
        assert len(refused.stderr.splitlines()) == 1


def test_plain_alembic_answers_in_a_narrow_encoding_too(ready: Checkout) -> None:
    alembic = [sys.executable, "-m", "alembic", "current"]

    shown = run(ready, alembic, {"PYTHONIOENCODING": "ascii:strict"})

    assert (shown.returncode, b"(head)" in shown.stdout) == (0, True), shown.stderr


@pytest.mark.parametrize("settings", ENCODINGS.values(), ids=ENCODINGS)
def test_a_file_of_agents_is_utf_8_in_every_encoding_and_its_plan_is_printed(
    filled: Checkout, settings: dict[str, str]
) -> None:
    for form in ("yaml", "json"):
        exported = run(filled, filled._command("agents", "export", "--format", form), settings)
        path = filled.folder / f"agents.{form}"
        path.write_bytes(exported.stdout.replace(b"mysql", b"mssql"))
        planned = run(filled, filled._command("agents", "plan", path.name), settings)

        assert NAME.encode() in exported.stdout
        assert (planned.returncode, planned.stderr) == (2, b"")
        assert b"~ Caf" in planned.stdout
        path.unlink()
