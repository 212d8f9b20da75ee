"""The endpoint that returns an agent's configuration with its secrets, for tokens with the scope `runtime`."""

from uuid import UUID

from flask import Response

from agents_app.api import etags, responses
from agents_app.api.endpoint import Endpoint
from agents_app.operations import runtime
from agents_app.operations.permissions import Actor


def fetch(actor: Actor, agent_id: UUID) -> Response:
    """The configuration of the agent, with its secrets."""
    found = runtime.fetch(actor, agent_id, etags.known_versions())
    return responses.not_modified(etags.etag(found)) if isinstance(found, int) else responses.with_etag(found)


ENDPOINTS = (
    Endpoint(
        "GET",
        "/agents/{agent_id}/runtime",
        fetch,
        "Fetch the configuration to run an agent",
        "agents.runtime",
        "**Returns secrets in clear text.** A disabled agent returns 403 `agent_disabled` with the reason. Every "
        + "200 is recorded. Keep the ETag and send it as If-None-Match: a 304 contains no secret.",
        responses={200: "RuntimeAgent", 304: None},
        headers=("If-None-Match",),
        tag="Runtime",
    ),
)
