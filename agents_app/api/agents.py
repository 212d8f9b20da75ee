"""The endpoints for agents. The one that returns secrets is in `runtime.py`."""

import re
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from flask import Response, url_for

from agents_app.api import etags, request_parsing, responses
from agents_app.api.endpoint import Endpoint
from agents_app.operations import agent_reads, agents, save_warnings
from agents_app.operations import attention as attention_operations
from agents_app.operations.permissions import Actor
from agents_app.schemas import listing as queries
from agents_app.schemas.repeated_filters import with_several

Values = Mapping[str, Any]


def listing(actor: Actor, query: queries.PagedQuery) -> Response:
    """A page of the agents that match."""
    page = agent_reads.listing(actor, query)
    return responses.as_json({"items": page.items, "next_cursor": page.next_cursor})


def create(actor: Actor, values: Values) -> Response:
    """The new agent, or the agent of the first request if this one repeats it."""
    return _made_response(actor, agents.create(actor, values, request_parsing.idempotency_key()), values)


def read(actor: Actor, agent_id: UUID) -> Response:
    """One agent."""
    agent = agent_reads.read(actor, agent_id)
    tag = etags.of_agent(agent)
    return responses.not_modified(tag) if etags.is_known(tag) else responses.with_etag(_with_times_in_utc(agent), tag)


def update(actor: Actor, agent_id: UUID, values: Values, *, is_merge_patch: bool) -> Response:
    """The agent after the change."""
    agents.update(actor, agent_id, values, etags.expected_versions(), merges_labels=is_merge_patch)
    return saved_response(actor, agent_id, values)


def delete(actor: Actor, agent_id: UUID, values: Values) -> Response:
    """No content."""
    agents.delete(actor, agent_id, etags.expected_versions(), values)
    return responses.no_content()


def clone(actor: Actor, agent_id: UUID, values: Values) -> Response:
    """The copy, or the copy of the first request if this one repeats it."""
    return _made_response(actor, agents.clone(actor, agent_id, request_parsing.idempotency_key(), values), values)


def attention(actor: Actor, agent_id: UUID) -> Response:
    """Why the agent needs attention."""
    return responses.as_json({"reasons": attention_operations.of_agent(actor, agent_id)})


def enable(actor: Actor, agent_id: UUID, values: Values) -> Response:
    """The agent, active."""
    agents.enable(actor, agent_id, etags.expected_versions(), values)
    return saved_response(actor, agent_id, values)


def disable(actor: Actor, agent_id: UUID, values: Values) -> Response:
    """The agent, disabled."""
    agents.disable(actor, agent_id, values, etags.expected_versions())
    return saved_response(actor, agent_id, values)


def saved_response(actor: Actor, agent_id: UUID, values: Values, headers: dict[str, str] | None = None) -> Response:
    """The agent after a change with these values, with warnings about it and about the note of the change.

    The ETag is that of the next GET, which has no warnings.
    """
    return _with_warnings(agent_reads.read(actor, agent_id), values, 200, headers)


def created_response(agent: Values, values: Values) -> Response:
    """The same for a new agent, as `agents.create` returns it."""
    return _with_warnings(agent, values, 201, {"Location": url_for("api.agents_read", agent_id=agent["id"])})


def _with_warnings(agent: Values, values: Values, status: int, headers: dict[str, str] | None) -> Response:
    found = save_warnings.of_agent(agent) + save_warnings.of_note(values)
    warnings = [{"pointer": pointer, "detail": sentence} for pointer, sentence in found]
    answer = {**_with_times_in_utc(agent), "warnings": warnings}
    return responses.with_etag(answer, etags.of_agent(agent), status, headers)


def _with_times_in_utc(agent: Mapping[str, Any]) -> dict[str, Any]:
    """The agent, whose times of secrets end in `Z` like all others. They are stored as texts."""
    facts = {
        pointer: {**fact, "set_at": fact["set_at"] and re.sub(r"\+00:00$", "Z", fact["set_at"])}
        for pointer, fact in agent["secrets_set"].items()
    }
    return {**agent, "secrets_set": facts}


def _made_response(actor: Actor, made: agents.Created, values: Values) -> Response:
    """The new agent, or that of the first request if this one repeated it, whose note is not stored."""
    if not made.is_new:
        return saved_response(actor, made.agent_id, {}, responses.REPLAYED)
    return created_response(made.agent, values)


AGENT_PATH = "/agents/{agent_id}"
IF_MATCH = ("If-Match",)
WARNINGS = (
    "`warnings` names each member that is doubtful, such as what looks like a secret, and each member that the agent "
    + "lacks to sign in. The agent is stored nevertheless."
)
ENDPOINTS = (
    Endpoint(
        operation="listAgents",
        method="GET",
        path="/agents",
        view=listing,
        summary="List agents",
        permission="agents.read",
        description="Returns one page. For the next page, send `next_cursor` as `cursor`, with the same `sort` and "
        + "filters. Without `sort`, the agent that was created first comes first. An empty filter is refused.",
        query=with_several(queries.PagedQuery),
        excluded=frozenset({"before"}),
        responses={200: "AgentPage"},
    ),
    Endpoint(
        operation="createAgent",
        method="POST",
        path="/agents",
        view=create,
        summary="Create an agent",
        permission="agents.create",
        description="With an Idempotency-Key, a repeated request stores nothing. It returns 200, "
        + "`Idempotency-Replayed: true` and "
        + "the agent that the first request created, as long as that agent is at version 1 and has the content that is "
        + "sent. Values of secrets are not compared. Otherwise it returns 409: `idempotency_key_reused` (the content "
        + "differs), `idempotency_changed` (the agent was changed; `Location` has its URL) or `idempotency_deleted` "
        + "(it was deleted). "
        + WARNINGS,
        body="AgentCreate",
        responses={201: "SavedAgent", 200: "SavedAgent"},
        headers=("Idempotency-Key",),
    ),
    Endpoint(
        operation="getAgent",
        method="GET",
        path=AGENT_PATH,
        view=read,
        summary="Read an agent",
        permission="agents.read",
        responses={200: "Agent", 304: None},
        headers=("If-None-Match",),
    ),
    Endpoint(
        operation="getAgentAttention",
        method="GET",
        path=f"{AGENT_PATH}/attention",
        view=attention,
        summary="Say why an agent needs attention",
        permission="agents.read",
        description="Decrypts the secrets of the agent, so it also finds a secret that was damaged. The filter "
        + "`needs_attention` "
        + "of the list finds the agents. The reasons also change with the day and with the keys of the server, so this "
        + "response has no ETag.",
        responses={200: "Attention"},
    ),
    Endpoint(
        operation="updateAgent",
        method="PATCH",
        path=AGENT_PATH,
        view=update,
        summary="Change an agent",
        permission="agents.update",
        description="A member that is absent keeps its value, and null clears it. A secret that is blank keeps its "
        + "value too. When "
        + "the destination of the connection changes, its stored secrets must be sent again, or removed with null, and "
        + "so must the API key when model_provider or model_base_url changes: otherwise 422 at the secret. Lists and "
        + "labels are replaced. With `application/merge-patch+json` (RFC 7396), labels are merged: null removes one. "
        + "A new connection_type starts with an empty connection_config. A document of the agent, as a response had "
        + "it, can be sent back with changes: members that only the console sets must be as they were read, or left "
        + "out, otherwise 422 names them. If it has an older `version`, 422 says at which version the agent is. A "
        + "secret that is null is refused if `secrets_set` of the same document says that it is stored: some clients "
        + "send null for each member that they did not read. To remove a secret, leave `secrets_set` out. In an item "
        + "of the list, null is refused for what a list does not have. "
        + WARNINGS,
        body="AgentUpdate",
        merge_patch="AgentMergePatch",
        responses={200: "SavedAgent"},
        headers=IF_MATCH,
        is_done_again=True,
    ),
    Endpoint(
        operation="deleteAgent",
        method="DELETE",
        path=AGENT_PATH,
        view=delete,
        summary="Delete an agent",
        permission="agents.delete",
        description="`/agents/{agent_id}/restore` restores it.",
        body="ChangeNote",
        body_is_optional=True,
        responses={204: None},
        headers=IF_MATCH,
    ),
    Endpoint(
        operation="cloneAgent",
        method="POST",
        path=f"{AGENT_PATH}/clone",
        view=clone,
        summary="Clone an agent",
        permission="agents.clone",
        description="The copy is active and has the secrets of the original. With an Idempotency-Key, a repeated "
        + "request returns "
        + "the copy that the first request created, also if the original was deleted since, or 409, as when an agent "
        + "is created.",
        body="ChangeNote",
        body_is_optional=True,
        responses={201: "SavedAgent", 200: "SavedAgent"},
        headers=("Idempotency-Key",),
    ),
    Endpoint(
        operation="enableAgent",
        method="POST",
        path=f"{AGENT_PATH}/enable",
        view=enable,
        summary="Enable an agent",
        permission="agents.enable",
        body="ChangeNote",
        body_is_optional=True,
        responses={200: "SavedAgent"},
        headers=IF_MATCH,
    ),
    Endpoint(
        operation="disableAgent",
        method="POST",
        path=f"{AGENT_PATH}/disable",
        view=disable,
        summary="Disable an agent",
        permission="agents.disable",
        description=f"Runtimes that fetch the agent get the reason. {WARNINGS}",
        body="AgentDisable",
        responses={200: "SavedAgent"},
        headers=IF_MATCH,
    ),
)
