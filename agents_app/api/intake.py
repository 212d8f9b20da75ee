"""What comes with a request, read strictly: body, query, preconditions. What members must be, schemas say."""

import re
from collections.abc import Collection
from typing import Any

from flask import request

from agents_app.errors import InvalidInput, Malformed, WrongMediaType
from agents_app.schemas import json_text
from agents_app.schemas.fields import Schema, escape_pointer, parse

IDEMPOTENCY_KEY = re.compile(r"[ -~]{1,255}")
VERSION = re.compile(r'"([1-9][0-9]{0,9})"')
# No agent has it, so that a precondition which names no version of ours never holds.
NO_VERSION = -1
BODY_METHODS = ("POST", "PUT", "PATCH")


def body() -> dict[str, Any]:
    """The JSON object of the request. Raises TooLarge, WrongMediaType, Malformed."""
    # First of all, so that a body which is too large is refused as such, whatever it calls itself.
    sent = _sent()
    if request.mimetype != "application/json" or not _is_plain_utf8():
        raise WrongMediaType("Send the body as application/json, in UTF-8 and not compressed.")
    return json_text.read_object(sent)


def no_body() -> None:
    """Refuse a body that would be ignored; an empty object counts as none. Raises TooLarge, Malformed."""
    if request.method in BODY_METHODS and _sent().strip() not in (b"", b"{}"):
        raise Malformed("This address takes no body.")


def query(schema: type[Schema], known: Collection[str]) -> Schema:
    """The query as `schema` reads it; only these members of it are known.

    Raises InvalidInput with every parameter that is wrong, not known or given twice.
    """
    given = request.args.to_dict(flat=False)
    problems = [(f"/{escape_pointer(name)}", "This parameter is not known here.") for name in given.keys() - known]
    problems += [(f"/{name}", "Give this parameter once.") for name in known if len(given.get(name, ())) > 1]
    try:
        read = parse(schema, {name: texts[0] for name, texts in given.items() if name in known and len(texts) == 1})
    except InvalidInput as refusal:
        problems += refusal.fields
    if problems:
        raise InvalidInput(sorted(problems))
    return read


def idempotency_key() -> str | None:
    """The header Idempotency-Key. Raises Malformed."""
    key = request.headers.get("Idempotency-Key")
    if key is not None and not IDEMPOTENCY_KEY.fullmatch(key):
        raise Malformed("Idempotency-Key takes 1 to 255 printable ASCII characters.", code="bad_idempotency_key")
    return key


def expected_version() -> int | None:
    """The version that If-Match asks for, the latest of several; None where any will do."""
    wanted = _tags("If-Match")
    if wanted in ([], ["*"]):
        return None
    return max(map(_version, wanted))


def known_version() -> int:
    """The latest version that If-None-Match says the caller has; NO_VERSION where it names none of ours."""
    return max((_version(tag.removeprefix("W/")) for tag in _tags("If-None-Match")), default=NO_VERSION)


def _sent() -> bytes:
    sent = request.get_data(cache=False)
    # A body that comes without its length is cut off at the limit; whoever asks for one byte more is told.
    request.stream.read(1)
    return sent


def _tags(header: str) -> list[str]:
    # The framework's reader takes more spellings, and gives back None for an empty tag.
    return [tag.strip() for value in request.headers.getlist(header) for tag in value.split(",")]


def _version(tag: str) -> int:
    found = VERSION.fullmatch(tag)
    return int(found[1]) if found else NO_VERSION


def _is_plain_utf8() -> bool:
    charset = request.mimetype_params.get("charset", "utf-8").lower()
    return charset in ("utf-8", "utf8") and request.headers.get("Content-Encoding", "identity").lower() == "identity"
