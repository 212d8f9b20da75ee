"""`flask agents`: list, show, create, update, disable, enable, clone and delete agents."""

from collections.abc import Iterable, Mapping
from operator import itemgetter
from typing import Any
from uuid import UUID

import click

from agents_app.cli.actor import terminal_actor
from agents_app.cli.agent_values import clear, clearable, collect, naming_options, note_option, value_options
from agents_app.cli.commands import ConsoleGroup, account_option, json_option
from agents_app.cli.options import Id, options_of, sent
from agents_app.cli.output import print_json, print_message, print_outcome, print_record, print_table
from agents_app.cli.recent_readers import print_recent_readers
from agents_app.operations import agent_reads, save_warnings
from agents_app.operations import agents as operations
from agents_app.operations.agent_states import replaced_reason
from agents_app.operations.agents import NO_VALUES
from agents_app.operations.permissions import Actor
from agents_app.operations.token_owners import who
from agents_app.schemas import repeated_filters
from agents_app.schemas.listing import LIMIT_MAX, AgentQuery

HEADINGS = ("ID", "STATUS", "TYPE", "LAST TEST", "UPDATED (UTC)", "FETCHED (UTC)", "MODEL", "NAME")

agents = ConsoleGroup("agents", help="List, show, create, change and delete agents.")

agent_id = click.argument("agent_id", metavar="ID", type=Id())
version_option = click.option(
    "--version", type=int, metavar="NUMBER", help="Change nothing unless the agent has this version."
)


@agents.command("list")
@options_of(repeated_filters.AgentFilters, skip=("before",), spelled={"q": "search"})
@json_option
@account_option
def list_(account: str | None, *, as_json: bool, **asked: Any) -> None:
    """List all agents that match.

    With --limit or --cursor, list one page and print the cursor of the next page.
    """
    actor = terminal_actor(account)
    is_one_page = asked["limit"] is not None or asked["cursor"] is not None
    query = repeated_filters.parse(sent(asked))
    items, next_cursor = _one_page(actor, query) if is_one_page else (all_agents(actor, query), None)
    if as_json:
        print_json({"items": items, "next_cursor": next_cursor})
        return
    row = itemgetter("id", "status", "connection_type", "test", "updated_at", "last_fetched_at", "model_type", "name")
    print_table(HEADINGS, (row(agent | {"test": _test_word(agent["last_test"])}) for agent in items))
    if next_cursor:
        print_message(f"For the next page: --cursor {next_cursor}")


@agents.command()
@agent_id
@json_option
@account_option
def show(account: str | None, agent_id: UUID, *, as_json: bool) -> None:
    """Show one agent. Of each secret, show that it is set and its last characters."""
    agent = agent_reads.read(terminal_actor(account), agent_id)
    if as_json:
        print_json(agent)
        return
    print_record(_record(agent))


@agents.command()
@value_options
@account_option
def create(account: str | None, **given: Any) -> None:
    """Create an agent and print its id.

    Give values with options or a JSON file, and secrets at a prompt, on standard input or in the file.

    \b
    flask agents create --name "Sales" --connection-type DB --dialect postgresql \\
        --host db.example.org --database sales --username reader --ask password
    """
    actor = terminal_actor(account)
    values = _collect_values(given)
    new_id = operations.create(actor, values).agent_id
    click.echo(new_id)
    print_warnings(actor, new_id, values)


@agents.command()
@agent_id
@value_options
@click.option(
    "--clear",
    "cleared",
    multiple=True,
    metavar="FIELD",
    type=click.Choice(clearable()),
    help="Clear this field.",
)
@version_option
@account_option
def update(account: str | None, agent_id: UUID, version: int | None, cleared: tuple[str, ...], **given: Any) -> None:
    """Change the given fields of an agent, and keep the others.

    Stored secrets are kept too, unless the destination of the connection changes. Then they must be given again. The
    API key must be given again if the model provider or its base URL changes. Labels are replaced together.
    """
    actor = terminal_actor(account)
    changes = _collect_values(given)
    clear(changes, cleared)
    with naming_options():
        is_changed = operations.update(actor, agent_id, changes, version)
    name = print_warnings(actor, agent_id, changes if is_changed else {})
    print_outcome(f"{name} is saved.", f"{name} has these values already", is_changed=is_changed)


@agents.command()
@agent_id
@click.option("--reason", metavar="TEXT", help="The reason, which runtimes get when they fetch the agent.")
@note_option
@version_option
@account_option
def disable(account: str | None, agent_id: UUID, version: int | None, reason: str | None, note: str | None) -> None:
    """Disable an agent. Runtimes cannot fetch it. Without a note, the history shows the reason as the note."""
    actor, values = terminal_actor(account), {"reason": reason, "note": note}
    before = operations.disable(actor, agent_id, values, version)
    name = print_warnings(actor, agent_id, values if before else {}, of="/status_reason")
    replaced = before and replaced_reason(before, reason or "")
    done = f"{name} {replaced or 'is disabled.'}"
    if before is not None:
        print_recent_readers(actor, [agent_id], 403)
    print_outcome(done, f"{name} is disabled already, for this reason", is_changed=before is not None)


@agents.command()
@agent_id
@note_option
@version_option
@account_option
def enable(account: str | None, agent_id: UUID, version: int | None, note: str | None) -> None:
    """Enable an agent. Runtimes can fetch it again."""
    actor, values = terminal_actor(account), {"note": note}
    is_changed = operations.enable(actor, agent_id, version, values)
    name = print_warnings(actor, agent_id, values if is_changed else {}, of="/note")
    print_outcome(f"{name} is active.", f"{name} is active already", is_changed=is_changed)


@agents.command()
@agent_id
@note_option
@account_option
def clone(account: str | None, agent_id: UUID, note: str | None) -> None:
    """Create an active copy of an agent, with its secrets, and print the id of the copy."""
    actor, values = terminal_actor(account), {"note": note}
    copy_id = operations.clone(actor, agent_id, values=values).agent_id
    click.echo(copy_id)
    print_warnings(actor, copy_id, values)


@agents.command()
@agent_id
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
@note_option
@version_option
@account_option
def delete(account: str | None, agent_id: UUID, version: int | None, note: str | None, *, yes: bool) -> None:
    """Delete an agent, after a confirmation. `flask agents restore-deleted` restores it."""
    actor, values = terminal_actor(account), {"note": note}
    name = agent_reads.read(actor, agent_id)["name"]
    print_recent_readers(actor, [agent_id], 404)
    if not yes:
        click.confirm(f"Delete {name}?", abort=True, err=True)
    operations.delete(actor, agent_id, version, values)
    print_note_warnings(values)
    print_message(f"{name} is deleted.")


def _collect_values(given: dict[str, Any]) -> dict[str, Any]:
    file, ask, secrets_stdin = (given.pop(name) for name in ("file", "ask", "secrets_stdin"))
    return collect(given, file, ask, secrets_stdin=secrets_stdin)


def _one_page(actor: Actor, query: AgentQuery) -> tuple[list[dict[str, Any]], str | None]:
    return (page := agent_reads.listing(actor, query)).items, page.next_cursor


def all_agents(actor: Actor, query: AgentQuery) -> list[dict[str, Any]]:
    """All agents that match, in the order of the query."""
    items: list[dict[str, Any]] = []
    cursor: str | None = None
    while True:
        following = query.model_copy(update={"limit": LIMIT_MAX, "cursor": cursor})
        page, cursor = _one_page(actor, following)
        items += page
        if cursor is None:
            return items


def _record(agent: dict[str, Any]) -> dict[str, object]:
    record = agent | {"created_by": agent["created_by"] and agent["created_by"]["name"]}
    record["updated_by"] = agent["updated_by"] and who(agent["updated_by"], record.pop("updated_by_token_owner"))
    config, secrets = record.pop("connection_config"), record.pop("secrets_set")
    record["last_test"] = _test_text(agent["last_test"])
    record |= {f"connection_config.{name}": value for name, value in config.items()}
    return record | {pointer[1:].replace("/", "."): _secret_text(fact) for pointer, fact in secrets.items()}


def _test_word(last_test: dict[str, Any] | None) -> str | None:
    if last_test is None:
        return None
    return "out of date" if last_test["is_out_of_date"] else str(last_test["outcome"])


def _test_text(last_test: dict[str, Any] | None) -> str | None:
    if last_test is None:
        return None
    cause = f" ({last_test['cause']})" if last_test["cause"] else ""
    tags = "".join(
        f", {text}" for name, text in (("is_out_of_date", "out of date"), ("is_sample", "sample")) if last_test[name]
    )
    when = f"{last_test['tested_at']:%Y-%m-%d %H:%M}"
    return f"{last_test['outcome']}{cause}, version {last_test['version']}, {when}, by {last_test['tested_by']}{tags}"


def _secret_text(fact: dict[str, Any]) -> str:
    ending = f", ends in {fact['last_four']}" if fact["last_four"] else ""
    problem = "" if fact["readable"] else ", CANNOT BE DECRYPTED"
    return f"set by {fact['set_by'] or 'an unknown person'}{ending}{problem}"


def print_warnings(actor: Actor, agent_id: UUID, values: Mapping[str, Any] = NO_VALUES, of: str = "/") -> str:
    """Warn of what is doubtful or missing in the agent, or at one pointer of it, and in the note of a change.

    Returns its name.
    """
    agent = agent_reads.read(actor, agent_id)
    print_each_warning([(pointer, text) for pointer, text in save_warnings.of_agent(agent) if pointer.startswith(of)])
    print_note_warnings(values)
    return str(agent["name"])


def print_note_warnings(values: Mapping[str, Any]) -> None:
    """Warn of what looks like a secret in the note of a change."""
    print_each_warning(save_warnings.of_note(values))


def print_each_warning(warnings: Iterable[tuple[str, str]]) -> None:
    """Print warnings, each with the name of its field."""
    for pointer, sentence in warnings:
        print_message(f"Warning: {pointer[1:].replace('/', '.')}: {sentence}")
