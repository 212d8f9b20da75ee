"""The declaration of an endpoint, which makes its Flask rule and its part of the OpenAPI document."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from flask import Blueprint, Response, g

from agents_app.api import request_parsing
from agents_app.operations.permissions import Actor
from agents_app.values.fields import Schema

View = Callable[..., Response]
# Reads a part of the request: what it is called for the view, and its value. A part that a view does not take is
# refused, unless it is empty.
Reader = Callable[[], dict[str, Any]]


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """One method of one path.

    `operation` is the operationId, from which clients make the name of a function: a verb and what it acts on. `path`
    contains an id as `{agent_id}`, the number of a version as `{version}`, and an external id, which can only be its
    end, as `{external_id}`. `view` gets the actor, what the path contains, and `values` if the endpoint has a body
    (`body` is the name of its schema) or `query` if it has a query. `responses` has the name of the schema for each
    success status, None if there is no body. `errors` has the codes of `error_codes.py` that do not follow from the
    other fields.
    """

    operation: str
    method: str
    path: str
    view: View
    summary: str
    permission: str | None = None
    description: str = ""
    body: str | None = None
    body_is_optional: bool = False
    query: type[Schema] | None = None
    merge_patch: str | None = None
    """The schema of a JSON Merge Patch (RFC 7396), if the body can be one. The view also gets `is_merge_patch`."""
    takes_file: bool = False
    """Whether the body is a file of agents, which the view gets as `file`. It may be larger than other bodies."""
    excluded: frozenset[str] = frozenset()
    """Fields of `query` that the API does not have."""
    responses: Mapping[int, str | None] = field(default_factory=dict)
    errors: tuple[str, ...] = ()
    headers: tuple[str, ...] = ()
    is_done_again: bool = False
    """Whether the same request again does something again. Then an Idempotency-Key is refused, not ignored."""
    tag: str = "Agents"
    media_types: tuple[str, ...] = ("application/json",)
    """Of the body if it is a file of agents, otherwise of the response."""

    @property
    def rule(self) -> str:
        """The path as a Flask rule. An id that is not a UUID, and a version that is no number, is not found."""
        rule = self.path.replace("{external_id}", "<text:external_id>").replace("{version}", "<int:version>")
        return re.sub(r"{(\w+_id)}", r"<uuid:\1>", rule)

    @property
    def name(self) -> str:
        """The endpoint's name in Flask. Events have it, so it stays when the operation gets another name."""
        return f"{self.view.__module__.rpartition('.')[2]}_{self.view.__name__}"

    @property
    def parameters(self) -> list[str]:
        """The names of the query's parameters."""
        return [name for name in self.query.model_fields if name not in self.excluded] if self.query else []


def register(blueprint: Blueprint, endpoint: Endpoint) -> None:
    """Add the endpoint's rule, without OPTIONS: pages of other sites cannot call the API."""
    blueprint.add_url_rule(
        endpoint.rule,
        endpoint.name,
        _view_function(endpoint),
        methods=[endpoint.method],
        provide_automatic_options=False,
    )


def _view_function(endpoint: Endpoint) -> View:
    refused = request_parsing.refused_headers(endpoint.method, endpoint.headers, is_done_again=endpoint.is_done_again)
    read_query, read_body = _query_reader(endpoint), _body_reader(endpoint)

    def view_function(**ids: Any) -> Response:
        actor: Actor = g.actor
        if endpoint.permission:
            # First: who may not do this learns nothing about what they sent, and a large file is not read for them.
            actor.require(endpoint.permission)
        request_parsing.refuse_headers(refused)
        if "external_id" in ids:
            request_parsing.require_utf8_path()
        return endpoint.view(actor, **ids, **read_query(), **read_body())

    return view_function


def _query_reader(endpoint: Endpoint) -> Reader:
    schema, parameters = endpoint.query, endpoint.parameters
    if schema is None:
        return request_parsing.refuse_query
    return lambda: {"query": request_parsing.query(schema, parameters)}


def _body_reader(endpoint: Endpoint) -> Reader:
    if endpoint.takes_file:
        return lambda: {"file": request_parsing.agent_file()}
    if endpoint.merge_patch:
        return lambda: dict(zip(("values", "is_merge_patch"), request_parsing.patch(), strict=True))
    if endpoint.body is not None:
        read = request_parsing.optional_body if endpoint.body_is_optional else request_parsing.body
        return lambda: {"values": read()}
    return dict if endpoint.method in request_parsing.READING else request_parsing.refuse_body
