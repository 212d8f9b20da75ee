"""Builds responses: JSON, with an ETag, not modified, no content."""

from typing import Any

import orjson
from flask import Response

from agents_app.api.etags import etag

# On a 200: an earlier request with the same Idempotency-Key was carried out, and this one stored nothing.
REPLAYED = {"Idempotency-Replayed": "true"}


def as_json(content: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """A response with JSON."""
    return Response(orjson.dumps(content), status, headers, mimetype="application/json")


def with_etag(content: dict[str, Any], status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """A response with a record that has a version, and its ETag."""
    return as_json(content, status, {"ETag": etag(content["version"]), **(headers or {})})


def not_modified(version: int) -> Response:
    """The response to a client that has this version."""
    return Response(status=304, headers={"ETag": etag(version)})


def no_content() -> Response:
    """The response without a body."""
    answer = Response(status=204)
    # Flask sets text/html.
    del answer.headers["Content-Type"]
    return answer
