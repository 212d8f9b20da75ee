"""The endpoints of runtimes: an agent's configuration with its secrets, what has changed, and who runs an agent."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from flask import Response, request

from agents_app.api import etags, responses
from agents_app.api.endpoint import Endpoint
from agents_app.api.external_agents import IN_THE_PATH
from agents_app.operations import readers, runtime
from agents_app.operations.permissions import Actor
from agents_app.schemas.repeated_filters import RuntimeQuery
from agents_app.schemas.runtime import CheckValues
from agents_app.values.fields import parse


def fetch(actor: Actor, agent_id: UUID) -> Response:
    """The configuration of the agent, with its secrets."""
    found = runtime.fetch(actor, agent_id, etags.known_versions(), is_head=request.method == "HEAD")
    if isinstance(found, str):
        return responses.not_modified(etags.quoted(found))
    return responses.with_etag(found, etags.of_runtime(found))


def fetch_by_external_id(actor: Actor, external_id: str) -> Response:
    """The same for an agent with this external id."""
    return fetch(actor, runtime.id_to_fetch(actor, external_id))


def listing(actor: Actor, query: RuntimeQuery) -> Response:
    """A page of the agents that the token may fetch."""
    found, next_cursor = runtime.fetchable(actor, query)
    return responses.as_json({"items": [_with_tag(**one) for one in found], "next_cursor": next_cursor})


def check(actor: Actor, values: Mapping[str, Any]) -> Response:
    """Which of the agents have changed."""
    tags = parse(CheckValues, values).agents
    found = runtime.check(actor, {key: etags.versions_in(tag or "") for key, tag in tags.items()})
    agents = {key: _with_tag(**one) for key, one in found.items()}
    return responses.as_json({"agents": agents, "check_again_after_s": runtime.CHECK_AGAIN_AFTER_S})


def _with_tag(*, marked: str | None, **found: Any) -> dict[str, Any]:
    return {**found, "etag": marked and etags.quoted(marked)}


def who_runs(actor: Actor, agent_id: UUID) -> Response:
    """Who runs the agent."""
    return responses.as_json({"items": readers.who_runs(actor, agent_id)})


ENDPOINTS = (
    Endpoint(
        operation="fetchAgentRuntime",
        method="GET",
        path="/agents/{agent_id}/runtime",
        view=fetch,
        summary="Fetch the configuration to run an agent",
        permission="agents.runtime",
        description="**Returns secrets in clear text.** A disabled agent returns 403 `agent_disabled` with the "
        + "reason. The first "
        + "fetch of a version by a token is recorded. Later ones are counted. Keep the ETag and send it as "
        + "If-None-Match: a 304 contains no secret. To ask about many agents, use `POST /runtime/check`.",
        responses={200: "RuntimeAgent", 304: None},
        errors=("agent_disabled", "secret_unavailable"),
        headers=("If-None-Match",),
        tag="Runtime",
    ),
    Endpoint(
        operation="fetchAgentRuntimeByExternalId",
        method="GET",
        path="/runtime/by-external-id/{external_id}",
        view=fetch_by_external_id,
        summary="Fetch the configuration to run an agent by its external id",
        permission="agents.runtime",
        description="**Returns secrets in clear text.** The response, its ETag and what is recorded are those of "
        + f"`GET /agents/{{agent_id}}/runtime`. {IN_THE_PATH.partition(' Clients')[0]}",
        responses={200: "RuntimeAgent", 304: None},
        errors=("agent_disabled", "secret_unavailable"),
        headers=("If-None-Match",),
        tag="Runtime",
    ),
    Endpoint(
        operation="listRuntimeAgents",
        method="GET",
        path="/runtime/agents",
        view=listing,
        summary="List the agents that a runtime can fetch",
        permission="agents.runtime",
        description="Returns one page of the active agents that the token may fetch, the oldest first, without "
        + "secrets. `etag` is that of the configuration for runtimes. For the next page, send `next_cursor` as "
        + "`cursor`, with the same filter. A disabled agent is missing: `POST /runtime/check` returns its state. "
        + "Nothing is recorded: to list is no fetch and no check.",
        query=RuntimeQuery,
        responses={200: "RuntimeAgentPage"},
        tag="Runtime",
    ),
    Endpoint(
        operation="checkAgentRuntimes",
        method="POST",
        path="/runtime/check",
        view=check,
        summary="Check which agents have changed",
        permission="agents.runtime",
        description="Takes up to 500 agents, each by its `id` or its `external_id`, with the ETag that the runtime "
        + "has, or null. "
        + "A key that is a UUID is an `id` first, and an `external_id` if no agent has that id. Returns the state of "
        + "each by the same key, without secrets. Fetch what has `changed`. An agent of another account, and one that "
        + "the token is not limited to, are `not_found`. Check again after `check_again_after_s` seconds, not sooner. "
        + "A check is not a fetch, but the console shows when the runtime last checked.",
        body="RuntimeCheck",
        responses={200: "CheckedAgents"},
        tag="Runtime",
    ),
    Endpoint(
        operation="listAgentReaders",
        method="GET",
        path="/agents/{agent_id}/readers",
        view=who_runs,
        summary="Say who runs an agent",
        permission="agents.read",
        description="Lists each token that fetched or checked the agent, the last one first, at most 200: the "
        + "version that the runtime has, when it last asked and how often. It is stored at most once a minute, a check "
        + "in 15 minutes, so this response has no ETag.",
        responses={200: "Readers"},
    ),
)
