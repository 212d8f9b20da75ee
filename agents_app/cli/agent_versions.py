"""`flask agents`: versions, version, restore-version, deleted and restore-deleted."""

from dataclasses import asdict
from typing import Any
from uuid import UUID

import click

from agents_app.cli.actor import terminal_actor
from agents_app.cli.agent_values import clear, collect, naming_options, note_option, secret_options
from agents_app.cli.agents import agent_id, agents, print_warnings, version_option
from agents_app.cli.commands import account_option, json_option
from agents_app.cli.differences import print_differences, shortened
from agents_app.cli.options import options_of, secret_titles
from agents_app.cli.output import print_json, print_message, print_outcome, print_record, print_table
from agents_app.operations import agent_history, deleted_agents
from agents_app.operations import agents as operations
from agents_app.operations.agent_history import Change, Difference
from agents_app.operations.deleted_agents import DeletedAgent
from agents_app.operations.token_owners import who
from agents_app.operations.version_contents import value_at
from agents_app.schemas.agents import CONFIG
from agents_app.schemas.listing import LIMIT_MAX, PageQuery
from agents_app.values import fields

__all__ = ["agents"]

number = click.argument("number", metavar="NUMBER", type=int)


@agents.command()
@agent_id
@options_of(PageQuery)
@json_option
@account_option
def versions(account: str | None, agent_id: UUID, *, as_json: bool, **asked: Any) -> None:
    """List the versions of an agent, the newest first. The agent can be deleted.

    With --limit or --cursor, list one page and print the cursor of the next page.
    """
    actor, query, is_one_page = terminal_actor(account), _page_query(asked), any(asked.values())
    page = agent_history.listing(actor, agent_id, query.cursor, query.limit)
    items = list(page.items)
    while page.next_cursor and not is_one_page:
        page = agent_history.listing(actor, agent_id, page.next_cursor, LIMIT_MAX)
        items += page.items
    if as_json:
        print_json({"items": items, "next_cursor": page.next_cursor})
        return
    headings = ("VERSION", "ACTION", "CREATED (UTC)", "BY", "DOOR", "CHANGED", "NOTE")
    print_table(headings, ((*_facts(one), one.note) for one in items))
    if page.next_cursor:
        print_message(f"For the next page: --cursor {page.next_cursor}")


@agents.command()
@agent_id
@number
@click.option("--compare", type=int, metavar="NUMBER", help="Compare with this version instead of the one before.")
@json_option
@account_option
def version(account: str | None, agent_id: UUID, number: int, compare: int | None, *, as_json: bool) -> None:
    """Show one version of an agent, and what it changed. The agent can be deleted."""
    actor = terminal_actor(account)
    found = agent_history.read_version(actor, agent_id, number)
    compared = agent_history.difference(actor, agent_id, number, compare)
    if as_json:
        comparison = {"compared_with": compared.base, "changes": _changes(compared), "secret_changes": compared.secrets}
        print_json({**asdict(found), **comparison})
        return
    print_record(_record(found))
    with_what = f"version {compared.base}" if compared.base else "nothing, as there is no version before"
    print_message(f"Compared with {with_what}:")
    print_differences((one["field"], one["before"], one["after"]) for one in _rows(compared))


@agents.command("restore-version")
@agent_id
@number
@secret_options
@click.option("--clear", "cleared", multiple=True, type=click.Choice(list(secret_titles())), help="Remove this secret.")
@note_option
@version_option
@account_option
def restore_version(
    account: str | None, agent_id: UUID, number: int, version: int | None, cleared: tuple[str, ...], **given: Any
) -> None:
    """Give an agent the fields and the connection of one of its versions again, as a new version.

    The status and the stored secrets stay. A secret whose destination differs must be given again, or removed with
    --clear. To restore a deleted agent, use `flask agents restore-deleted`.
    """
    actor = terminal_actor(account)
    values = collect({"note": given["note"]}, None, given["ask"], secrets_stdin=given["secrets_stdin"])
    clear(values, cleared)
    with naming_options():
        is_changed = operations.restore_version(actor, agent_id, number, values, version)
    name = print_warnings(actor, agent_id, values if is_changed else {})
    done = f"{name} has the content of version {number} again."
    print_outcome(done, f"{name} has the content of version {number} already", is_changed=is_changed)


@agents.command()
@options_of(PageQuery)
@json_option
@account_option
def deleted(account: str | None, *, as_json: bool, **asked: Any) -> None:
    """List the deleted agents, the last deleted first.

    With --limit or --cursor, list one page and print the cursor of the next page.
    """
    actor, query, is_one_page = terminal_actor(account), _page_query(asked), any(asked.values())
    items, cursor = deleted_agents.listing(actor, query.cursor, query.limit)
    while cursor and not is_one_page:
        page, cursor = deleted_agents.listing(actor, cursor, LIMIT_MAX)
        items = [*items, *page]
    if as_json:
        print_json({"items": items, "next_cursor": cursor})
        return
    headings = ("ID", "DELETED (UTC)", "BY", "SECRETS", "NAME")
    secrets = {(True, True): "kept", (True, False): "not kept"}
    states = (secrets.get((one.has_secrets, one.has_kept_secrets)) for one in items)
    rows = zip(items, states, strict=True)
    print_table(headings, ((one.id, one.deleted_at, _by(one), state, one.name) for one, state in rows))
    if cursor:
        print_message(f"For the next page: --cursor {cursor}")


@agents.command("restore-deleted")
@agent_id
@note_option
@account_option
def restore_deleted(account: str | None, agent_id: UUID, note: str | None) -> None:
    """Restore a deleted agent as it was, with its secrets if they are still kept.

    To restore a version of an agent that exists, use `flask agents restore-version`.
    """
    actor, values = terminal_actor(account), {"note": note}
    operations.restore_deleted(actor, agent_id, values)
    name = print_warnings(actor, agent_id, values)
    print_message(f"{name} is restored.")


def _page_query(asked: dict[str, Any]) -> PageQuery:
    return fields.parse(PageQuery, {name: value for name, value in asked.items() if value is not None})


def _facts(change: Change) -> tuple[object, ...]:
    undone = [f"undid {change.undone_act}"] if change.undone_act else []
    back_to = [f"back to version {change.restored_version}"] if change.restored_version else []
    restored = f" ({', '.join([*undone, *back_to])})" if undone or back_to else ""
    changed = [pointer[1:].replace("/", ".") for pointer in change.fields]
    changed += [f"{pointer[1:].replace('/', '.')} {what}" for pointer, what in change.secrets.items()]
    action = change.action.removeprefix("agent.") + restored
    return change.version, action, change.created_at, _by(change), change.door or "unknown", changed


def _by(one: Change | DeletedAgent) -> str:
    return who(one.actor_name, one.token_owner)


def _record(found: agent_history.Version) -> dict[str, object]:
    names = ("version", "action", "created_at", "by", "door", "changed")
    record = dict(zip(names, _facts(found.change), strict=True)) | {"note": found.change.note}
    content = dict(found.content or {})
    config = content.pop(CONFIG, None)
    record |= content
    record |= {f"{CONFIG}.{name}": value for name, value in config.items()} if isinstance(config, dict) else {}
    record = {name: shortened(value) for name, value in record.items()}
    record["secrets"] = [pointer[1:].replace("/", ".") for pointer in found.secrets]
    return record | ({"problem": found.problem} if found.problem else {})


def _changes(compared: Difference) -> list[dict[str, Any]]:
    return [
        {"pointer": one, "before": value_at(one, compared.before), "after": value_at(one, compared.after)}
        for one in compared.changed
    ]


def _rows(compared: Difference) -> list[dict[str, Any]]:
    rows = [{**one, "field": one["pointer"][1:].replace("/", ".")} for one in _changes(compared)]
    secrets = compared.secrets.items()
    return rows + [{"field": one[1:].replace("/", "."), "before": None, "after": what} for one, what in secrets]
