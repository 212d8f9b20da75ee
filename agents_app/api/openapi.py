"""The OpenAPI document, made from the declarations of the endpoints, and its address."""

import hashlib
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

import orjson
from flask import Flask, Response

from agents_app import __version__
from agents_app.api import docs, etags, openapi_schemas
from agents_app.api.endpoint import Endpoint
from agents_app.api.response_schemas import REF
from agents_app.api.responses import REPLAYED
from agents_app.config import Settings
from agents_app.connections import TYPES
from agents_app.operations.permissions import PERMISSIONS

PATH = "/openapi.json"
# Answers with an ETag.
VERSIONED = ("Agent", "RuntimeAgent")
INTRODUCTION = """\
Every request carries an API token: `Authorization: Bearer agc_…`. An admin makes one on the page "API tokens", \
an operator with `flask tokens create`. Bodies are JSON in UTF-8, at most 1 MB. Refusals are problem+json (RFC 9457) \
and name every wrong field at once. Secrets are written and never read back, except by `/agents/{agent_id}/runtime`."""
HEADERS = {
    "If-Match": "The ETag of the version the caller has seen; 412 where there is a later one.",
    "If-None-Match": "The ETag of the version the caller has; 304 where it is the present one.",
    "Idempotency-Key": "1 to 255 printable ASCII characters, new for each agent.",
}
A_REPEAT = {
    "schema": {"type": "string"},
    "description": "`true`: the request was carried out before, and nothing was stored this time.",
}
EXAMPLE_AGENT = {
    "name": "Sales figures",
    "description": "Answers questions about orders and revenue.",
    "model_type": "gpt-5-mini",
    "system_instructions": "Answer in one paragraph and name the tables you used.",
}
EXAMPLES: dict[str, dict[str, Any]] = {
    "NewAgent": {
        kind.value: {**EXAMPLE_AGENT, "connection_type": kind.value, "connection_config": declaration.example}
        for kind, declaration in TYPES.items()
    },
    "AgentChange": {"description": {"description": "Answers questions about orders, revenue and returns."}},
    "Disable": {"reason": {"reason": "The warehouse moves this weekend."}},
}


def init_app(app: Flask, prefix: str, endpoints: Sequence[Endpoint]) -> None:
    """Serve the document; it is made once, when the app is."""
    known: Settings = app.extensions["settings"]
    content = orjson.dumps(document(prefix, endpoints, known.sub_path))
    validator = hashlib.sha256(content).hexdigest()[:16]

    def openapi() -> Response:
        docs.check_may_read()
        answer = Response(content, mimetype="application/json", headers={"Cache-Control": "no-cache"})
        return etags.make_conditional(answer, validator)

    app.add_url_rule(PATH, "openapi", openapi, provide_automatic_options=False)


def document(prefix: str, endpoints: Sequence[Endpoint], sub_path: str = "") -> dict[str, Any]:
    """The whole document (OpenAPI 3.1) of a console below this path."""
    paths: dict[str, dict[str, Any]] = {}
    for endpoint in endpoints:
        paths.setdefault(prefix + endpoint.path, {})[endpoint.method.lower()] = _operation(endpoint)
    # Without it they are where the document is.
    servers = {"servers": [{"url": sub_path}]} if sub_path else {}
    return servers | {
        "openapi": "3.1.0",
        "info": {"title": "Agent Console", "version": __version__, "description": INTRODUCTION},
        "security": [{"token": []}],
        "tags": [{"name": name} for name in dict.fromkeys(endpoint.tag for endpoint in endpoints)],
        "paths": paths,
        "components": {
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
            "schemas": openapi_schemas.components(),
        },
    }


def _operation(endpoint: Endpoint) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": endpoint.name,
        "tags": [endpoint.tag],
        "summary": endpoint.title,
        "description": " ".join(part for part in (endpoint.about, _needs(endpoint)) if part),
        "parameters": _parameters(endpoint),
        "responses": _responses(endpoint),
    }
    if endpoint.body is not None:
        examples = {name: {"value": value} for name, value in EXAMPLES[endpoint.body].items()}
        content = {"application/json": {"schema": _reference(endpoint.body), "examples": examples}}
        operation["requestBody"] = {"required": True, "content": content}
    return operation


def _needs(endpoint: Endpoint) -> str:
    if endpoint.act is None:
        return "Needs any token."
    role, scope = PERMISSIONS[endpoint.act]
    maker = f", made by somebody who is at least {role}" if role else ""
    return f"Needs a token with the scope {scope}{maker}."


def _parameters(endpoint: Endpoint) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    if "{agent_id}" in endpoint.path:
        schema = {"type": "string", "format": "uuid"}
        found.append({"name": "agent_id", "in": "path", "required": True, "schema": schema})
    if endpoint.query is not None:
        schemas = openapi_schemas.parameters(endpoint.query)
        found += [{"name": name, "in": "query", "schema": schemas[name]} for name in endpoint.parameters]
    text = {"type": "string"}
    headers = [{"name": name, "description": HEADERS[name]} for name in endpoint.headers]
    return found + [{**header, "in": "header", "schema": text} for header in headers]


def _responses(endpoint: Endpoint) -> dict[str, Any]:
    answers = {str(status): _answer(status, name) for status, name in endpoint.answers.items()}
    if "Idempotency-Key" in endpoint.headers:
        answers["200"]["headers"] |= dict.fromkeys(REPLAYED, A_REPEAT)
    refusals = {str(status): _refusal(status) for status in _refused(endpoint)}
    return answers | refusals | {"default": _refusal(None)}


def _answer(status: int, name: str | None) -> dict[str, Any]:
    answer: dict[str, Any] = {"description": HTTPStatus(status).phrase}
    if name is not None:
        answer["content"] = {"application/json": {"schema": _reference(name)}}
    has_version = name in VERSIONED or status == HTTPStatus.NOT_MODIFIED
    headers = (["Location"] if status == HTTPStatus.CREATED else []) + (["ETag"] if has_version else [])
    if headers:
        answer["headers"] = {header: {"schema": {"type": "string"}} for header in headers}
    return answer


def _refused(endpoint: Endpoint) -> list[int]:
    takes_body = (400, 413, 415, 422) if endpoint.body else (400, 413) if endpoint.method == "POST" else ()
    needs_id = (404,) if "{agent_id}" in endpoint.path else ()
    may_be_stale = (412,) if "If-Match" in endpoint.headers else ()
    may_be_forbidden = (403,) if endpoint.act else ()
    return sorted({401, 422, 429, 503, *endpoint.refuses, *takes_body, *needs_id, *may_be_stale, *may_be_forbidden})


def _refusal(status: int | None) -> dict[str, Any]:
    words = HTTPStatus(status).phrase if status else "Any other refusal"
    return {"description": words, "content": {"application/problem+json": {"schema": _reference("Problem")}}}


def _reference(name: str) -> dict[str, str]:
    return {"$ref": REF.format(model=name)}
