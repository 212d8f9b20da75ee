"""The OpenAPI document, built from the declarations of the endpoints."""

import re
from collections.abc import Sequence
from typing import Any

from agents_app import __version__
from agents_app.api import etags, openapi_responses, openapi_schemas, request_components
from agents_app.api.endpoint import Endpoint
from agents_app.api.json_schemas import reference
from agents_app.api.request_examples import EXAMPLES
from agents_app.api.request_parsing import KEY_MAX, KEY_PATTERN, MERGE_PATCH
from agents_app.operations.permissions import PERMISSIONS
from agents_app.paths import COMMAND
from agents_app.values import limits

JSON = ("application/json",)
API_DESCRIPTION = f"""\
Send an API token with every request: `Authorization: Bearer agc_…`. Admins create tokens on the page "API tokens". \
Operators create them with `{COMMAND} tokens create`. A runtime is the program that runs an agent. \
Bodies are JSON in UTF-8, at most 1 MB (files of agents 16 MB). \
Errors are problem+json (RFC 9457) and name everything that is invalid. \
Request bodies are closed: an unknown member is refused. Responses are open: later releases can add members to every \
object, values to every text with known values, and connection types. A client must ignore members, values and \
connection types that it does not know. The configuration of a connection type that a client does not know is an \
object with any members, as in `AgentUnknown`. Secrets are never returned, except by \
`/agents/{{agent_id}}/runtime` and `/runtime/by-external-id/{{external_id}}`."""
HEADERS: dict[str, tuple[str, dict[str, Any]]] = {
    "If-Match": (
        "The ETag that you have, in its quotes. Returns 412 if the agent has another version. A test in between does "
        + "not matter. The ETag of the configuration for runtimes is accepted too.",
        {"pattern": etags.PATTERN},
    ),
    "If-None-Match": (
        "The ETag that you have, in its quotes. Returns 304 if it is the current one.",
        {"pattern": etags.PATTERN},
    ),
    "PUT If-None-Match": (
        "Only `*`: creates the agent, and returns 412 if it exists already.",
        {"pattern": etags.ONLY_NEW_PATTERN},
    ),
    "Idempotency-Key": (
        "1 to 255 printable ASCII characters. Use a new key for each agent.",
        {"minLength": 1, "maxLength": KEY_MAX, "pattern": KEY_PATTERN},
    ),
}
"""The headers of requests: the description and the schema of each."""
TAGS = {
    "Agents": "Agents: read, write, test, export and import.",
    "History": "The versions of agents, and deleted agents.",
    "Runtime": "For the programs that run agents.",
    "About": "For a new client.",
}


def document(prefix: str, endpoints: Sequence[Endpoint], server: str = "/") -> dict[str, Any]:
    """The document (OpenAPI 3.1) of a console at this URL. "/" means the host that the document was fetched from."""
    paths: dict[str, dict[str, Any]] = {}
    for endpoint in endpoints:
        paths.setdefault(prefix + endpoint.path, {})[endpoint.method.lower()] = _operation(endpoint)
    refusals = openapi_responses.share_refusals(paths)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Agent Console", "version": semantic_version(__version__), "description": API_DESCRIPTION},
        "servers": [{"url": server}],
        "security": [{"token": []}],
        "tags": [{"name": name, "description": description} for name, description in TAGS.items()],
        "paths": paths,
        "components": {
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
            "headers": openapi_responses.headers(),
            "responses": refusals,
            "schemas": openapi_schemas.components(),
        },
    }


def semantic_version(version: str) -> str:
    """A version of Python, such as 0.2.0rc1, as Semantic Versioning writes it: clients get it as their own."""
    return re.sub(r"\.?(a|b|rc|dev)(\d+)$", r"-\1.\2", version)


def _operation(endpoint: Endpoint) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": endpoint.operation,
        "tags": [endpoint.tag],
        "summary": endpoint.summary,
        "description": " ".join(part for part in (endpoint.description, _permission_sentence(endpoint)) if part),
        "parameters": _parameters(endpoint),
        "responses": openapi_responses.responses(endpoint),
        **_permission(endpoint),
    }
    if endpoint.body is not None:
        known = EXAMPLES.get(endpoint.operation) or EXAMPLES[endpoint.body]
        examples = {name: {"value": value} for name, value in known.items()}
        # A file of agents can be YAML too. Some generators leave out an operation with such a body.
        bodies = {JSON[0]: endpoint.body} | ({MERGE_PATCH: endpoint.merge_patch} if endpoint.merge_patch else {})
        content = {one: {"schema": reference(name), "examples": examples} for one, name in bodies.items()}
        operation["requestBody"] = {"required": not endpoint.body_is_optional, "content": content}
    return operation


def _permission(endpoint: Endpoint) -> dict[str, Any]:
    """The scope and the role, for programs."""
    role, scope = PERMISSIONS[endpoint.permission] if endpoint.permission else (None, None)
    needed = {"x-required-scope": scope, "x-required-role": role}
    return {name: value.value for name, value in needed.items() if value}


def _permission_sentence(endpoint: Endpoint) -> str:
    if endpoint.permission is None:
        return "Requires any token."
    role, scope = PERMISSIONS[endpoint.permission]
    owner = f", whose owner has at least the role {role}" if role else ""
    return f"Requires a token with the scope {scope}{owner}."


def _parameters(endpoint: Endpoint) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for name in re.findall(r"{((?!external)\w+_id)}", endpoint.path):
        schema: dict[str, Any] = {"type": "string", "format": "uuid"}
        found.append({"name": name, "in": "path", "required": True, "schema": schema})
    if "{external_id}" in endpoint.path:
        schema = {"type": "string", "minLength": 1, "maxLength": limits.EXTERNAL_ID}
        found.append({"name": "external_id", "in": "path", "required": True, "schema": schema})
    if "{version}" in endpoint.path:
        schema = {"type": "integer", "minimum": 1}
        found.append({"name": "version", "in": "path", "required": True, "schema": schema})
    if endpoint.query is not None:
        schemas = request_components.parameters(endpoint.query)
        found += [_query_parameter(name, schemas[name]) for name in endpoint.parameters]
    return found + [_header_parameter(endpoint.method, name) for name in endpoint.headers]


def _header_parameter(method: str, name: str) -> dict[str, Any]:
    description, schema = HEADERS.get(f"{method} {name}") or HEADERS[name]
    return {"name": name, "description": description, "in": "header", "schema": {"type": "string", **schema}}


def _query_parameter(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    parameter = {"name": name, "in": "query", "schema": schema}
    return parameter | {"style": "form", "explode": True} if schema.get("type") == "array" else parameter
