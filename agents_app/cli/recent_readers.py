"""What `flask agents` and `flask tokens` print when the use of an agent or a token ends."""

from collections.abc import Collection
from typing import Any
from uuid import UUID

from agents_app.cli.output import print_message
from agents_app.operations import readers
from agents_app.operations.permissions import Actor

# How many names a message has.
NAMED = 3


def print_recent_readers(actor: Actor, agent_ids: Collection[UUID], status: int) -> None:
    """Print which runtimes asked for agents lately, and which status they get from now on."""
    found = [(one.token_name, one.seen_at) for one in readers.recent(actor, agent_ids) if one.works]
    if found:
        number = f"{len(found)} runtime{'s' if len(found) != 1 else ''}"
        asked = f"{number} asked for it in the last {readers.LATELY_DAYS} days: {_names(found)}."
        print_message(f"{asked} {'They get' if len(found) != 1 else 'It gets'} status {status} then.")


def print_agents_of_token(actor: Actor, token_id: UUID) -> None:
    """Print which agents a token fetched lately."""
    found = [(one.name, one.seen_at) for one in readers.agents_of_token(actor, token_id)]
    if found:
        number = f"{len(found)} agent{'s' if len(found) != 1 else ''}"
        print_message(f"It fetched {number} in the last {readers.LATELY_DAYS} days: {_names(found)}.")


def _names(found: list[tuple[str, Any]]) -> str:
    named = ", ".join(f"{name} ({at:%Y-%m-%d %H:%M} UTC)" for name, at in found[:NAMED])
    return f"{named} and {len(found) - NAMED} more" if len(found) > NAMED else named
