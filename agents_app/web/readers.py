"""What pages say about who runs an agent, and about the agents that a token runs."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any
from uuid import UUID

from agents_app.operations import readers
from agents_app.operations.permissions import Actor

# How many names a sentence has.
NAMED = 3
# A token is ended for good: its page names more of its agents.
NAMED_OF_TOKEN = 20


def numbers_behind(reader: Mapping[str, Any]) -> str:
    """How far the version of a reader is behind, in words."""
    behind = reader["versions_behind"]
    words = {0: "the current one", 1: "one behind", 2: "two behind"}
    return words.get(behind, f"{behind:,} behind")


def of_agent(actor: Actor, agent_id: UUID) -> dict[str, Any]:
    """For the page of an agent: its readers, each with how far it is behind."""
    found = readers.who_runs(actor, agent_id)
    return {"readers": [one | {"behind": numbers_behind(one)} for one in found]}


def before_the_end(actor: Actor, agent_ids: Collection[UUID]) -> dict[str, Any]:
    """For a page that ends the use of agents: who asked for them lately, and how many of those are not named.

    `ended` are those whose token was revoked or expired since. They do not notice anything.
    """
    found = readers.recent(actor, agent_ids)
    ended = [one for one in found if not one.works]
    named = _shortened([one for one in found if one.works], "lately")
    return named | {"ended": ended[:NAMED], "ended_total": len(ended)}


def of_token(actor: Actor, token_id: UUID) -> dict[str, Any]:
    """For a page that ends a token: the agents that it fetched lately, and how many of them are not named."""
    return _shortened(readers.agents_of_token(actor, token_id), "fetched", NAMED_OF_TOKEN)


def _shortened(found: Sequence[Any], name: str, most: int = NAMED) -> dict[str, Any]:
    return {name: found[:most], "total": len(found), "days": readers.LATELY_DAYS}
