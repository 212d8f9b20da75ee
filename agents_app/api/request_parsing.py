"""Reads the body, the query and the Idempotency-Key of a request, and refuses headers. The schemas check the values.

`etags.py` reads If-Match and If-None-Match.
"""

import re
from collections.abc import Collection, Mapping
from functools import cache
from typing import Any, get_origin
from urllib.parse import unquote_to_bytes

from flask import request

from agents_app.errors import InvalidInput, InvalidQuery, Malformed, WrongMediaType
from agents_app.schemas import agent_files
from agents_app.schemas.agent_files import AgentFile
from agents_app.values import json_text, limits
from agents_app.values.choices import FileFormat
from agents_app.values.fields import Schema, escape_pointer, field_notes, is_empty, parse

KEY_MAX = 255
# White space around it is no part of the key.
KEY_PATTERN = "^[ -~]*[!-~][ -~]*$"
IDEMPOTENCY_KEY = re.compile(rf"[ -~]{{1,{KEY_MAX}}}")
JSON, MERGE_PATCH = "application/json", "application/merge-patch+json"
PATCH_TYPES = (JSON, MERGE_PATCH)
NOTHING = (b"", b"null")
BRACKETS = re.compile(r"\[[0-9]*\]$")
EMPTY = "Write a value, or leave this parameter out."
READING = ("GET", "HEAD")
FILE_TYPES = {
    "application/json": FileFormat.JSON,
    "application/yaml": FileFormat.YAML,
    "application/x-yaml": FileFormat.YAML,
    "text/yaml": FileFormat.YAML,
}


def body() -> dict[str, Any]:
    """The JSON object of the request. Raises TooLarge, WrongMediaType, Malformed."""
    # First, so that TooLarge is raised whatever the media type is.
    return _parse_body(_read_body())


def optional_body() -> dict[str, Any]:
    """The same as `body`, and an empty object if the request has no body, or null, as some clients write it."""
    sent = _read_body()
    return {} if sent.strip() in NOTHING else _parse_body(sent)


def patch() -> tuple[dict[str, Any], bool]:
    """The JSON object of a PATCH, and whether it is a JSON Merge Patch. Raises TooLarge, WrongMediaType, Malformed."""
    return _parse_body(_read_body(), PATCH_TYPES), request.mimetype == MERGE_PATCH


def _parse_body(sent: bytes, media_types: Collection[str] = (JSON,)) -> dict[str, Any]:
    if not sent.strip():
        raise Malformed("Send one JSON object.")
    if request.mimetype not in media_types or not _is_plain_utf8():
        accepted = media_types if MERGE_PATCH in media_types else ()
        sentence = f"Send the body as {' or '.join(media_types)}, in UTF-8 and not compressed."
        raise WrongMediaType(sentence, accept_patch=accepted)
    return json_text.read_object(sent)


def agent_file() -> AgentFile:
    """The file of agents in the body. Raises TooLarge, WrongMediaType, Malformed."""
    sent = _read_body()
    form = FILE_TYPES.get(request.mimetype)
    if form is None or not _is_plain_utf8():
        raise WrongMediaType("Send the file as application/json or application/yaml, in UTF-8 and not compressed.")
    return agent_files.read(sent, most=limits.FILE_BODY_BYTES, form=form)


def refuse_body() -> dict[str, Any]:
    """Refuse a body that would be ignored. An empty object and null count as no body. Raises TooLarge, Malformed."""
    if _read_body().strip() not in (*NOTHING, b"{}"):
        raise Malformed("This operation has no request body. Send the request without a body.")
    return {}


def refused_headers(method: str, taken: Collection[str], *, is_done_again: bool) -> Mapping[str, str]:
    """The conditions and keys that an operation would ignore: the WSGI variable of each, and why it is refused."""
    ignored = {"If-Match": "the version would not be checked"}
    if method not in READING:
        # The answer to a reader is right without it: a cache in front of the console may have ETags of its own.
        ignored["If-None-Match"] = "it would not be checked"
    if is_done_again:
        ignored["Idempotency-Key"] = "the same request again would be carried out again"
    return {
        f"HTTP_{name.upper().replace('-', '_')}": (
            f"This operation does not take the header {name}: {effect}. Leave the header out."
        )
        for name, effect in ignored.items()
        if name not in taken
    }


def refuse_headers(refused: Mapping[str, str]) -> None:
    """Refuse a request with one of these `refused_headers`, so that nothing is done. Raises Malformed."""
    environ = request.environ
    for variable, sentence in refused.items():
        if variable in environ:
            raise Malformed(sentence)


def refuse_query() -> dict[str, Any]:
    """Refuse a query: the operation has none. Raises Malformed, InvalidQuery."""
    if request.query_string:
        query(Schema, ())
    return {}


def query(schema: type[Schema], known: Collection[str]) -> Schema:
    """The query, read by `schema`. Only the parameters in `known` are allowed.

    Raises Malformed, and InvalidQuery with every parameter that is invalid, unknown, empty or given twice.
    """
    # Otherwise the text `%FF` would be searched for.
    _require_utf8(request.query_string, "query")
    given = request.args.to_dict(flat=False)
    problems = [(f"/{escape_pointer(name)}", _advice(name, known)) for name in given.keys() - known]
    sent = {name: given[name] for name in known if name in given}
    several = sent.keys() & _lists(schema)
    twice = {name for name, texts in sent.items() if len(texts) > 1} - several
    problems += [(f"/{name}", "Send this parameter only once.") for name in twice]
    # A client whose variable is empty must not get all agents.
    empty = {name for name, texts in sent.items() if any(map(is_empty, texts))}
    problems += [(f"/{name}", EMPTY) for name in empty if not field_notes(schema, name).get("may_be_empty")]
    read_ones = {name: texts for name, texts in sent.items() if name not in twice and name not in empty & several}
    try:
        read = parse(schema, {name: texts if name in several else texts[0] for name, texts in read_ones.items()})
    except InvalidInput as refusal:
        problems += refusal.fields
    if problems:
        raise InvalidQuery(sorted(problems))
    return read


@cache
def _lists(schema: type[Schema]) -> Collection[str]:
    """The parameters that can have several values."""
    return {name for name, member in schema.model_fields.items() if get_origin(member.annotation) is list}


def _advice(name: str, known: Collection[str]) -> str:
    """What to do about an unknown parameter. Some clients write the name of a list as `status[]` or `status[0]`."""
    bare = BRACKETS.sub("", name)
    return f"Write {bare} without brackets." if bare in known and bare != name else "Unknown parameter. Remove it."


def require_utf8_path() -> None:
    """Refuse a path that is not in UTF-8: its text would be another one than the client means. Raises Malformed."""
    environ = request.environ
    raw = environ.get("asgi.scope", {}).get("raw_path") or environ.get("REQUEST_URI", "").encode("latin-1")
    _require_utf8(raw.partition(b"?")[0], "path")


def _require_utf8(encoded: bytes, part: str) -> None:
    try:
        unquote_to_bytes(encoded).decode()
    except UnicodeDecodeError:
        raise Malformed(f"Encode the {part} in UTF-8: a part of it is in another encoding.") from None


def idempotency_key() -> str | None:
    """The header Idempotency-Key, without the white space around it (RFC 9110, 5.5). Raises Malformed."""
    # WSGI joins the values of a header that was sent twice, and a key may contain a comma.
    sent = request.environ.get("asgi.scope", {}).get("headers", ())
    if sum(name == b"idempotency-key" for name, _ in sent) > 1:
        raise Malformed("The header Idempotency-Key was sent more than once. Send it once.", code="bad_idempotency_key")
    key = request.headers.get("Idempotency-Key")
    key = key if key is None else key.strip(" \t")
    if key is not None and not IDEMPOTENCY_KEY.fullmatch(key):
        raise Malformed("Idempotency-Key takes 1 to 255 printable ASCII characters.", code="bad_idempotency_key")
    return key


def _read_body() -> bytes:
    sent = request.get_data(cache=False)
    # A chunked body is cut off at the limit. Reading one more byte then raises RequestEntityTooLarge.
    request.stream.read(1)
    return sent


def _is_plain_utf8() -> bool:
    charset = request.mimetype_params.get("charset", "utf-8").lower()
    return charset in ("utf-8", "utf8") and request.headers.get("Content-Encoding", "identity").lower() == "identity"
