"""Writes ETags, and reads the ETags of If-Match and If-None-Match.

An ETag is `"<version>-<mark>-<hash>"`. A version of another branch of the history, such as after the restore of a
backup, has another mark. For an agent, the hash is one of the whole response: that also has what changes without a new
version, such as the last test and the name of a person. For a runtime, it is one of the names of the members: their
values change only with the version.

If-None-Match compares whole ETags. If-Match compares version and mark, so that a test in between is no lost update.

A proxy that compresses can change an ETag: it marks it as weak (`W/"3-…"`) or appends the coding (`"3-…-gzip"`). The
ETag still means the same, so both changes are ignored.
"""

import re
from collections.abc import Collection, Container, Mapping
from typing import Any

import orjson
from flask import request

from agents_app.errors import Malformed
from agents_app.operations import version_marks

# As Apache, Caddy and Jetty append it. Several proxies can each append one.
CODING = re.compile(r"(?:--?|;)(?:x-)?(?:gzip|br|zstd|deflate|compress)$", re.IGNORECASE)
CODINGS_MAX = 4
# One ETag of a list. The text can contain commas.
TAG = re.compile(r'[ \t]*(?:W/)?"(?P<text>[^"]*)"[ \t]*(?:,|$)', re.IGNORECASE)
# The grammar of both headers for clients. `_sent` reads the same, and can say what is wrong.
ONE_TAG = '([Ww]/)?"[^"]*"'
PATTERN = rf"^[ \t]*\*[ \t]*$|^[, \t]*{ONE_TAG}([ \t]*,[, \t]*{ONE_TAG})*[, \t]*$"
ONLY_NEW_PATTERN = r"^[ \t]*\*[ \t]*$"
# A list may have empty members.
BETWEEN = re.compile(r"[, \t]*")
TEXT_MAX = 100
# What nearly every client sends: one of ours, unchanged.
OWN = re.compile(rf'"(?P<text>[0-9a-f-]{{1,{TEXT_MAX}}})"')
# With a mark, or a bare version: 0.1.0 and 0.2.0 wrote `"3"`, and `"3-19ac5d3f8e1"` with the time of the last test.
VERSION = re.compile(
    r"(?P<marked>[1-9][0-9]{0,9}-[0-9a-f]{12})(?:-[0-9a-f]{12})?|(?P<bare>[1-9][0-9]{0,9})(?:-[0-9a-f]{1,11})?"
)
UNQUOTED = re.compile(r"[0-9a-f-]{1,40}")
EXAMPLE = "12-0f3a9c41d27e"


class _Everything(Container[str]):
    """Contains every text."""

    def __contains__(self, _text: object) -> bool:
        return True


def of_agent(content: Mapping[str, Any]) -> str:
    """The ETag of the response with an agent, as a GET returns it."""
    whole = orjson.dumps(content, option=orjson.OPT_SORT_KEYS)
    marked = version_marks.marked(content["id"], content["version"], content["updated_at"])
    return quoted(f"{marked}-{version_marks.digest(whole)}")


def of_runtime(content: Mapping[str, Any]) -> str:
    """The ETag of the configuration for runtimes of an agent with this `id`, `version` and `updated_at`."""
    return quoted(version_marks.runtime_marked(content["id"], content["version"], content["updated_at"]))


def quoted(text: str) -> str:
    """The ETag with this text, such as a marked version."""
    return f'"{text}"'


def expected_versions() -> Collection[str] | None:
    """The versions in If-Match, one of which must be the current version. None if every version is accepted.

    Raises Malformed.
    """
    sent = _sent("If-Match")
    return sent if sent is None else _versions(sent)


def must_be_new() -> bool:
    """Whether the request has `If-None-Match: *`, and so must change nothing that exists. Raises Malformed."""
    return "If-None-Match" in request.headers and _sent("If-None-Match") is None


def known_versions() -> Container[str]:
    """The texts of the ETags in If-None-Match, such as marked versions, which the client has. Raises Malformed."""
    if "If-None-Match" not in request.headers:
        return ()
    sent = _sent("If-None-Match")
    return _Everything() if sent is None else sent


def versions_in(text: str) -> Collection[str]:
    """The texts of ETags in a text, such as in the body of a request. Quotes may be left out."""
    tags = (tag.strip() for tag in text.split(","))
    return {_without_codings(re.sub(r'^(?:W/)?"?|"$', "", tag, flags=re.IGNORECASE)) for tag in tags}


def is_known(tag: str) -> bool:
    """Whether If-None-Match contains this ETag, so that the client has the response. Raises Malformed."""
    return tag.strip('"') in known_versions()


def _sent(header: str) -> set[str] | None:
    """The texts of the ETags in a header. None if it is missing or `*`. Raises Malformed."""
    # Werkzeug's parser accepts more spellings, and returns None for an empty ETag. WSGI has joined repeated headers.
    sent = request.headers.get(header, "*").strip(" \t")
    if sent == "*":
        return None
    if own := OWN.fullmatch(sent):
        return {own["text"]}
    found, place = set(), _next(sent, 0)
    while place < len(sent):
        tag = TAG.match(sent, place)
        if tag is None:
            raise Malformed(_right_spelling(header, sent[place:]), code="bad_etag")
        found.add(_without_codings(tag["text"]) if len(tag["text"]) <= TEXT_MAX else "")
        place = _next(sent, tag.end())
    if not found:
        raise Malformed(_right_spelling(header, ""), code="bad_etag")
    return found


def _next(sent: str, place: int) -> int:
    between = BETWEEN.match(sent, place)
    return between.end() if between else place


def _right_spelling(header: str, sent: str) -> str:
    if sent.startswith("*"):
        return f"* means every ETag, so it must be alone: {header}: *"
    example = sent if UNQUOTED.fullmatch(sent) else EXAMPLE
    return f'An ETag has quotes around it. Send it as you received it: {header}: "{example}"'


def _versions(texts: Collection[str]) -> Collection[str]:
    return {found["marked"] or found["bare"] for text in texts if (found := VERSION.fullmatch(text))}


def _without_codings(text: str) -> str:
    for _ in range(CODINGS_MAX):
        text = CODING.sub("", text)
    return text
