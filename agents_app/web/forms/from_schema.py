"""Creates the inputs of a form from the fields of a schema."""

from collections.abc import Mapping
from datetime import date
from enum import StrEnum
from types import NoneType
from typing import Any, get_args, get_origin

from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from agents_app.connections import Connection
from agents_app.schemas import completeness
from agents_app.values.fields import field_notes
from agents_app.web.forms.choice_inputs import Checkbox, Select
from agents_app.web.forms.inputs import (
    SPAN,
    SPAN_NARROW,
    SPAN_WHOLE,
    Address,
    Date,
    Labels,
    PemText,
    Spec,
    Text,
    TextLines,
)
from agents_app.web.forms.secret_input import Secret


def make_input(model: type[BaseModel], name: str, **changes: Any) -> Any:
    """The input for a field of a schema, by its type and notes. `changes` replace values of its Spec."""
    info, notes = model.model_fields[name], field_notes(model, name)
    default = None if info.default is PydanticUndefined else info.default
    spec = input_spec(model, name, **changes)
    if notes.get("secret"):
        return Secret(spec, is_long=notes.get("kind") == "pem")
    if info.annotation is bool:
        return Checkbox(spec, default=default)
    if spec.labels:
        return Select(spec, default=default)
    if get_origin(info.annotation) is dict:
        return Labels(spec, default=default)
    if info.annotation == list[str]:
        return TextLines(spec, default=default)
    if issubclass(model, Connection) and name in model.addresses:
        return Address(spec, model.addresses[name], default=default)
    if date in (get_args(info.annotation) or (info.annotation,)):
        return Date(spec, default=default)
    return PemText(spec) if notes.get("kind") == "pem" else Text(spec, default=default)


def input_spec(model: type[BaseModel], name: str, **changes: Any) -> Spec:
    """The Spec that the schema gives for one field, with `changes`."""
    info, notes = model.model_fields[name], field_notes(model, name)
    is_wide = notes.get("secret") or notes.get("kind") == "pem" or info.annotation is bool
    rules: dict[str, Any] = {}
    for rule in info.metadata:
        rules |= getattr(rule, "schema", {})
    known: dict[str, Any] = {
        "label": info.title or name,
        "hint": info.description or "",
        "is_optional": info.default in (None, [], {}),
        "is_needed_later": _is_needed_later(model, name),
        "max_length": rules.get("maxLength"),
        "span": notes.get("span") or (SPAN_WHOLE if is_wide else SPAN_NARROW if "width" in notes else SPAN),
        "width": notes.get("width"),
        "group": notes.get("group"),
        "is_mono": rules.get("format") == "uuid" or notes.get("kind") == "pem",
        "unit": notes.get("unit", ""),
        "labels": _labels(info.annotation, notes),
    }
    return Spec(**(known | changes))


def _is_needed_later(model: type[BaseModel], name: str) -> bool:
    """Whether an agent without this value can be incomplete. A hint names the providers that need a base URL."""
    needed = model.needed.values() if issubclass(model, Connection) else completeness.NEEDED.values()
    return name != "model_base_url" and any(name in names for names in needed)


def _labels(annotation: object, notes: Mapping[str, Any]) -> dict[str, str]:
    kinds = get_args(annotation) or (annotation,)
    options = next((kind for kind in kinds if isinstance(kind, type) and issubclass(kind, StrEnum)), None)
    if options is None:
        return {}
    given, unset = notes.get("labels", {}), {"": notes.get("unset", "Not set")} if NoneType in kinds else {}
    return unset | {option.value: given.get(option, option.value) for option in options}
