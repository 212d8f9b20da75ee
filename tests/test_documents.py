"""README.md and the documents of TESTED_HERE: their commands are typed in a copy of the project.

A `sh` block says `on=` which database, and `at=empty` (a database without tables, and no keys), `at=head` (without
rows) or `at=demo` (with the agents of `flask demo`). `serve` means that the console is running, and `fails` that the
last command must. A block with `by=FILE` is run by that file. Blocks in other languages are run by the tests of a proxy
or of a pooler.
"""

import re
from collections.abc import Callable
from pathlib import Path

import click
import pytest
from flask import Flask
from flask.cli import FlaskGroup, ScriptInfo

from agents_app.paths import ROOT
from tests.cli.conftest import Checkout, Server, free_port, serve
from tests.documents import KINDS, Block, missing_lines, read_blocks, type_lines
from tests.make import KEYS
from tests.project import reused_copy

__all__ = ["serve"]

README_LINES_MAX = 96
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
TESTED_HERE = ("README.md", "deployment.md", "security.md", "sign-on.md")
BLOCKS = [block for page in PAGES if page.name in TESTED_HERE for block in read_blocks(page)]
OTHER_LANGUAGES = {"apache", "caddy", "cron", "env", "ini", "nginx", "text"}
TYPED = [
    pytest.param(kind, block, id=f"{block.place} on {kind}")
    for block in BLOCKS
    if block.language == "sh" and "by" not in block.options
    for kind in KINDS[block.options["on"]]
]
AT_HEAD = {"sqlite": "sqlite_schema_url", "postgresql": "postgres_schema_url"}
ADDRESS = "127.0.0.1:8000"
# A command in the middle of a sentence, without the values of its arguments.
INLINE = re.compile(r"`(?:\S*/)?(?:flask|agent-console) ((?:[a-z][a-z-]*)(?: [^`]*)?)`")


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) <= README_LINES_MAX


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.place)
def test_every_block_says_how_it_is_run(block: Block) -> None:
    assert block.language in {"sh", *OTHER_LANGUAGES}
    if block.language == "sh":
        assert {"on", "at"} <= block.options.keys() or "by" in block.options


@pytest.mark.parametrize("block", [block for block in BLOCKS if "by" in block.options], ids=lambda block: block.place)
def test_a_file_runs_the_commands_that_it_is_said_to_run(block: Block) -> None:
    program = (ROOT / block.options["by"]).read_text()

    # A newcomer clones the repository; that file copies the commit.
    lines = [line for line in block.text.splitlines() if not line.startswith("git clone ")]

    assert [line for line in lines if f"`{line}`" not in program] == []


@pytest.mark.long
@pytest.mark.parametrize(("kind", "block"), TYPED)
def test_the_commands_of_a_block_work(
    kind: str, block: Block, tmp_path: Path, request: pytest.FixtureRequest, serve: Callable[..., Server]
) -> None:
    is_empty = block.options["at"] == "empty"
    fixtures = {"sqlite": "sqlite_url", "postgresql": "postgres_url"} if is_empty else AT_HEAD
    url = request.getfixturevalue(fixtures[kind])
    folder = reused_copy(tmp_path)
    (folder.parent / "backups").mkdir()
    settings = {**({} if is_empty else KEYS), "DATABASE_URL": url, "BIND": f"127.0.0.1:{free_port()}"}
    if block.options["at"] == "demo":
        assert type_lines("flask demo", folder, settings).returncode == 0
    if "serve" in block.options:
        serve(Checkout(folder, settings))

    run = type_lines(block.text.replace(ADDRESS, settings["BIND"]), folder, settings)

    assert (run.returncode != 0) == ("fails" in block.options), run.stdout + run.stderr
    assert missing_lines(block, run) == [], run.stdout + run.stderr


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_command_within_a_sentence_exists(page: Path, console: Flask) -> None:
    for words in INLINE.findall(page.read_text()):
        _check_command(console, words.partition("…")[0].split())


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_file_that_a_document_names_exists(page: Path) -> None:
    named = re.findall(r"`((?:agents_app|benchmarks|docs|migrations|templates|tests)/[\w./]+)`", page.read_text())
    linked = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text())

    assert [name for name in named if not (ROOT / name).exists()] == []
    assert [name for name in linked if not (page.parent / name).exists()] == []


def _check_command(app: Flask, words: list[str]) -> None:
    group = FlaskGroup(create_app=lambda: app)
    command: click.Command = group
    # At its end, click closes the context of the app that Flask opens to find a command.
    with click.Context(group, obj=ScriptInfo(create_app=lambda: app)) as context:
        while isinstance(command, click.Group) and words:
            found = command.get_command(context, words[0])
            assert found, f"flask has no command {' '.join(words)}"
            command, words = found, words[1:]
    options = {text for option in command.params for text in (*option.opts, *option.secondary_opts)}
    used = {word.partition("=")[0] for word in words if re.match("--?[a-z]", word)}

    assert used <= options, f"flask {command.name} has no option {used - options}"
