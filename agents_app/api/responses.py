"""Builds responses: JSON, with an ETag, not modified, no content."""

from typing import Any

import orjson
from flask import Response

# On a 200: an earlier request with the same Idempotency-Key was carried out, and this one stored nothing.
REPLAYED = {"Idempotency-Replayed": "true"}


def as_json(content: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """A response with JSON. Times end in `Z`, the only form of UTC that some validators of clients take."""
    return Response(orjson.dumps(content, option=orjson.OPT_UTC_Z), status, headers, mimetype="application/json")


def with_etag(content: Any, tag: str, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """A response with a record and its ETag (see `etags.py`)."""
    return as_json(content, status, {"ETag": tag, **(headers or {})})


def not_modified(tag: str) -> Response:
    """The response to a client that has the record with this ETag."""
    return Response(status=304, headers={"ETag": tag})


def no_content() -> Response:
    """The response without a body."""
    answer = Response(status=204)
    # Flask sets text/html.
    del answer.headers["Content-Type"]
    return answer
