"""Writes ETags, and reads the ETags of If-Match and If-None-Match.

A proxy that compresses can change an ETag: it marks it as weak (`W/"3"`) or appends the coding (`"3-gzip"`). The ETag
still means the same version, so both changes are ignored.
"""

import re
from collections.abc import Collection, Container
from datetime import datetime

from flask import request

# As Apache, Caddy and Jetty append it. Several proxies can each append one.
CODING = re.compile(r"(?:--?|;)(?:x-)?(?:gzip|br|zstd|deflate|compress)$", re.IGNORECASE)
CODINGS_MAX = 4
TAG = re.compile(r'(?:W/)?"(?P<text>[^"]{0,100})"', re.IGNORECASE)
VERSION = re.compile(r"(?P<version>[1-9][0-9]{0,9})(?:-[0-9a-f]{1,16})?")
EVERY_VERSION = range(1, 10**10)


def etag(version: int, tested_at: datetime | None = None) -> str:
    """The strong ETag of a version. A response with the last test has another ETag after each test."""
    return f'"{version}"' if tested_at is None else f'"{version}-{int(tested_at.timestamp() * 1_000):x}"'


def expected_versions() -> Collection[int] | None:
    """The versions in If-Match, one of which must be the current version. None if every version is accepted."""
    sent = _header_values("If-Match")
    return None if sent in ([], ["*"]) else _versions(sent)


def known_versions() -> Container[int]:
    """The versions in If-None-Match, which the client has."""
    sent = _header_values("If-None-Match")
    return EVERY_VERSION if sent == ["*"] else _versions(sent)


def versions_in(text: str) -> Collection[int]:
    """The versions in the text of one or more ETags, such as in the body of a request. Quotes may be left out."""
    tags = [tag.strip() for tag in text.split(",")]
    return _versions([tag if '"' in tag else f'"{tag}"' for tag in tags])


def is_known(tag: str) -> bool:
    """Whether If-None-Match contains this ETag, whose quotes may be left out, so that the client has the response."""
    sent = _header_values("If-None-Match")
    return sent == ["*"] or tag.strip('"') in _tag_texts(sent)


def _header_values(header: str) -> list[str]:
    # Werkzeug's parser accepts more spellings, and returns None for an empty ETag.
    return [tag.strip() for value in request.headers.getlist(header) for tag in value.split(",")]


def _versions(sent: list[str]) -> Collection[int]:
    return {int(found["version"]) for text in _tag_texts(sent) if (found := VERSION.fullmatch(text))}


def _tag_texts(sent: list[str]) -> set[str]:
    return {_without_codings(found["text"]) for tag in sent if (found := TAG.fullmatch(tag))}


def _without_codings(text: str) -> str:
    for _ in range(CODINGS_MAX):
        text = CODING.sub("", text)
    return text
