"""A sentence that names a command says `flask` in a checkout, and `agent-console` in an installation."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from agents_app.paths import COMMAND, PACKAGE, ROOT
from tests.wheel import Installed

GROUPS = "accounts|agents|db|demo|doctor|events|prepare|purge|secrets|serve|tokens|users"
NAMED = re.compile(rf"\bflask\s+(?:{GROUPS})\b|\bmake (?:run|setup|test|lint|dist|lock)\b|\.venv\b")
# What these say is written or done in a checkout only.
OF_A_CHECKOUT = {
    "dbtools/autogenerate/columns.py",
    "dbtools/autogenerate/renames.py",
    "dbtools/commands/group.py",
    "probes/causes/mssql.py",
}
TREE = """
import click
from agents_app.__main__ import load_app
def walk(command, words):
    if command.hidden:
        return
    print(command.get_help(click.Context(command, info_name=words)))
    for name in command.list_commands(None) if isinstance(command, click.Group) else ():
        walk(command.get_command(click.Context(command, info_name=words), name), f"{words} {name}")
app = load_app()
with app.app_context():
    for name in app.cli.list_commands(None):
        walk(app.cli.get_command(click.Context(app.cli), name), f"agent-console {name}")
"""


def sentences(path: Path) -> Iterator[str]:
    """The texts of a module that are not docstrings."""
    tree = ast.parse(path.read_text())
    docstrings = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
            yield node.value


def test_a_checkout_says_flask() -> None:
    assert COMMAND == "flask"


def test_no_sentence_of_the_program_names_the_command_of_a_checkout() -> None:
    found = [
        (str(path.relative_to(PACKAGE)), text)
        for path in sorted(PACKAGE.rglob("*.py"))
        if str(path.relative_to(PACKAGE)) not in OF_A_CHECKOUT
        for text in sentences(path)
        if NAMED.search(text)
    ]

    assert found == []


@pytest.mark.parametrize("folder", ["templates", "static"])
def test_no_page_names_the_command_of_a_checkout(folder: str) -> None:
    files = [path for path in (ROOT / folder).rglob("*") if path.suffix in (".html", ".js")]

    assert files
    assert [path.name for path in files if NAMED.search(path.read_text())] == []


@pytest.mark.long
def test_the_help_of_an_installed_console_names_its_own_command(installed: Installed, tmp_path: Path) -> None:
    (tmp_path / "tree.py").write_text(TREE)
    assert installed("prepare").returncode == 0

    shown = installed.python(str(tmp_path / "tree.py"))

    assert shown.returncode == 0, shown.stderr
    assert "agent-console agents create --name" in shown.stdout
    assert len(re.findall("^Usage: agent-console", shown.stdout, re.MULTILINE)) > 50
    assert [line for line in shown.stdout.splitlines() if NAMED.search(line) or re.search(r"\bflask\b", line)] == []
