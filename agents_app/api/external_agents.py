"""The endpoints for one agent by its external id."""

from collections.abc import Mapping
from typing import Any

from flask import Response, request

from agents_app.api import agents, etags
from agents_app.api.endpoint import Endpoint
from agents_app.errors import Malformed, NotFound
from agents_app.operations import external_agents
from agents_app.operations.permissions import Actor

ONLY_A_STAR = (
    "PUT takes only If-None-Match: *, which creates the agent and changes none. To change the agent only if nobody "
    + "else has, send its ETag as If-Match."
)


def read(actor: Actor, external_id: str) -> Response:
    """One agent."""
    return agents.read(actor, external_agents.id_of(actor, external_id))


def put(actor: Actor, external_id: str, values: Mapping[str, Any]) -> Response:
    """The agent, which is new or is as it was sent."""
    try:
        return _put(actor, external_id, values)
    except NotFound:
        # Another request has deleted the agent since it was stored. This one comes after that deletion, then.
        return _put(actor, external_id, values)


def delete(actor: Actor, external_id: str, values: Mapping[str, Any]) -> Response:
    """No content."""
    return agents.delete(actor, external_agents.id_of(actor, external_id), values)


def _put(actor: Actor, external_id: str, values: Mapping[str, Any]) -> Response:
    must_exist, must_be_new = "If-Match" in request.headers, _must_be_new()
    versions = etags.expected_versions()
    done = external_agents.put(actor, external_id, values, versions, must_exist=must_exist, must_be_new=must_be_new)
    if done.is_new:
        return agents.created_response(done.agent, values)
    # A note is stored only with a change.
    return agents.saved_response(actor, done.agent_id, values if done.is_changed else {})


def _must_be_new() -> bool:
    must = etags.must_be_new()
    if "If-None-Match" in request.headers and not must:
        raise Malformed(ONLY_A_STAR, code="bad_etag")
    return must


PATH = "/agents/by-external-id/{external_id}"
IN_THE_PATH = (
    "Encode the external id as one segment of the path: `/` as `%2F`, `%` as `%25`, a space as `%20`. Clients and "
    + "proxies remove the segments `.` and `..`, so use `GET /agents?external_id=..` and the `id` for an external id "
    + "that is one of these."
)
ENDPOINTS = (
    Endpoint(
        operation="getAgentByExternalId",
        method="GET",
        path=PATH,
        view=read,
        summary="Read an agent by its external id",
        permission="agents.read",
        description=f"The response is that of `GET /agents/{{agent_id}}`. {IN_THE_PATH}",
        responses={200: "Agent", 304: None},
        headers=("If-None-Match",),
    ),
    Endpoint(
        operation="putAgentByExternalId",
        method="PUT",
        path=PATH,
        view=put,
        summary="Create an agent with this external id, or replace its values",
        permission="agents.update",
        description="Makes the agent as the body says: 201 if it is new, otherwise 200. A member that is absent has "
        + "its default, as in a new agent. A secret that is absent or blank is kept, and null removes it. When the "
        + "destination of a secret changes, the secret must be sent again, as in a PATCH. The status stays. The same "
        + "request again changes nothing: no new version, and the same ETag. A secret is compared only with one that "
        + "the same user sent before; otherwise it counts as changed. `external_id` can be left out of the body, and "
        + "cannot differ from the path. An agent that was deleted is not restored: a new one is created, with another "
        + f"id. With If-None-Match: *, 412 `{external_agents.EXISTS_CODE}` if there is such an agent. With If-Match, "
        + "412 if it is missing. For an agent that exists, members that only the console sets can be in the body as "
        + f"they were read, as in a PATCH. {IN_THE_PATH} {agents.WARNINGS}",
        body="AgentCreate",
        responses={201: "SavedAgent", 200: "SavedAgent"},
        errors=("conflict", "already_exists"),
        headers=("If-Match", "If-None-Match"),
    ),
    Endpoint(
        operation="deleteAgentByExternalId",
        method="DELETE",
        path=PATH,
        view=delete,
        summary="Delete an agent by its external id",
        permission="agents.delete",
        description="Deletes the agent as `DELETE /agents/{agent_id}` does. The same request again is answered 404. "
        + "`/agents/{agent_id}/restore` restores the agent, unless another one has the external id by then. "
        + IN_THE_PATH,
        body="ChangeNote",
        body_is_optional=True,
        responses={204: None},
        headers=("If-Match",),
    ),
)
