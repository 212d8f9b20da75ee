"""What the list of agents shows until the first steps of an account are done, and while it has no agent."""

from typing import Any

from agents_app.operations import first_steps, users
from agents_app.operations.agent_list_statements import Counts
from agents_app.operations.permissions import Actor


def shown(actor: Actor, counts: Counts) -> dict[str, Any]:
    """The steps, for those who can do them; the admins, for those who cannot while the account has no agent."""
    may_create = actor.may("agents.create")
    return {
        "steps": first_steps.progress(actor) if may_create or not counts.all else None,
        "admins": [] if counts.all else users.admins_to_ask(actor, "agents.create"),
    }
