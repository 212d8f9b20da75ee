"""The working configuration of one agent, secrets in clear, for tokens with the scope runtime."""

from uuid import UUID

from flask import Response

from agents_app.api import etags, responses
from agents_app.api.endpoint import Endpoint
from agents_app.operations import runtime
from agents_app.operations.permissions import Actor


def fetch(actor: Actor, agent_id: UUID) -> Response:
    """What is needed to run the agent."""
    found = runtime.fetch(actor, agent_id, etags.known_versions())
    return responses.not_modified(found) if isinstance(found, int) else responses.versioned_response(found)


ENDPOINTS = (
    Endpoint(
        "GET",
        "/agents/{agent_id}/runtime",
        fetch,
        "Fetch what is needed to run an agent",
        "agents.runtime",
        "**Answers secrets in clear**, of active agents only: 403 `agent_disabled` with the reason otherwise. "
        + "Every answer of 200 is recorded. Keep the ETag and send it as If-None-Match: a 304 carries no secret.",
        answers={200: "RuntimeAgent", 304: None},
        headers=("If-None-Match",),
        tag="Runtime",
    ),
)
