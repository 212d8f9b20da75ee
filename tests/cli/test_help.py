"""Every command has a help text, which needs no keys and no database."""

from collections.abc import Iterator

import click
import pytest
from flask import Flask

from agents_app import cli
from agents_app.config import CHECKS
from agents_app.encryption import parse_keys
from agents_app.paths import ROOT
from tests.cli.conftest import Checkout
from tests.project import PARTS


def commands(command: click.Command, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    yield path, command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            child = command.get_command(context, name)
            assert child
            yield from commands(child, (*path, name))


def our_commands() -> list[tuple[tuple[str, ...], click.Command]]:
    app = Flask("nothing")
    cli.init_app(app)
    return [(path, command) for path, command in commands(app.cli) if path and path[0] != cli.MIGRATIONS]


def is_usable(key: str) -> bool:
    try:
        return bool(parse_keys(key))
    except ValueError:
        return False


@pytest.mark.parametrize("command", [pytest.param(command, id=" ".join(path)) for path, command in our_commands()])
def test_every_command_and_every_option_says_what_it_does(command: click.Command) -> None:
    options = [option for option in command.params if isinstance(option, click.Option) and not option.hidden]

    assert command.help
    assert command.help.split("\n")[0].endswith(".")
    assert [option.name for option in options if not option.help] == []


def test_help_needs_no_key_and_leaves_no_file(checkout: Checkout) -> None:
    for words in (["--help"], ["agents", "create", "--help"]):
        shown = checkout.flask(*words)
        assert (shown.returncode, shown.stderr) == (0, "")
        assert "--help" in shown.stdout

    assert {path.name for path in checkout.folder.iterdir()} - {"__pycache__"} == set(PARTS)


def test_a_command_that_needs_a_key_names_it_in_one_line(checkout: Checkout) -> None:
    refused = checkout.flask("agents", "list")

    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr == "Error: SECRET_KEY is not set. `flask prepare` writes one into .env; see .env.example.\n"


def test_the_example_file_describes_every_setting_in_order_and_has_no_usable_key() -> None:
    text = (ROOT / ".env.example").read_text()
    settings = [line[1:].split("=", 1) for line in text.splitlines() if line.startswith("#") and line[1:2].isupper()]

    assert [name for name, _ in settings] == list(CHECKS)
    known = dict(settings)
    assert known["SECRET_KEY"] == known["ENCRYPTION_KEYS"] == known["TOKEN_PEPPERS"] == ""
    for name, check in CHECKS.items():
        if known[name]:
            check(known[name])
    assert not [word for word in text.split() if is_usable(word)]
