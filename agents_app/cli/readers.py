"""`flask agents readers`: show who runs an agent."""

from typing import Any
from uuid import UUID

from agents_app.cli.actor import terminal_actor
from agents_app.cli.agents import agent_id, agents
from agents_app.cli.commands import account_option, json_option
from agents_app.cli.output import print_listing, print_message
from agents_app.operations import readers as operations

__all__ = ["agents"]

HEADINGS = ("TOKEN ID", "STATE", "VERSION", "BEHIND", "FETCHED (UTC)", "SEEN (UTC)", "TIMES AT LEAST", "TOKEN")


@agents.command()
@agent_id
@json_option
@account_option
def readers(account: str | None, agent_id: UUID, *, as_json: bool) -> None:
    """Show who runs an agent: each token that fetched it, the version that it has, when and how often."""
    found = operations.who_runs(terminal_actor(account), agent_id)
    if not found and not as_json:
        print_message("No runtime has fetched it yet.")
        return
    print_listing(found, HEADINGS, _row, as_json=as_json)


def _row(one: dict[str, Any]) -> tuple[object, ...]:
    # Before its first fetch, a runtime has only asked which version is the newest.
    got = (one["version"], one["versions_behind"]) if one["fetches_at_least"] else ("none", "")
    times = (one["last_fetched_at"], one["last_seen_at"], one["fetches_at_least"])
    return (one["token_id"], one["token_state"], *got, *times, one["token_name"])
