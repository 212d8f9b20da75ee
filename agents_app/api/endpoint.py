"""What an endpoint is. One declaration makes both its Flask rule and its part of the OpenAPI document."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from flask import Blueprint, Response, g

from agents_app.api import request_parsing
from agents_app.values.fields import Schema

View = Callable[..., Response]


@dataclass(frozen=True)
class Endpoint:
    """One method at one address.

    `path` names an id as `{agent_id}`. `view` gets the actor, the ids of the path, and `values` where the endpoint
    takes a body (`body` names its schema) or `query` where it takes a query. `answers` names the schema of each good
    status, None where there is no body; refusals that follow from the rest need not be named in `refuses`.
    """

    method: str
    path: str
    view: View
    title: str
    act: str | None = None
    about: str = ""
    body: str | None = None
    query: type[Schema] | None = None
    unasked: frozenset[str] = frozenset()
    """Members of `query` that are for other doors."""
    answers: Mapping[int, str | None] = field(default_factory=dict)
    refuses: tuple[int, ...] = ()
    headers: tuple[str, ...] = ()
    tag: str = "Agents"

    @property
    def rule(self) -> str:
        """The path as Flask writes it: an id that is no UUID is not found."""
        return self.path.replace("{agent_id}", "<uuid:agent_id>")

    @property
    def name(self) -> str:
        """What the endpoint is called in Flask and in the document."""
        return f"{self.view.__module__.rpartition('.')[2]}_{self.view.__name__}"

    @property
    def parameters(self) -> list[str]:
        """The names that may stand in the query."""
        return [name for name in self.query.model_fields if name not in self.unasked] if self.query else []


def register(door: Blueprint, endpoint: Endpoint) -> None:
    """Add the endpoint's rule. There is no OPTIONS: other sites may not call this door."""
    door.add_url_rule(
        endpoint.rule,
        endpoint.name,
        _respond(endpoint),
        methods=[endpoint.method],
        provide_automatic_options=False,
    )


def _respond(endpoint: Endpoint) -> View:
    def respond(**ids: Any) -> Response:
        asked = request_parsing.query(endpoint.query or Schema, endpoint.parameters)
        if endpoint.query is not None:
            return endpoint.view(g.actor, **ids, query=asked)
        if endpoint.body is not None:
            return endpoint.view(g.actor, **ids, values=request_parsing.body())
        request_parsing.refuse_body()
        return endpoint.view(g.actor, **ids)

    return respond
