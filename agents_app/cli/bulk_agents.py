"""`flask agents bulk`: one act with all agents that match the filters of the list, and its undo."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import click

from agents_app.cli.actor import terminal_actor
from agents_app.cli.agents import agents, print_each_warning
from agents_app.cli.bulk_options import (
    FILTERS,
    note_option,
    remove_option,
    selection_options,
    unless_dry_run,
    unless_removed,
)
from agents_app.cli.commands import ConsoleGroup, MonitorCommand, account_option, json_option
from agents_app.cli.connection_tests import print_tests, test_agents
from agents_app.cli.options import Id, sent
from agents_app.cli.output import print_json, print_message, print_table
from agents_app.cli.recent_readers import print_recent_readers
from agents_app.operations import bulk_agents, started_tests
from agents_app.operations.bulk_records import permission
from agents_app.operations.bulk_results import BulkResult
from agents_app.operations.permissions import Actor
from agents_app.schemas import bulk_agents as schema
from agents_app.schemas.bulk_agents import IDS_MAX, BulkAct
from agents_app.schemas.repeated_filters import parse
from agents_app.values.choices import AgentStatus
from agents_app.values.labels import LabelLines
from agents_app.wording import number_text

__all__ = ["agents"]

SHOWN = 10
EVERYTHING = 1_000_000
NO_FILTER = "Give at least one filter, such as --environment staging. To choose every agent of the account: --all."
BOTH = "Use either filters or --all."

bulk = ConsoleGroup("bulk", help="Do one act with all agents that match the filters.")
agents.add_command(bulk)


@bulk.command(cls=MonitorCommand)
@note_option
@selection_options
def enable(note: str | None, **given: Any) -> None:
    """Enable agents. Runtimes can fetch them again."""
    _do(BulkAct.ENABLE, {"note": note}, given)


@bulk.command(cls=MonitorCommand)
@click.option(
    "--reason",
    metavar="TEXT",
    callback=unless_dry_run,
    help="The reason, which runtimes get when they fetch an agent. It is required, but not with --dry-run.",
)
@note_option
@selection_options
def disable(reason: str | None, note: str | None, **given: Any) -> None:
    """Disable agents. Runtimes cannot fetch them."""
    _do(BulkAct.DISABLE, {"reason": reason, "note": note}, given)


@bulk.command(cls=MonitorCommand)
@note_option
@selection_options
def delete(note: str | None, **given: Any) -> None:
    """Delete agents, after their number was typed. With --yes, it is not asked for."""
    _do(BulkAct.DELETE, {"note": note}, given)


@bulk.command("set-owner", cls=MonitorCommand)
@click.argument("new_owner", metavar="OWNER", required=False, callback=unless_removed)
@remove_option
@note_option
@selection_options
def set_owner(new_owner: str | None, note: str | None, **given: Any) -> None:
    """Set the owner of agents, or remove it with --remove."""
    _do(BulkAct.SET_OWNER, {"owner": new_owner, "note": note}, given)


@bulk.command("set-environment", cls=MonitorCommand)
@click.argument("new_environment", metavar="ENVIRONMENT", required=False, callback=unless_removed)
@remove_option
@note_option
@selection_options
def set_environment(new_environment: str | None, note: str | None, **given: Any) -> None:
    """Set the environment of agents, or remove it with --remove."""
    _do(BulkAct.SET_ENVIRONMENT, {"environment": new_environment, "note": note}, given)


@bulk.command("set-labels", cls=MonitorCommand)
@click.argument("labels", metavar="NAME=VALUE", nargs=-1, callback=unless_dry_run)
@note_option
@selection_options
def set_labels(labels: tuple[str, ...], note: str | None, **given: Any) -> None:
    """Add or replace labels of agents. NAME= removes a label. All other labels are kept."""
    _do(BulkAct.SET_LABELS, {"labels": LabelLines(labels) or None, "note": note}, given)


@bulk.command(cls=MonitorCommand)
@selection_options
def test(**given: Any) -> None:
    """Test agents, one after the other. The exit code is 1 if a test failed, and 3 if the command itself failed."""
    actor, found = _chosen(BulkAct.TEST, given)
    started_tests.require_on()
    if found:
        click.get_current_context().exit(print_tests(list(test_agents(actor, found)), as_json=given["as_json"]))


@bulk.command(cls=MonitorCommand)
@click.argument("bulk_id", metavar="ID", type=Id())
@note_option
@json_option
@account_option
def undo(bulk_id: UUID, account: str | None, note: str | None, *, as_json: bool) -> None:
    """Undo an act for each agent that was not changed since. ID is printed by the command of the act.

    The exit code is 1 if an agent could not be restored, and 3 if the command itself failed.
    """
    _print_results([bulk_agents.undo(terminal_actor(account), bulk_id, {"note": note})], as_json=as_json)


def _do(act: BulkAct, values: dict[str, Any], given: dict[str, Any]) -> None:
    """Do the act with the agents that match. The exit code is 1 if one of them failed."""
    is_complete = all(value is not None for name, value in values.items() if name != "note")
    if is_complete or given.get("remove"):  # only a dry run can do without
        schema.require_valid(act, values)
    actor, found = _chosen(act, given)
    ids = [agent["id"] for agent in found]
    # Each act takes up to IDS_MAX agents.
    acts = [ids[start : start + IDS_MAX] for start in range(0, len(ids), IDS_MAX)]
    if acts or given["as_json"]:
        results = [bulk_agents.act(actor, {**values, "act": act, "ids": some}) for some in acts]
        _print_results(results, as_json=given["as_json"])


def _chosen(act: BulkAct, given: dict[str, Any]) -> tuple[Actor, Sequence[dict[str, Any]]]:
    """The agents that match the filters and were confirmed. Ends the command if this is a dry run."""
    filters = sent({name: given[name] for name in FILTERS})
    if not filters and not given["all_agents"]:
        raise click.UsageError(NO_FILTER)
    if filters and given["all_agents"]:
        raise click.UsageError(BOTH)
    actor = terminal_actor(given["account"])
    actor.require(permission(act))
    found, _ = bulk_agents.matching(actor, parse({**filters, "sort": "name"}), EVERYTHING)
    count = f"{number_text(len(found))} agent{'s' * (len(found) != 1)}"
    match = f"{count} match{'es' * (len(found) == 1)}"
    if given["dry_run"]:
        if given["as_json"]:
            print_json({"items": found})
        else:
            print_table(("ID", "STATUS", "NAME"), ((one["id"], one["status"], one["name"]) for one in found))
        _print_readers(act, actor, found)
        print_message(f"{match}. Nothing was changed.")
        click.get_current_context().exit(0)
    print_message(f"{match}{':' if found else '.'}")
    _print_names(found)
    _print_readers(act, actor, found)
    if found and not given["yes"]:
        _confirm(act, count, len(found), removes=bool(given.get("remove")))
    return actor, found


def _print_names(found: Sequence[dict[str, Any]]) -> None:
    for one in found[:SHOWN]:
        print_message(f"  {one['name']}")
    if len(found) > SHOWN:
        print_message(f"  and {number_text(len(found) - SHOWN)} more")


def _print_readers(act: BulkAct, actor: Actor, found: Sequence[dict[str, Any]]) -> None:
    """Print which runtimes asked lately for the agents that they can no longer fetch after the act."""
    if act is BulkAct.DELETE:
        print_recent_readers(actor, [one["id"] for one in found], 404)
    elif act is BulkAct.DISABLE:
        active = [one["id"] for one in found if one["status"] == AgentStatus.ACTIVE]
        print_recent_readers(actor, active, 403, "" if len(active) == len(found) else "active")
        if already := len(found) - len(active):
            are, theirs = ("is", "its reason") if already == 1 else ("are", "their reasons")
            print_message(f"{number_text(already)} of them {are} disabled already. The new reason replaces {theirs}.")


def _confirm(act: BulkAct, count: str, number: int, *, removes: bool) -> None:
    if act is not BulkAct.DELETE:
        words = act.replace("set_", "remove_" if removes else "set_").replace("_", " ").capitalize()
        click.confirm(f"{words}: {count}. Continue?", abort=True, err=True)
        return
    typed = click.prompt("Type the number of agents to delete them", default="", show_default=False, err=True)
    if typed.strip().replace(",", "") != str(number):
        print_message("This is another number. Nothing was deleted.")
        raise click.Abort


def _print_results(results: Sequence[BulkResult], *, as_json: bool) -> None:
    failed = [one for result in results for one in result.failed]
    try:
        if as_json:
            print_json({"items": [result.as_json() for result in results]})
        elif failed:
            print_table(("ID", "NAME", "REASON"), ((one.id, one.name, one.detail) for one in failed))
    finally:
        # The id is needed to undo what was done, also if standard output cannot be written.
        _print_summaries(results)
    click.get_current_context().exit(int(bool(failed)))


def _print_summaries(results: Sequence[BulkResult]) -> None:
    # Each part of an act has the same warnings.
    print_each_warning(dict.fromkeys(warning for result in results for warning in result.warnings))
    for result in results:
        counts = ", ".join(f"{number_text(number)} {name}" for name, number in result.counts.items())
        repeated = " This was undone before. Nothing was changed now." if result.is_repeated else ""
        print_message(f"{result.act}: {counts}.{repeated} Id: {result.id}")
        if result.summary:
            print_message(result.summary)
