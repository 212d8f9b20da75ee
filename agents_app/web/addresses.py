"""Addresses within this site: where to go on after signing in, and back to the list one came from."""

from collections.abc import Mapping
from typing import Any, ClassVar, Self
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

from flask import request, url_for

PLACES = ("cursor", "before")
# Of an address that a redirect carries, quoted twice at worst: nginx takes 4 kB of an answer's head, or answers 502.
CARRIED_MAX = 900


def home() -> str:
    """The path of the home page, with which the paths of all pages begin."""
    return url_for("web.agents.home")


def here() -> str:
    """The path and query of this request, as the browser has them."""
    return (request.script_root + request.full_path).rstrip("?")


def carried_here() -> str | None:
    """`here`, where another address can carry it and it is not the home page."""
    return here() if len(here()) <= CARRIED_MAX and here() != home() else None


def local_path(text: str | None) -> str:
    """The path if it is one of this console that a redirect can carry, else the home page."""
    # Browsers read a backslash as a slash, and drop TAB, CR and LF.
    if not text or not text.startswith(home()) or text.startswith("//") or "\\" in text:
        return home()
    if len(text) > CARRIED_MAX or any(ord(char) < 33 or ord(char) == 127 for char in text) or urlsplit(text).netloc:
        return home()
    # Browsers go up at "..", in each of its spellings, which may lead to another program of this host.
    return home() if ".." in unquote(urlsplit(text).path).split("/") else text


class ListAddress:
    """The address of a list (of agents, unless a subclass says otherwise) as it is now, and those of its neighbours."""

    endpoint: ClassVar = "web.agents.listing"
    parameters: ClassVar[tuple[str, ...]] = (
        *("q", "status", "connection_type", "model_type", "created_by", "sort", "limit"),
        *PLACES,
    )
    filters: ClassVar[tuple[str, ...]] = ("q", "connection_type", "model_type", "created_by")

    def __init__(self, asked: Mapping[str, str]) -> None:
        self.asked = {name: asked[name] for name in self.parameters if asked.get(name)}

    @classmethod
    def came_from(cls) -> Self:
        """The list that the parameter `back` stands for."""
        return cls(dict(parse_qsl(_back() or "")))

    def __str__(self) -> str:
        return _url(self.endpoint, self.asked)

    @property
    def back(self) -> str:
        """What the parameter `back` carries to lead here again."""
        return urlencode(self.asked)

    def changed(self, **changes: str | None) -> str:
        """The first page of the list with these parameters changed; None takes one away."""
        kept = {name: value for name, value in self.asked.items() if name not in PLACES}
        return str(type(self)(kept | {name: value or "" for name, value in changes.items()}))

    def at(self, **place: str) -> str:
        """Another page of the same list, at a cursor."""
        return self.changed(**place)

    def sorted_by(self, column: str, usual: str) -> str:
        """The list by this column; where it is already, the other way round."""
        present = self.asked.get("sort", "-updated_at")
        turned = column if present == f"-{column}" else f"-{column}"
        return self.changed(sort=turned if present.removeprefix("-") == column else usual)

    @property
    def is_filtered(self) -> bool:
        """Whether anything narrows the list but the tabs."""
        return any(name in self.asked for name in self.filters)

    def without_filters(self) -> str:
        """The list of the same tab with nothing else narrowing it."""
        return self.changed(**dict.fromkeys(self.filters))


def with_back(endpoint: str, **values: object) -> str:
    """The address of an endpoint that remembers the list one came from, if one came from a list."""
    return _url(endpoint, {**values, "back": _back()})


def _back() -> str | None:
    given = request.values.get("back")
    return "" if given and len(given) > CARRIED_MAX else given


def _url(endpoint: str, values: Mapping[str, Any]) -> str:
    return url_for(endpoint, **values)
