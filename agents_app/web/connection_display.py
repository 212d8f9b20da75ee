"""How pages show connections: the label, the icon and the colour of a type, and what a connection is called."""

from collections.abc import Mapping, Sequence
from functools import cache, lru_cache
from typing import Any

from flask import Flask
from markupsafe import Markup

from agents_app.connections import TYPES, Connection
from agents_app.values.fields import field_notes
from agents_app.web import icons

BY_NAME: Mapping[str, type[Connection]] = {kind.value: declaration for kind, declaration in TYPES.items()}
# The characters for which the column of connections has space.
TITLE_CELL = 16


def init_app(app: Flask) -> None:
    """Register these functions for templates."""
    labels = {name: declaration.label for name, declaration in BY_NAME.items()}
    app.jinja_env.globals.update(types=TYPES, type_label=type_label, type_labels=labels)
    for function in (type_tile, connection_titles, text_if_long, server_label):
        app.jinja_env.filters[function.__name__] = function


def type_tile(kind: str) -> Markup:
    """The icon of a connection type on its coloured ground."""
    return _tile(kind, icons.icon(type_icon(kind)))


@lru_cache(maxsize=64)
def _tile(kind: str, icon: Markup) -> Markup:
    return Markup('<span class="tile tile-{}">{}</span>').format(type_colour(kind), icon)


def type_icon(kind: str) -> str:
    """The name of the icon of a connection type."""
    return declaration.icon if (declaration := _declaration(kind)) else icons.OF_UNKNOWN_TYPE


def type_colour(kind: str) -> str:
    """The colour of the icon of a connection type."""
    return declaration.colour if (declaration := _declaration(kind)) else "grey"


def type_label(kind: str) -> str:
    """The label of a connection type; the stored name where only a later release knows it."""
    return declaration.label if (declaration := _declaration(kind)) else kind


def _declaration(kind: str) -> type[Connection] | None:
    # As a text: it may be a type that only a later release knows.
    return BY_NAME.get(kind)


def server_label(item: Mapping[str, Any]) -> str:
    """What a listed agent connects to: the label of its database type, else of its connection type."""
    model = _declaration(item["connection_type"])
    if model is None:
        return type_label(item["connection_type"])
    labels = _value_labels(model)
    return next((labels[pair] for pair in item["connection"].items() if pair in labels), model.label)


@cache
def _value_labels(model: type[Connection]) -> Mapping[tuple[str, object], str]:
    """The labels of the values of a connection type's fields, by field and value."""
    notes = {name: field_notes(model, name).get("labels", {}) for name in model.model_fields}
    return {(name, value): str(label) for name, labels in notes.items() for value, label in labels.items()}


def connection_titles(item: Mapping[str, Any], names: Mapping[str, str]) -> list[str]:
    """What a listed agent's connection is called: by the known names of its ids, else by its first field, such as the
    host.
    """
    known = [names[name] for name in item["connection"] if name in names]
    return known or [str(value) for value in item["connection"].values() if value][:1]


def text_if_long(titles: Sequence[str]) -> str | None:
    """The titles of a connection as one text, if a cell of the list may cut them off."""
    return " · ".join(titles) if sum(map(len, titles)) > TITLE_CELL else None
