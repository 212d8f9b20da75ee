"""What `flask agents` and `flask tokens` print when the use of an agent or a token ends."""

from collections.abc import Collection
from typing import Any
from uuid import UUID

from agents_app.cli.output import print_message
from agents_app.operations import readers
from agents_app.operations.permissions import Actor
from agents_app.operations.planned_agents import Plan

# How many names a message has.
NAMED = 3


def print_recent_readers(actor: Actor, agent_ids: Collection[UUID], status: int, what: str = "") -> None:
    """Print which runtimes asked lately for one of these agents, and which status they get from now on.

    `what` says which agents they are, where the message is not about all that are named.
    """
    found = [(one.token_name, one.seen_at) for one in readers.recent(actor, agent_ids) if one.works]
    if found:
        number = f"{len(found)} runtime{'s' if len(found) != 1 else ''}"
        several = f"one of the {what} agents" if what else "one of these agents"
        them = several if len(agent_ids) != 1 else f"the {what} agent" if what else "it"
        asked = f"{number} asked for {them} in the last {readers.LATELY_DAYS} days: {_names(found)}."
        print_message(f"{asked} {'They get' if len(found) != 1 else 'It gets'} status {status} then.")


def print_readers_of_plan(actor: Actor, plan: Plan) -> None:
    """Print which runtimes asked lately for the agents that a plan disables and deletes."""
    for name, status in (("disabled", 403), ("deleted", 404)):
        print_recent_readers(actor, plan.ending[name], status, name)


def print_agents_of_token(actor: Actor, token_id: UUID) -> None:
    """Print which agents a token fetched lately."""
    found = [(one.name, one.seen_at) for one in readers.agents_of_token(actor, token_id)]
    if found:
        number = f"{len(found)} agent{'s' if len(found) != 1 else ''}"
        print_message(f"It fetched {number} in the last {readers.LATELY_DAYS} days: {_names(found)}.")


def _names(found: list[tuple[str, Any]]) -> str:
    named = ", ".join(f"{name} ({at:%Y-%m-%d %H:%M} UTC)" for name, at in found[:NAMED])
    return f"{named} and {len(found) - NAMED} more" if len(found) > NAMED else named
