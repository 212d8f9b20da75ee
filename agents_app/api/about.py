"""What a program may want to know before it begins: who its token is, and which connection types there are."""

from functools import cache
from typing import Any

from flask import Response

from agents_app.api import openapi_schemas, responses
from agents_app.api.endpoint import Endpoint
from agents_app.connections import TYPES
from agents_app.operations.permissions import Actor


def me(actor: Actor) -> Response:
    """The token that asks, and what it may do now."""
    return responses.json_response(
        {
            "token": {"id": actor.token_id, "name": actor.name.removeprefix("token ")},
            "account": {"id": actor.account_id, "name": actor.account_name},
            "scopes": sorted(actor.scopes),
            "role": actor.role,
            "agent_ids": sorted(actor.agent_ids),
        }
    )


def connection_types(_actor: Actor) -> Response:
    """Each connection type with the JSON Schema of its configuration."""
    return responses.json_response({"items": _connection_types()})


@cache
def _connection_types() -> list[dict[str, Any]]:
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
    Endpoint("GET", "/me", me, "Say who the token is", answers={200: "Me"}, tag="About"),
    Endpoint(
        "GET",
        "/connection-types",
        connection_types,
        "List connection types",
        about="Each with the JSON Schema of its `connection_config`, its secrets, and the members that make its "
        + "destination: where one of these changes, stored secrets must be sent again.",
        answers={200: "ConnectionTypes"},
        tag="About",
    ),
)
