"""How answers are written: JSON, ETag, not modified. What is in them is the operations' part."""

from typing import Any

import orjson
from flask import Response

from agents_app.api.etags import etag

# Says of a 200 that the request was carried out before, and that nothing was stored this time.
REPLAYED = {"Idempotency-Replayed": "true"}


def json_response(content: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """A good answer."""
    return Response(orjson.dumps(content), status, headers, mimetype="application/json")


def versioned_response(content: dict[str, Any], status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """A record that has versions, with its ETag."""
    return json_response(content, status, {"ETag": etag(content["version"]), **(headers or {})})


def not_modified(version: int) -> Response:
    """What a caller who has this version is told."""
    return Response(status=304, headers={"ETag": etag(version)})


def no_content() -> Response:
    """Done, and there is nothing to say."""
    answer = Response(status=204)
    # The framework would call the absent body a page.
    del answer.headers["Content-Type"]
    return answer
