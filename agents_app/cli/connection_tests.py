"""`flask agents test` and `flask agents attention`: test connections, and list the agents that need attention."""

from collections.abc import Iterator, Sequence
from typing import Any
from uuid import UUID

import click

from agents_app.cli.actor import terminal_actor
from agents_app.cli.agents import agents, all_agents
from agents_app.cli.commands import MonitorCommand, account_option, json_option
from agents_app.cli.options import Id
from agents_app.cli.output import print_json, print_lines, print_message, print_table
from agents_app.errors import Conflict, InvalidInput, NotFound
from agents_app.operations import attention as attention_operations
from agents_app.operations import connection_tests, started_tests, test_results
from agents_app.operations.permissions import Actor
from agents_app.schemas.listing import parse

__all__ = ["agents"]

FAILED = "failed"
HEADINGS = ("OUTCOME", "CAUSE", "ID", "NAME")
ONE_OR_ALL = "Give the id of one agent, or --all."


@agents.command(cls=MonitorCommand)
@click.argument("agent_id", metavar="[ID]", type=Id(), required=False)
@click.option("--all", "tests_all", is_flag=True, help="Test every agent of the account, one after the other.")
@json_option
@account_option
@click.pass_context
def test(context: click.Context, account: str | None, agent_id: UUID | None, *, tests_all: bool, as_json: bool) -> None:
    """Test the connection and the model of an agent, or of all agents.

    The result is stored as the last test of the agent. The exit code is 1 if a test failed (a warning is not a
    failure), and 3 if the command itself failed.
    """
    if (agent_id is None) is not tests_all:
        raise click.UsageError(ONE_OR_ALL)
    actor = terminal_actor(account)
    started_tests.require_on()
    if agent_id is not None:
        result = connection_tests.run(actor, agent_id)
        if as_json:
            print_json(result)
        else:
            print_lines(_result_lines(result))
        context.exit(int(result["outcome"] == FAILED))
    results = list(test_agents(actor, all_agents(actor, parse({"sort": "name"}))))
    context.exit(print_tests(results, as_json=as_json))


@agents.command(cls=MonitorCommand)
@json_option
@account_option
@click.pass_context
def attention(context: click.Context, account: str | None, *, as_json: bool) -> None:
    """List the agents that need attention, and why.

    An agent needs attention if its last test failed, if something that is needed to sign in is missing, if a credential
    expires within 30 days or has expired, if its owner has left, if runtimes fetched it and have not for 30 days, or if
    a secret cannot be decrypted. The exit code is 1 if there is such an agent, and 3 if the command itself failed.
    """
    found = attention_operations.listing(terminal_actor(account))
    if as_json:
        print_json({"items": found})
    else:
        rows = [(one["id"], one["name"], reason["detail"]) for one in found for reason in one["reasons"]]
        print_table(("ID", "NAME", "REASON"), rows)
    context.exit(int(bool(found)))


def print_tests(results: Sequence[dict[str, Any]], *, as_json: bool) -> int:
    """Print the outcome of each test. Returns the exit code: 1 if a test failed."""
    if as_json:
        print_json({"items": results})
    else:
        print_table(HEADINGS, ((one["outcome"], one["cause"], one["id"], one["name"]) for one in results))
    failures = sum(one["outcome"] == FAILED for one in results)
    print_message(f"{failures} of {len(results)} tests failed.")
    return int(failures > 0)


def test_agents(actor: Actor, items: Sequence[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Test these agents, one after the other. Yields each result with the id and the name of its agent."""
    for number, agent in enumerate(items, 1):
        print_message(f"Test {number} of {len(items)}: {agent['name']}")
        named = {"id": agent["id"], "name": agent["name"]}
        try:
            yield named | connection_tests.run(actor, agent["id"])
        except NotFound:
            continue  # it was deleted since it was listed
        except (Conflict, InvalidInput) as refusal:
            yield named | {"outcome": FAILED, "cause": refusal.code, "detail": refusal.detail}


def _result_lines(result: dict[str, Any]) -> Iterator[str]:
    for part in result["parts"]:
        yield f"{part['label']}: {part['outcome']}"
        for step in part["steps"]:
            yield f"  {step['outcome']:<8}{step['milliseconds']:>6} ms  {step['label']}"
        causes = [part["cause"]] if part["cause"] else []
        groups: dict[tuple[str, str], list[str]] = {}
        for finding in [*causes, *part["warnings"]]:
            groups.setdefault((finding["next_step"], finding["responsible_label"]), []).append(finding["what"])
        for (next_step, responsible), found in groups.items():
            yield from (f"  {what}" for what in found)
            yield f"  Next step: {next_step}"
            yield f"  Who can do it: {responsible}"
        yield from (f"  {label}: {text}" for label, text in test_results.shown_facts(part["facts"]))
        yield from (f"  {statement}" for statement in part["statements"])
