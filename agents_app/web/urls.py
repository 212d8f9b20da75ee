"""URLs within this console: where to continue after sign-in, and how to return to the list a page was opened from."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, ClassVar, Self
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit
from uuid import UUID, uuid4

from flask import current_app, redirect, request, url_for
from werkzeug.routing import Map
from werkzeug.urls import iri_to_uri
from werkzeug.wrappers import Response

from agents_app.values.fields import is_empty

CURSORS = ("cursor", "before")
# What needs no quoting in a query, as in the URLs of Flask.
UNQUOTED = "!$'()*,/:;?@"
# The parameters of the tabs of the list of agents.
TABS = ("status", "needs_attention")
# The filters of the list of agents, other than the search and the tabs, in the order of their chips.
FILTERS = (
    *("connection_type", "environment", "owner", "label", "model_provider", "model_type"),
    *("external_id", "test", "created_by"),
)
# The longest path that is passed in a redirect. It may be quoted twice, and nginx answers 502 where the response
# headers exceed 4 kB.
PATH_MAX = 900

# In a URL that is kept, it is in the place of an id. It is random, so that no other part of a URL has it.
ID = uuid4()
ID_TEXT = str(ID)
# The acts on one agent that a list links to. Those that return to the list have the parameter `back`.
ACTS, ACTS_THAT_RETURN = ("clone", "enable"), ("show", "edit", "disable", "delete")


def own_url(endpoint: str, **values: Any) -> str:
    """The same as `url_for` for a page of this console, in less time.

    A page has dozens of URLs, of which most are on every page or differ only by an id. So they are kept.
    """
    if not values and not endpoint.startswith("."):
        return _kept_url(current_app.url_map, request.script_root, endpoint)
    ids = [value for value in values.values() if type(value) is UUID]
    others = [value for value in values.values() if value is not None and type(value) is not UUID]
    is_kept = all(type(value) is str for value in others) and sum(map(len, others)) <= PATH_MAX
    if endpoint.startswith(".") or len(ids) > 1 or not is_kept:
        return url_for(endpoint, **values)
    kept = {name: ID if type(value) is UUID else value for name, value in values.items()}
    url = _kept_url(current_app.url_map, request.script_root, endpoint, **kept)
    return url.replace(ID_TEXT, str(ids[0])) if ids else url


# Each is below the path of PUBLIC_URL, which the server passes with the request.
@lru_cache(maxsize=512)
def _kept_url(_rules: Map, _script_root: str, endpoint: str, **values: Any) -> str:
    return url_for(endpoint, **values)


def urls_of_agents(back: str) -> Mapping[str, str]:
    """The URLs of the acts on an agent of a list, to which they return. `of_agent` puts an id into each."""
    urls = {act: own_url(f"web.agents.{act}", agent_id=ID) for act in ACTS}
    return urls | {act: own_url(f"web.agents.{act}", agent_id=ID, back=back) for act in ACTS_THAT_RETURN}


def of_agent(text: str, agent_id: UUID) -> str:
    """A URL of `urls_of_agents`, or markup with such URLs, for this agent."""
    return text.replace(ID_TEXT, str(agent_id))


def home_path() -> str:
    """The path of the home page. The paths of all pages begin with it."""
    return own_url("web.agents.home")


def current_path() -> str:
    """The path and query string of this request, as the browser shows them."""
    return (request.script_root + request.full_path).rstrip("?")


def return_path() -> str | None:
    """The current path, for a redirect to return to. None for the home page, and where the path is too long."""
    return current_path() if encoded_length(current_path()) <= PATH_MAX and current_path() != home_path() else None


def encoded_length(path: str) -> int:
    """How long a path is in the header of a redirect, where a letter outside ASCII is up to twelve characters."""
    return len(iri_to_uri(path))


def local_path(text: str | None) -> str:
    """The given path if it belongs to this console and is safe in a redirect, else the home page."""
    # Browsers read a backslash as a slash, and drop TAB, CR and LF.
    if not text or not text.startswith(home_path()) or text.startswith("//") or "\\" in text:
        return home_path()
    is_plain = all(ord(char) > 32 and ord(char) != 127 for char in text)
    if not is_plain or encoded_length(text) > PATH_MAX or urlsplit(text).netloc:
        return home_path()
    # Browsers resolve ".." in each of its spellings, which may lead to another program on this host.
    return home_path() if ".." in unquote(urlsplit(text).path).split("/") else text


def redirect_without_empty_parameters() -> Response | None:
    """A redirect to a list without the parameters that its form sent empty; None where there are none.

    None also where the path would be too long. Lists ignore empty parameters.
    """
    given = list(request.args.items(multi=True))
    filled = [(name, value) for name, value in given if value.strip()]
    if request.endpoint not in ListUrl.endpoints or filled == given:
        return None
    address = url_for(request.endpoint)
    address += f"?{urlencode(filled)}" if filled else ""
    return redirect(address, 303) if len(address) <= PATH_MAX else None


class ListUrl:
    """The URL of a list with its filters, order and page, and URLs derived from it. Subclasses are for other lists."""

    endpoint: ClassVar = "web.agents.listing"
    endpoints: ClassVar = {endpoint}
    """The endpoints of all lists, which leave out the parameters that a form sent empty."""
    parameters: ClassVar[tuple[str, ...]] = (
        *("q", *TABS, *FILTERS, "sort", "limit"),
        *CURSORS,
    )
    filters: ClassVar[tuple[str, ...]] = ("q", *FILTERS)

    def __init_subclass__(cls) -> None:
        ListUrl.endpoints.add(cls.endpoint)

    def __init__(self, args: Mapping[str, str]) -> None:
        self.args: dict[str, Any] = {name: args[name] for name in self.parameters if not is_empty(args.get(name))}

    @classmethod
    def from_back_parameter(cls) -> Self:
        """The list that the parameter `back` describes."""
        return cls(dict(parse_qsl(_back_parameter() or "")))

    def __str__(self) -> str:
        return _with_query(self.endpoint, self.args)

    @property
    def back(self) -> str:
        """The value of the parameter `back` that leads to this list again.

        It is empty for the list without parameters. A saved form leads to the list only where `back` is given.
        """
        return urlencode(self.args)

    def all_matching(self, endpoint: str) -> str:
        """The URL of a file of all agents of this list, whatever its page and order."""
        return _with_query(endpoint, {name: self.args[name] for name in (*self.filters, *TABS) if name in self.args})

    def changed(self, **changes: str | None) -> str:
        """The first page of the list with these parameters changed. None removes a parameter."""
        args = {name: value for name, value in self.args.items() if name not in CURSORS} | changes
        return _with_query(self.endpoint, {name: args[name] for name in self.parameters if args.get(name)})

    def sorted_by(self, column: str, default_order: str) -> str:
        """The list sorted by this column; in the opposite order where it is sorted by it already."""
        current = self.args.get("sort", "-updated_at")
        opposite = column if current == f"-{column}" else f"-{column}"
        return self.changed(sort=opposite if current.removeprefix("-") == column else default_order)

    @property
    def is_filtered(self) -> bool:
        """Whether any filter is set, other than the tabs."""
        return any(name in self.args for name in self.filters)

    def without_filters(self) -> str:
        """The list of the same tab without filters. No tab has the agents that do not need attention."""
        tab = "true" if self.args.get("needs_attention") == "true" else None
        return self.changed(**dict.fromkeys(self.filters), needs_attention=tab)


def _with_query(endpoint: str, args: Mapping[str, str]) -> str:
    query = urlencode(args, safe=UNQUOTED)
    return f"{own_url(endpoint)}?{query}" if query else own_url(endpoint)


def url_with_back(endpoint: str, **values: Any) -> str:
    """The URL of an endpoint, with the parameter `back` of this request."""
    return url_for(endpoint, **values, back=_back_parameter())


def _back_parameter() -> str | None:
    given = request.values.get("back")
    return "" if given and len(given) > PATH_MAX else given
