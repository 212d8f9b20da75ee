"""ETags: how they are written, and how those are read that come back in If-Match and If-None-Match.

Proxies that compress change a tag on its way: they mark it as weak (`W/"3"`) or put the name of the coding behind it
(`"3-gzip"`). It stands for the same version, so both are read as if they were not there.
"""

import re
from collections.abc import Collection, Container

from flask import Response, request

# As Apache, Caddy and Jetty write it, perhaps one proxy behind another.
CODING = re.compile(r"(?:--?|;)(?:x-)?(?:gzip|br|zstd|deflate|compress)$", re.IGNORECASE)
CODINGS_MAX = 4
TAG = re.compile(r'(?:W/)?"(?P<text>[^"]{0,100})"', re.IGNORECASE)
VERSION = re.compile(r"[1-9][0-9]{0,9}")
EVERY_VERSION = range(1, 10**10)


def etag(version: int) -> str:
    """The strong validator of a version: every change of a record makes a new one."""
    return f'"{version}"'


def expected_versions() -> Collection[int] | None:
    """The versions that If-Match asks for, of which one must be the present; None where any will do."""
    sent = _sent("If-Match")
    return None if sent in ([], ["*"]) else _versions(sent)


def known_versions() -> Container[int]:
    """The versions that If-None-Match says the caller has."""
    sent = _sent("If-None-Match")
    return EVERY_VERSION if sent == ["*"] else _versions(sent)


def make_conditional(answer: Response, text: str) -> Response:
    """The answer with this tag, without its body where If-None-Match says that the caller has it."""
    sent = _sent("If-None-Match")
    if sent == ["*"] or text in _texts(sent):
        answer = Response(status=304, headers={"Cache-Control": answer.headers["Cache-Control"]})
    answer.set_etag(text)
    return answer


def _sent(header: str) -> list[str]:
    # The framework's reader takes more spellings, and gives back None for an empty tag.
    return [tag.strip() for value in request.headers.getlist(header) for tag in value.split(",")]


def _versions(sent: list[str]) -> Collection[int]:
    return {int(text) for text in _texts(sent) if VERSION.fullmatch(text)}


def _texts(sent: list[str]) -> set[str]:
    return {_without_codings(found["text"]) for tag in sent if (found := TAG.fullmatch(tag))}


def _without_codings(text: str) -> str:
    for _ in range(CODINGS_MAX):
        text = CODING.sub("", text)
    return text
