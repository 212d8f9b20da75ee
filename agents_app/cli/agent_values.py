"""Collects the values for an agent from options, a file, prompts and standard input."""

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, BinaryIO, TypeVar

import click

from agents_app.cli.files import InputFile
from agents_app.cli.options import agent_options, connection_fields, long_secrets, options_of, secret_titles
from agents_app.cli.prompts import prompt_hidden
from agents_app.errors import InvalidInput
from agents_app.operations import agent_secrets
from agents_app.schemas.agents import CONFIG, NOTE, AgentValues
from agents_app.schemas.change_notes import NoteValues
from agents_app.values.fields import is_empty
from agents_app.values.json_text import read_object
from agents_app.values.labels import LabelLines

Function = TypeVar("Function", bound=Callable[..., Any])

MULTILINE_SECRET = "A prompt reads one line. Give {name} with --secrets-stdin or --file."
BLANK_SECRET = "This secret is blank. Type it, or leave it out to keep the stored one."
SECRET_ADVICE = "Use --ask {name} to type it at a hidden prompt, or --secrets-stdin, or --file."

note_option = options_of(NoteValues)
"""Adds the option --note."""


def value_options(command: Function) -> Function:
    """Add all options that give the values of an agent, and --note."""
    file = click.option(
        "--file",
        type=InputFile("rb"),
        help="A file with a JSON object, as in the API. Use - for standard input. Options override its values.",
    )
    return agent_options(SECRET_ADVICE)(file(secret_options(note_option(command))))


def secret_options(command: Function) -> Function:
    """Add the options with which secrets are typed."""
    for decorate in reversed(
        (
            click.option(
                "--ask",
                multiple=True,
                type=click.Choice(list(secret_titles())),
                callback=_refuse_multiline,
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
    """The values as a dictionary for an operation.

    A blank secret in a file keeps the stored secret, as in the API. From a prompt or standard input it is refused.
    Raises Malformed if JSON cannot be read, and InvalidInput for a blank secret.
    """
    stdin = sys.stdin.buffer
    if secrets_stdin and file is stdin:
        raise click.UsageError("Standard input can be used for --file or --secrets-stdin, not for both.")
    values = read_object(file.read()) if file else {}
    from_options = {name: value for name, value in given.items() if value not in (None, ())}
    _set_values(values, {name: _as_lines(name, one) for name, one in from_options.items()})
    typed = read_object(stdin.read()) if secrets_stdin else {}
    typed |= {name: prompt_hidden(secret_titles()[name], "Use --secrets-stdin or --file.") for name in ask}
    _refuse_blank(typed)
    _set_values(values, typed)
    return values


@contextmanager
def naming_options() -> Iterator[None]:
    """A refusal for a stored secret names the options that set and remove it."""
    try:
        yield
    except InvalidInput as refusal:
        raise agent_secrets.name_ways(refusal, _secret_ways) from None


def _secret_ways(pointer: str) -> tuple[str, str]:
    name = pointer.rpartition("/")[2]
    option = "--secrets-stdin" if name in long_secrets() else f"--ask {name}"
    return f"Set it with {option}", f"remove it with --clear {name}"


def clear(values: dict[str, Any], names: tuple[str, ...]) -> None:
    """Set these fields to None."""
    _set_values(values, dict.fromkeys(names))


def clearable() -> list[str]:
    """The fields that --clear accepts."""
    optional = [name for name, declared in AgentValues.model_fields.items() if not declared.is_required()]
    return [*(name for name in optional if name != CONFIG), *connection_fields()]


def _as_lines(name: str, given: Any) -> Any:
    lines = LabelLines if name == "labels" else list
    return lines(given) if isinstance(given, tuple) else given


def _set_values(values: dict[str, Any], new: Mapping[str, Any]) -> None:
    own = {name: value for name, value in new.items() if name in AgentValues.model_fields or name == NOTE}
    members = {name: value for name, value in new.items() if name not in own}
    values.update(own)
    config = values.get(CONFIG) or {}
    # If a file has another type here, the schema refuses it.
    if members and isinstance(config, dict):
        values[CONFIG] = {**config, **members}


def _refuse_blank(typed: Mapping[str, Any]) -> None:
    blank = [name for name in secret_titles() if isinstance(typed.get(name), str) and is_empty(typed[name])]
    if blank:
        pointers = [f"/{name}" if name in AgentValues.model_fields else f"/{CONFIG}/{name}" for name in blank]
        raise InvalidInput((pointer, BLANK_SECRET) for pointer in pointers)


def _refuse_multiline(_context: click.Context, _option: click.Parameter, names: tuple[str, ...]) -> tuple[str, ...]:
    # Refused before the prompt: the shell would run the second and later lines of a pasted secret as commands.
    for name in names:
        if name in long_secrets():
            raise click.UsageError(MULTILINE_SECRET.format(name=name))
    return names
