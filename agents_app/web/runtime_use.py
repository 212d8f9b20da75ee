"""How a runtime fetches an agent: the `curl` command on the page of the agent, and the token that is created for it."""

import shlex
from typing import Any
from uuid import UUID

from flask import request, url_for

from agents_app.config import settings
from agents_app.errors import NotFound
from agents_app.operations import agent_reads
from agents_app.operations.attention_reasons import Reasons
from agents_app.operations.permissions import Actor
from agents_app.values import limits
from agents_app.values.choices import Scope
from agents_app.values.pasted import read_uuid
from agents_app.web.forms.tokens import TokenForm

# Creates tokens.
PERMISSION = "tokens.manage"


def command(agent_id: UUID, token: str | None = None) -> str:
    """The `curl` command for a shell that fetches the agent. Without a token it uses the variable TOKEN."""
    header = shlex.quote(f"Authorization: Bearer {token}") if token else '"Authorization: Bearer $TOKEN"'
    url = f"{settings().origin}{url_for('api.runtime_fetch', agent_id=agent_id)}"
    return f"curl -H {header} {shlex.quote(url)}"


def use_of(actor: Actor, agent_id: UUID, reasons: Reasons, admins: list[str]) -> dict[str, Any]:
    """What the page of an agent says about fetching it: the command, what is wrong, and who can create a token.

    `admins` are those whom an actor without the permission PERMISSION can ask.
    """
    return {
        "command": command(agent_id),
        "problems": {reason["code"] for reason in reasons},
        "may_create_token": actor.may(PERMISSION),
        "admins": admins,
    }


class ChosenAgent:
    """The agent that the URL of the form of a new token names in its parameter `agent`, if it names one."""

    def __init__(self, actor: Actor) -> None:
        text = request.args.get("agent")
        self.agent = _find(actor, text) if text else None
        self.is_unknown = bool(text) and self.agent is None

    @property
    def names(self) -> dict[str, str]:
        """The name of the agent by its id. Empty without an agent."""
        return {str(self.agent["id"]): self.agent["name"]} if self.agent else {}

    @property
    def preset(self) -> dict[str, Any]:
        """The values of the form for a runtime that fetches only this agent."""
        if self.agent is None:
            return {}
        name = f"Runtime of {self.agent['name']}"[: limits.NAME]
        return {"name": name, "scopes": [Scope.RUNTIME.value], "agent_ids": list(self.names)}

    def command(self, form: TokenForm) -> str | None:
        """The command with the token that the form created. None if that token cannot fetch the agent."""
        values = form.values()
        if self.agent is None or Scope.RUNTIME.value not in values["scopes"]:
            return None
        is_allowed = not values["agent_ids"] or str(self.agent["id"]) in values["agent_ids"]
        return command(self.agent["id"], form.result[1]) if is_allowed else None


def _find(actor: Actor, text: str) -> dict[str, Any] | None:
    agent_id = read_uuid(text)
    try:
        return agent_reads.read(actor, UUID(agent_id)) if agent_id else None
    except NotFound:
        return None
