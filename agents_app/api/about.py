"""Two endpoints for a new client: its token, and the connection types."""

from functools import cache
from typing import Any

from flask import Response

from agents_app.api import responses
from agents_app.api.endpoint import Endpoint
from agents_app.connections import TYPES
from agents_app.operations.permissions import Actor


def me(actor: Actor) -> Response:
    """The token of the request, and its permissions."""
    return responses.as_json(
        {
            "token": {"id": actor.token_id, "name": actor.name.removeprefix("token ")},
            "account": {"id": actor.account_id, "name": actor.account_name},
            "scopes": sorted(actor.scopes),
            "role": actor.role,
            "all_agents": not actor.agent_ids,
            "agent_ids": sorted(actor.agent_ids),
        }
    )


def connection_types(_actor: Actor) -> Response:
    """Each connection type with the JSON Schema of its configuration."""
    return responses.as_json({"items": _connection_types()})


@cache
def _connection_types() -> list[dict[str, Any]]:
    from agents_app.api import openapi_schemas

    return [
        {
            "connection_type": connection_type,
            "label": declaration.label,
            "summary": declaration.summary,
            "secrets": declaration.secret_names(),
            "destination": declaration.destination_names(),
            "schema": openapi_schemas.standalone(declaration),
        }
        for connection_type, declaration in TYPES.items()
    ]


ENDPOINTS = (
    Endpoint(
        operation="getMe",
        method="GET",
        path="/me",
        view=me,
        summary="Show the token of this request",
        responses={200: "Me"},
        tag="About",
    ),
    Endpoint(
        operation="listConnectionTypes",
        method="GET",
        path="/connection-types",
        view=connection_types,
        summary="List connection types",
        description="Each connection type has the JSON Schema of its `connection_config`, the names of its secrets, "
        + "and the members that are its destination. When a member of the destination changes, stored secrets "
        + "must be sent again.",
        responses={200: "ConnectionTypes"},
        tag="About",
    ),
)
