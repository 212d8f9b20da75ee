"""Collects the values of an agent that is made or changed, from options, a file, prompts and standard input."""

import sys
from collections.abc import Callable, Mapping
from typing import Any, BinaryIO, TypeVar

import click

from agents_app.cli.console import ask_hidden
from agents_app.cli.options import agent_options, connection_fields, long_secrets, secret_titles
from agents_app.errors import InvalidInput
from agents_app.schemas.agents import CONFIG, AgentValues
from agents_app.values.fields import is_empty
from agents_app.values.json_text import read_object

Function = TypeVar("Function", bound=Callable[..., Any])

LONG = "A prompt takes one line. Give {name} with --secrets-stdin or --file."
BLANK = "This secret is blank. Type it, or leave it out: then a stored one is kept."
INSTEAD = "Use --ask {name} to type it hidden, --secrets-stdin, or --file."


def value_options(command: Function) -> Function:
    """Every way to give the values of an agent."""
    for decorate in reversed(
        (
            agent_options(INSTEAD),
            click.option(
                "--file",
                type=click.File("rb"),
                help="A JSON object as the API takes it; - is standard input. Options stand above it.",
            ),
            click.option(
                "--ask",
                multiple=True,
                type=click.Choice(list(secret_titles())),
                callback=_refuse_long,
                help="Type this secret at a hidden prompt. May be repeated.",
            ),
            click.option(
                "--secrets-stdin",
                is_flag=True,
                help='Read secrets from standard input as a JSON object: {"api_key": "...", "password": "..."}.',
            ),
        )
    ):
        command = decorate(command)
    return command


def collect(
    given: Mapping[str, Any], file: BinaryIO | None, ask: tuple[str, ...], *, secrets_stdin: bool
) -> dict[str, Any]:
    """The values as an operation takes them.

    In a file a blank secret keeps what is stored, as over JSON; from a prompt or standard input it is refused.
    Raises Malformed where JSON cannot be read, and InvalidInput for a blank secret.
    """
    stdin = sys.stdin.buffer
    if secrets_stdin and file is stdin:
        raise click.UsageError("Standard input can be the --file or the --secrets-stdin, not both.")
    values = read_object(file.read()) if file else {}
    _place(values, {name: _plain(value) for name, value in given.items() if value not in (None, ())})
    typed = read_object(stdin.read()) if secrets_stdin else {}
    typed |= {name: _typed(name) for name in ask}
    _refuse_blank(typed)
    _place(values, typed)
    return values


def clear(values: dict[str, Any], names: tuple[str, ...]) -> None:
    """Note that these fields shall be empty."""
    _place(values, dict.fromkeys(names))


def clearable() -> list[str]:
    """The fields that may be emptied by name."""
    optional = [name for name, declared in AgentValues.model_fields.items() if not declared.is_required()]
    return [*(name for name in optional if name != CONFIG), *connection_fields()]


def _place(values: dict[str, Any], new: Mapping[str, Any]) -> None:
    own = {name: value for name, value in new.items() if name in AgentValues.model_fields}
    members = {name: value for name, value in new.items() if name not in own}
    values.update(own)
    config = values.get(CONFIG) or {}
    # Where a file holds something else than an object here, the schema says so.
    if members and isinstance(config, dict):
        values[CONFIG] = {**config, **members}


def _refuse_blank(typed: Mapping[str, Any]) -> None:
    blank = [name for name in secret_titles() if isinstance(typed.get(name), str) and is_empty(typed[name])]
    if blank:
        pointers = [f"/{name}" if name in AgentValues.model_fields else f"/{CONFIG}/{name}" for name in blank]
        raise InvalidInput((pointer, BLANK) for pointer in pointers)


def _plain(value: object) -> object:
    return list(value) if isinstance(value, tuple) else value


def _typed(name: str) -> str:
    return ask_hidden(secret_titles()[name], "Use --secrets-stdin or --file.")


def _refuse_long(_context: click.Context, _option: click.Parameter, names: tuple[str, ...]) -> tuple[str, ...]:
    # Before anything is pasted: the shell would take the lines behind the first for commands.
    for name in names:
        if name in long_secrets():
            raise click.UsageError(LONG.format(name=name))
    return names
