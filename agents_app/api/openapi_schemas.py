"""The schemas of the OpenAPI document, made from the declarations that requests are checked by and from `shapes.py`."""

from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode, models_json_schema

from agents_app.api import response_schemas
from agents_app.api.response_schemas import REF
from agents_app.connections import TYPES, Connection
from agents_app.schemas.agents import CONFIG, AgentValues, DisableValues
from agents_app.schemas.listing import AgentQuery
from agents_app.values.fields import NOTES, Schema, field_notes

Document = dict[str, Any]


def components() -> Document:
    """Every schema of the document, by name."""
    written: tuple[type[BaseModel], ...] = (AgentValues, DisableValues, AgentQuery, *TYPES.values())
    wanted: list[tuple[type[BaseModel], JsonSchemaMode]] = [(model, "validation") for model in written]
    wanted += [(shape, "serialization") for shape in response_schemas.ANSWERS]
    _, found = models_json_schema(wanted, ref_template=REF)
    schemas: Document = _without_notes(found["$defs"])
    for declaration in TYPES.values():
        schemas |= _variants(declaration, schemas[declaration.__name__])
    schemas.pop("AgentQuery")  # its members are parameters; only the lists of choices are named
    agent, disable = schemas.pop("AgentValues"), schemas.pop("DisableValues")
    new = _with_config(agent, "oneOf", "")
    change = _with_config(_partial(agent), "anyOf", "Change")
    return schemas | {"NewAgent": new, "AgentChange": change, "Disable": disable}


def standalone(declaration: type[Connection]) -> Document:
    """The JSON Schema of a connection type's configuration, by itself."""
    schema: Document = _without_notes(declaration.model_json_schema())
    return _as_written(declaration, schema)


def parameters(query: type[Schema]) -> Document:
    """The schemas of the parameters that a query may have, by name."""
    _, found = models_json_schema([(query, "validation")], ref_template=REF)
    properties = _without_notes(found["$defs"][query.__name__]["properties"])
    return {name: _without_null(member) for name, member in properties.items()}


def _variants(declaration: type[Connection], schema: Document) -> Document:
    name, secrets = declaration.__name__, declaration.secret_names()
    shown = _pick(schema, (member for member in schema["properties"] if member not in secrets))
    in_clear = {**_pick(schema, schema["properties"]), "required": shown["required"]}
    written = _as_written(declaration, schema)
    return {name: written, f"{name}Change": _partial(written), f"{name}Shown": shown, f"{name}InClear": in_clear}


def _as_written(declaration: type[Connection], schema: Document) -> Document:
    """As a request has it: secrets may be sent and are not answered."""
    properties = {
        name: {**member, "writeOnly": True} if field_notes(declaration, name).get("secret") else member
        for name, member in schema["properties"].items()
    }
    return {**schema, "properties": properties}


def _pick(schema: Document, names: Iterable[str]) -> Document:
    """As an answer has it: these members, all of them there."""
    left_out = ("default", "writeOnly")
    properties = {name: _without(schema["properties"][name], *left_out) for name in names}
    return {**schema, "properties": properties, "required": list(properties)}


def _partial(schema: Document) -> Document:
    """As a change has it: any of the members, and what is absent stays."""
    properties = {name: _without(member, "default") for name, member in schema["properties"].items()}
    return {**_without(schema, "required"), "properties": properties}


def _with_config(schema: Document, union: str, suffix: str) -> Document:
    names = [declaration.__name__ + suffix for declaration in TYPES.values()]
    config = {
        "title": "Connection settings",
        union: [{"$ref": REF.format(model=name)} for name in names],
    }
    required = [*schema["required"], CONFIG] if "required" in schema else None
    whole = {**schema, "properties": {**schema["properties"], CONFIG: config}, "required": required}
    return {key: value for key, value in whole.items() if value is not None}


def _without_null(schema: Document) -> Document:
    """As a parameter has it: one that has no value is left out."""
    options = [option for option in schema.get("anyOf", []) if option != {"type": "null"}]
    return {**options[0], **_without(schema, "anyOf", "default")} if options else schema


def _without(schema: Document, *names: str) -> Document:
    return {key: value for key, value in schema.items() if key not in names}


def _without_notes(value: Any) -> Any:
    """Without what only our own forms and refusals read."""
    if isinstance(value, dict):
        return {key: _without_notes(member) for key, member in value.items() if key != NOTES}
    return [_without_notes(member) for member in value] if isinstance(value, list) else value
