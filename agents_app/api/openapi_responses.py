"""The answers of an operation in the OpenAPI document: their headers, and the refusals with their error codes."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from agents_app.api.answer_examples import ANSWER_EXAMPLES
from agents_app.api.endpoint import Endpoint
from agents_app.api.error_codes import ERROR_CODES, OF_BODIES, OF_EVERY_OPERATION
from agents_app.api.json_schemas import Document, reference
from agents_app.operations.permissions import PERMISSIONS
from agents_app.values.status_titles import status_title

JSON = ("application/json",)
PROBLEM = "application/problem+json"
# The schemas of responses that have an ETag.
SCHEMAS_WITH_ETAG = ("Agent", "SavedAgent", "RuntimeAgent")
ALWAYS = {"X-Request-ID": "The id of the request, as in the log."}
LIMITED = {
    "RateLimit": "How many requests this token may still send, and the seconds until the quota is full again.",
    "RateLimit-Policy": "The quota of this token.",
}
HEADERS = {
    **ALWAYS,
    **LIMITED,
    "ETag": "The version that the body has. Send it as If-Match or If-None-Match.",
    "Location": "The URL of the agent.",
    "Retry-After": "The number of seconds after which to try again.",
    "WWW-Authenticate": "How to authenticate: with the scheme Bearer.",
    "Idempotency-Replayed": "`true`: an earlier request with this key was carried out, and this one stored nothing.",
    "Export-Warning": "Agents share a name without an external ID, so that an import refuses them.",
    "Content-Disposition": "The name of the file.",
    "Accept-Patch": "The media types that a PATCH takes.",
}
# The headers that are only there in some cases. All others are in every answer that has them in the document.
SOMETIMES = (*LIMITED, "Idempotency-Replayed", "Export-Warning")
# Of the refusals of a repeated request, only one has it.
LOCATION_OF_CHANGED = {
    "description": "With `idempotency_changed`: the URL of the agent that the first request created.",
    "schema": {"type": "string"},
}
OF_REFUSALS = {401: ["WWW-Authenticate"], 429: ["Retry-After"], 503: ["Retry-After"], 507: ["Retry-After"]}
EXAMPLE_REQUEST_ID = "0f8b7c6d5e4f4a3b8c2d1e0f9a8b7c6d"


def headers() -> Document:
    """The headers of answers, by their names."""
    return {
        name: {"description": text, "schema": {"type": "integer" if name == "Retry-After" else "string"}}
        | ({} if name in SOMETIMES else {"required": True})
        for name, text in HEADERS.items()
    }


def responses(endpoint: Endpoint) -> Document:
    """Every answer of an operation, by its status."""
    media_types = JSON if endpoint.takes_file else endpoint.media_types
    found = {str(status): _success(endpoint, status, name, media_types) for status, name in endpoint.responses.items()}
    by_status: dict[int, list[str]] = {}
    for code in codes(endpoint):
        by_status.setdefault(ERROR_CODES[code].status, []).append(code)
    return found | {str(status): _refusal(endpoint, status, by_status[status]) for status in sorted(by_status)}


def codes(endpoint: Endpoint) -> list[str]:
    """Every error code that the operation can answer, in the order of the registry."""
    found = {*OF_EVERY_OPERATION, *endpoint.errors}
    if endpoint.permission:
        found.add("scope_missing")
        role, _ = PERMISSIONS[endpoint.permission]
        found |= {"role_missing"} if role else set()
    if "{" in endpoint.path:
        found.add("not_found")
    if endpoint.body or endpoint.method in ("POST", "PUT", "PATCH", "DELETE"):
        found |= {*OF_BODIES}
    if {"If-Match", "If-None-Match"} & set(endpoint.headers):
        found.add("bad_etag")
    if "If-Match" in endpoint.headers:
        found.add("stale")
    if "Idempotency-Key" in endpoint.headers:
        found |= {"bad_idempotency_key", "idempotency_key_reused", "idempotency_changed", "idempotency_deleted"}
    if "cursor" in endpoint.parameters:
        found.add("bad_cursor")
    return [code for code in ERROR_CODES if code in found]


def share_refusals(paths: Mapping[str, Mapping[str, Document]]) -> Document:
    """Replace refusals that several operations have by references, and return them by their names."""
    operations = [operation for path in paths.values() for operation in path.values()]
    every = [(operation, status) for operation in operations for status in operation["responses"]]
    texts = Counter(_text(operation["responses"][status]) for operation, status in every)
    shared: dict[str, str] = {}
    found: Document = {}
    for operation, status in every:
        text = _text(response := operation["responses"][status])
        if int(status) < 400 or texts[text] == 1:
            continue
        if text not in shared:
            title = status_title(int(status)).replace(" ", "").replace("-", "")
            number = sum(name.startswith(title) for name in found)
            shared[text] = f"{title}{number + 1}" if number else title
            found[shared[text]] = response
        operation["responses"][status] = {"$ref": f"#/components/responses/{shared[text]}"}
    return found


def _success(endpoint: Endpoint, status: int, name: str | None, media_types: Sequence[str]) -> Document:
    answer: Document = {"description": status_title(status)}
    names = [*ALWAYS, *LIMITED]
    if name is not None:
        # Those of a union are in its schemas: validators cannot check an example of a union with an open schema.
        examples = {} if name in SCHEMAS_WITH_ETAG else {"examples": {"answer": {"value": ANSWER_EXAMPLES[name]}}}
        answer["content"] = {
            one: {"schema": reference(name)} | (examples if one in JSON else {}) for one in media_types
        }
    if name in SCHEMAS_WITH_ETAG or status == 304:
        names.append("ETag")
    if status == 201:
        names.append("Location")
    if status == 200 and "Idempotency-Key" in endpoint.headers:
        names.append("Idempotency-Replayed")
    if name == "ExportedAgentFile":
        names += ["Content-Disposition", "Export-Warning"]
    return answer | {"headers": _header_references(names)}


def _refusal(endpoint: Endpoint, status: int, of_status: Sequence[str]) -> Document:
    lines = [f"- `{code}`: {ERROR_CODES[code].meaning} {ERROR_CODES[code].remedy}" for code in of_status]
    names = [*ALWAYS, *([] if status == 401 else LIMITED), *OF_REFUSALS.get(status, [])]
    if status == 415 and endpoint.merge_patch:
        names.append("Accept-Patch")
    found = _header_references(names)
    if "idempotency_changed" in of_status:
        found["Location"] = LOCATION_OF_CHANGED
    examples = {code: {"value": _example(code, has_body=endpoint.body is not None)} for code in of_status}
    return {
        "description": "\n".join([f"{status_title(status)}", "", *lines]),
        "headers": found,
        "content": {PROBLEM: {"schema": reference("Problem"), "examples": examples}},
    }


def _example(code: str, *, has_body: bool) -> dict[str, Any]:
    """A refusal with this code, as it is answered."""
    status, meaning, _ = ERROR_CODES[code]
    body = {
        "type": "about:blank",
        "title": status_title(status),
        "status": status,
        "code": code,
        "detail": meaning,
        "request_id": EXAMPLE_REQUEST_ID,
    }
    of_body = {"pointer": "/note", "detail": "Use at most 500 characters."}
    of_query = {"parameter": "sorted", "detail": "Unknown parameter. Remove it."}
    broken = [of_body if has_body else of_query]
    return body | {"detail": "One field needs attention.", "errors": broken} if code == "invalid_input" else body


def _header_references(names: Iterable[str]) -> Document:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def _text(response: Document) -> str:
    return json.dumps(response, sort_keys=True)
