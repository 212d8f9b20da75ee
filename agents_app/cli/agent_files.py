"""`flask agents export`, `plan` and `apply`: agents as a file."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

import click

from agents_app.cli.actor import terminal_actor
from agents_app.cli.agents import agents, print_note_warnings
from agents_app.cli.commands import PlanCommand, account_option, json_option
from agents_app.cli.files import InputFile, output_option, write_file
from agents_app.cli.options import options_of, sent
from agents_app.cli.output import print_json, print_lines, print_message
from agents_app.cli.plan_output import plan_json, plan_lines, summary
from agents_app.cli.recent_readers import print_readers_of_plan
from agents_app.cli.secret_references import reader
from agents_app.errors import InvalidInput, Unavailable
from agents_app.file_errors import cause_of
from agents_app.operations import agent_files as operations
from agents_app.operations.planned_agents import Plan
from agents_app.paths import COMMAND
from agents_app.schemas import agent_files as schema
from agents_app.schemas.agent_files import AgentFile
from agents_app.schemas.repeated_filters import AgentFilters, parse
from agents_app.values import limits
from agents_app.values.choices import FileFormat
from agents_app.values.rules import NOT_A_DIGEST, PLAN_DIGEST
from agents_app.wording import number_text

Function = TypeVar("Function", bound=Callable[..., Any])

NOT_FILTERS = ("sort", "limit", "cursor", "before")
CHANGED, UNCHANGED = 2, 0
# How many names a warning lists.
NAMES_MAX = 20

file_argument = click.argument("file", type=InputFile("rb"))
prune_option = click.option(
    "--prune", is_flag=True, help="Delete the agents of the account that the file does not have."
)


def _checked_digest(_context: click.Context, _option: click.Parameter, written: str | None) -> str | None:
    # An empty one is a variable of a pipeline that was not set, and must not mean every plan.
    if written is not None and not PLAN_DIGEST.fullmatch(written):
        raise click.BadParameter(NOT_A_DIGEST)
    return written


@agents.command()
@options_of(AgentFilters, skip=NOT_FILTERS, spelled={"q": "search"})
@click.option(
    "--format",
    "form",
    type=click.Choice([one.value for one in FileFormat]),
    default=FileFormat.YAML.value,
    show_default=True,
    help="The form of the file. Both have the same content.",
)
@output_option
@account_option
def export(account: str | None, form: str, output: str | None, **asked: Any) -> None:
    """Write all agents that match as one file, in UTF-8, without secrets.

    Of each secret, the file says that it is stored. Two exports of the same agents are equal to the byte.

    \b
    flask agents export --environment staging --output agents.yaml
    """
    actor = terminal_actor(account)
    content = operations.export(actor, parse(sent(asked)))
    write_file(output, [schema.to_text(content, FileFormat(form)).encode()])
    if names := operations.shared_names(actor, content):
        print_message(f"Warning: {schema.shared_names_warning(names)} {', '.join(names[:NAMES_MAX])}")


@agents.command(cls=PlanCommand)
@file_argument
@prune_option
@json_option
@account_option
@click.pass_context
def plan(context: click.Context, account: str | None, file: BinaryIO, *, prune: bool, as_json: bool) -> None:
    """Say what `flask agents apply` would do with a file, and change nothing. For standard input, write -.

    The exit code is 0 if nothing would change, 2 if something would change, and 1 after an error, also
    if the command was not typed correctly.
    """
    actor = terminal_actor(account)
    with _with_lines(_read(file)) as agent_file:
        found = operations.plan(actor, agent_file, prune=prune)
    if as_json:
        print_json(plan_json(found))
    else:
        print_lines([*plan_lines(found), summary(found, is_done=False), f"Digest: {found.digest}"])
    _print_doubt(found)
    print_readers_of_plan(actor, found)
    context.exit(CHANGED if found.changes_something else UNCHANGED)


@agents.command()
@file_argument
@prune_option
@click.option("--note", metavar="TEXT", help="Why you make these changes. The history shows it.")
@click.option(
    "--plan",
    "expected",
    metavar="DIGEST",
    callback=_checked_digest,
    help=f"Apply only the plan with this digest, which `{COMMAND} agents plan` prints, or nothing.",
)
@click.option("--yes", is_flag=True, help="Do not ask before agents are deleted.")
@account_option
def apply(
    account: str | None, file: BinaryIO, note: str | None, *, prune: bool, expected: str | None, yes: bool
) -> None:
    """Create and change agents as a file says: all of it or nothing. For standard input, write -.

    Agents that the file does not have are kept, unless --prune is given. Secrets of the form env:NAME and file:PATH are
    read as you: a relative path begins in the folder of the file.

    \b
    flask agents apply agents.yaml --note "Release 12"
    """
    actor = terminal_actor(account)
    with _with_lines(_read(file)) as agent_file:
        planned = operations.plan(actor, agent_file, prune=prune, expected=expected)
        is_asked = bool(planned.deletes) and not yes
        if is_asked:
            print_lines([*plan_lines(planned), summary(planned, is_done=False)])
            _print_doubt(planned)
        # A deleted agent has no readers any more.
        print_readers_of_plan(actor, planned)
        if is_asked:
            _confirm(planned.deletes, is_stdin=file is sys.stdin.buffer)
        # What was confirmed is applied, or nothing.
        expected = planned.digest if is_asked else expected
        done = operations.apply(actor, agent_file, prune=prune, note=note, expected=expected)
    if not is_asked:
        # What was done, which others may have made another thing than what was planned.
        print_lines(plan_lines(done))
    print_note_warnings({"note": note})
    print_message(summary(done, is_done=True))


def _print_doubt(planned: Plan) -> None:
    if planned.doubt:
        print_message(f"Warning: {planned.doubt}")


def _read(file: BinaryIO) -> AgentFile:
    is_stdin = file is sys.stdin.buffer
    folder = Path() if is_stdin else Path(file.name).parent
    try:
        # One byte more than is allowed, so that a file that is too large is not read to its end.
        content = file.read(limits.FILE_BYTES + 1)
    except OSError as error:
        raise Unavailable(f"The file cannot be read: {cause_of(error)}.", code="file") from None
    return schema.read(content, reader(folder))


def _confirm(deletes: int, *, is_stdin: bool) -> None:
    if is_stdin:
        raise click.UsageError(
            "The file is read from standard input, so nobody can be asked. Add --yes to delete agents."
        )
    what = "1 agent" if deletes == 1 else f"{number_text(deletes)} agents"
    click.confirm(f"Delete {what}?", abort=True, err=True)


@contextmanager
def _with_lines(file: AgentFile) -> Iterator[AgentFile]:
    """Add to each problem the number of its line in the file."""
    try:
        yield file
    except InvalidInput as refusal:
        found = [(pointer, file.line(pointer), said) for pointer, said in refusal.fields]
        raise InvalidInput(
            # The sentence about a member that is not known names its line itself.
            (pointer, f"line {number_text(line)}: {said}" if line and not said.startswith("Line ") else said)
            for pointer, line, said in found
        ) from None
