"""Agents over JSON: found, made, changed. The working configuration is in `runtime.py`."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from flask import Response, url_for

from agents_app.api import etags, request_parsing, responses
from agents_app.api.endpoint import Endpoint
from agents_app.operations import agent_reads, agents
from agents_app.operations.permissions import Actor
from agents_app.schemas import listing as queries

Values = Mapping[str, Any]


def listing(actor: Actor, query: queries.AgentQuery) -> Response:
    """The agents that match, a page of them."""
    page = agent_reads.listing(actor, query)
    return responses.json_response({"items": page.items, "next_cursor": page.next_cursor})


def create(actor: Actor, values: Values) -> Response:
    """A new agent; the one that is there already where the request is a repeated one."""
    agent_id, is_new = agents.create(actor, values, request_parsing.idempotency_key())
    return _made(actor, agent_id) if is_new else _present(actor, agent_id, responses.REPLAYED)


def read(actor: Actor, agent_id: UUID) -> Response:
    """One agent."""
    agent = agent_reads.read(actor, agent_id)
    if agent["version"] in etags.known_versions():
        return responses.not_modified(agent["version"])
    return responses.versioned_response(agent)


def update(actor: Actor, agent_id: UUID, values: Values) -> Response:
    """The agent after the change."""
    agents.update(actor, agent_id, values, etags.expected_versions())
    return _present(actor, agent_id)


def delete(actor: Actor, agent_id: UUID) -> Response:
    """Nothing, once the agent is gone."""
    agents.delete(actor, agent_id, etags.expected_versions())
    return responses.no_content()


def clone(actor: Actor, agent_id: UUID) -> Response:
    """The copy; the one that is there already where the request is a repeated one."""
    copy_id, is_new = agents.clone(actor, agent_id, request_parsing.idempotency_key())
    return _made(actor, copy_id) if is_new else _present(actor, copy_id, responses.REPLAYED)


def enable(actor: Actor, agent_id: UUID) -> Response:
    """The agent, active."""
    agents.enable(actor, agent_id, etags.expected_versions())
    return _present(actor, agent_id)


def disable(actor: Actor, agent_id: UUID, values: Values) -> Response:
    """The agent, disabled."""
    agents.disable(actor, agent_id, values, etags.expected_versions())
    return _present(actor, agent_id)


def _present(actor: Actor, agent_id: UUID, headers: dict[str, str] | None = None) -> Response:
    return responses.versioned_response(agent_reads.read(actor, agent_id), headers=headers)


def _made(actor: Actor, agent_id: UUID) -> Response:
    place = url_for("api.agents_read", agent_id=agent_id)
    return responses.versioned_response(agent_reads.read(actor, agent_id), 201, {"Location": place})


ONE = "/agents/{agent_id}"
IF_MATCH = ("If-Match",)
ENDPOINTS = (
    Endpoint(
        "GET",
        "/agents",
        listing,
        "List agents",
        "agents.read",
        "Answers one page. Send `next_cursor` back as `cursor`, with the same `sort`, for the page that follows.",
        query=queries.AgentQuery,
        unasked=frozenset({"before"}),
        answers={200: "AgentPage"},
        refuses=(400,),
    ),
    Endpoint(
        "POST",
        "/agents",
        create,
        "Create an agent",
        "agents.create",
        "With an Idempotency-Key a repeated request stores nothing. It answers 200, `Idempotency-Replayed: true` and "
        + "the agent that the first request made, while that agent is at version 1 and its public content is what was "
        + "sent; values of secrets are not compared. Otherwise 409: `idempotency_key_reused` (other content), "
        + "`idempotency_changed` or `idempotency_deleted` (the agent was, since).",
        body="NewAgent",
        answers={201: "Agent", 200: "Agent"},
        refuses=(409,),
        headers=("Idempotency-Key",),
    ),
    Endpoint(
        "GET", ONE, read, "Read an agent", "agents.read", answers={200: "Agent", 304: None}, headers=("If-None-Match",)
    ),
    Endpoint(
        "PATCH",
        ONE,
        update,
        "Change an agent",
        "agents.update",
        "Merges: what is absent stays, null clears; of secrets, blank stays too. Where the connection leads elsewhere, "
        + "its stored secrets must be sent again. A new connection_type begins with an empty connection_config.",
        body="AgentChange",
        answers={200: "Agent"},
        headers=IF_MATCH,
    ),
    Endpoint("DELETE", ONE, delete, "Delete an agent", "agents.delete", answers={204: None}, headers=IF_MATCH),
    Endpoint(
        "POST",
        f"{ONE}/clone",
        clone,
        "Copy an agent",
        "agents.clone",
        "The copy is active and has the secrets of the original. With an Idempotency-Key a repeated request is "
        + "answered as one that creates an agent: with the copy that the first one made, or 409.",
        answers={201: "Agent", 200: "Agent"},
        refuses=(409,),
        headers=("Idempotency-Key",),
    ),
    Endpoint(
        "POST", f"{ONE}/enable", enable, "Enable an agent", "agents.enable", answers={200: "Agent"}, headers=IF_MATCH
    ),
    Endpoint(
        "POST",
        f"{ONE}/disable",
        disable,
        "Disable an agent",
        "agents.disable",
        "Runtimes that ask for the agent are told the reason.",
        body="Disable",
        answers={200: "Agent"},
        headers=IF_MATCH,
    ),
)
