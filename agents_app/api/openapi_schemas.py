"""The schemas of the OpenAPI document, made from the schemas that check requests and from `response_schemas.py`."""

from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode, models_json_schema

from agents_app.api import file_schemas, response_schemas
from agents_app.api.response_schemas import REF
from agents_app.connections import TYPES, Connection
from agents_app.schemas.agents import CONFIG, AgentValues
from agents_app.schemas.bulk_agents import SCHEMAS as BULK
from agents_app.schemas.change_notes import DisableValues, NoteValues
from agents_app.schemas.listing import ExportQuery
from agents_app.schemas.runtime import CheckValues
from agents_app.values.fields import NOTES, Schema, field_notes

Document = dict[str, Any]


def components() -> Document:
    """Every schema of the document, by its name."""
    bodies = (AgentValues, DisableValues, NoteValues, CheckValues, file_schemas.AgentFile)
    written: tuple[type[BaseModel], ...] = (*bodies, ExportQuery, *TYPES.values())
    written += tuple(BULK.values())
    wanted: list[tuple[type[BaseModel], JsonSchemaMode]] = [(model, "validation") for model in written]
    wanted += [(shape, "serialization") for shape in response_schemas.ANSWERS]
    _, found = models_json_schema(wanted, ref_template=REF)
    schemas: Document = _omit_notes(found["$defs"])
    for declaration in TYPES.values():
        schemas |= _config_variants(declaration, schemas[declaration.__name__])
    schemas.pop("ExportQuery")  # its fields are written as parameters; only its enums are needed here
    schemas |= _bulk_acts(schemas)
    agent, disable = schemas.pop("AgentValues"), schemas.pop("DisableValues")
    note = schemas.pop("NoteValues")
    new = _with_config(agent, "oneOf", "")
    change = _with_config(_all_optional(agent), "anyOf", "Change")
    return schemas | {
        "AgentCreate": _with_members(new, note),
        "AgentUpdate": _with_members(change, note),
        "AgentDisable": disable,
        "ChangeNote": note,
        "VersionRestore": _restore_schema(note, agent, schemas),
        "UnsavedAgent": _without_name(new),
        "UnsavedAgentUpdate": change,
        "RuntimeCheck": schemas.pop("CheckValues"),
    }


def _bulk_acts(schemas: Document) -> Document:
    """The schema of a bulk act: one of those of the acts. `act` says which one."""
    acts: Document = {}
    for act, model in BULK.items():
        schema = schemas[model.__name__]
        required = [*schema["required"], *model.NULLABLE]
        own = {"const": act.value, "type": "string", "title": "Act"}
        members = {**schema["properties"], "act": own}
        optional = {name: _omit(member, "default") for name, member in members.items()}
        acts[model.__name__] = {**schema, "properties": optional, "required": required}
    references = {act.value: REF.format(model=model.__name__) for act, model in BULK.items()}
    choices = [{"$ref": reference} for reference in references.values()]
    discriminator = {"propertyName": "act", "mapping": references}
    return acts | {"BulkAct": {"oneOf": choices, "discriminator": discriminator}}


def standalone(declaration: type[Connection]) -> Document:
    """The JSON Schema of a connection type's configuration, by itself."""
    schema: Document = _omit_notes(declaration.model_json_schema())
    return _request_schema(declaration, schema)


def parameters(query: type[Schema]) -> Document:
    """The schema of each parameter of a query, by its name."""
    _, found = models_json_schema([(query, "validation")], ref_template=REF)
    properties = _omit_notes(found["$defs"][query.__name__]["properties"])
    return {name: _omit_null(member) for name, member in properties.items()}


def _config_variants(declaration: type[Connection], schema: Document) -> Document:
    name, secrets = declaration.__name__, declaration.secret_names()
    shown = _response_schema(schema, (member for member in schema["properties"] if member not in secrets))
    in_clear = _response_schema(schema, schema["properties"])
    written = _request_schema(declaration, schema)
    return {name: written, f"{name}Change": _all_optional(written), f"{name}Shown": shown, f"{name}InClear": in_clear}


def _request_schema(declaration: type[Connection], schema: Document) -> Document:
    """The schema of a request: secrets are write-only."""
    properties = {
        name: {**member, "writeOnly": True} if field_notes(declaration, name).get("secret") else member
        for name, member in schema["properties"].items()
    }
    return {**schema, "properties": properties}


def _response_schema(schema: Document, names: Iterable[str]) -> Document:
    """The schema of a response: these members, all of them required."""
    left_out = ("default", "writeOnly")
    properties = {name: _omit(schema["properties"][name], *left_out) for name in names}
    return {**schema, "properties": properties, "required": list(properties)}


def _all_optional(schema: Document) -> Document:
    """The schema of a change: every member is optional."""
    properties = {name: _omit(member, "default") for name, member in schema["properties"].items()}
    return {**_omit(schema, "required"), "properties": properties}


def _with_config(schema: Document, union: str, suffix: str) -> Document:
    names = [declaration.__name__ + suffix for declaration in TYPES.values()]
    config = {
        "title": "Connection settings",
        union: [{"$ref": REF.format(model=name)} for name in names],
    }
    required = [*schema["required"], CONFIG] if "required" in schema else None
    whole = {**schema, "properties": {**schema["properties"], CONFIG: config}, "required": required}
    return {key: value for key, value in whole.items() if value is not None}


def _with_members(schema: Document, other: Document) -> Document:
    """The schema with the members of another one too."""
    return {**schema, "properties": {**schema["properties"], **other["properties"]}}


def _restore_schema(note: Document, agent: Document, schemas: Document) -> Document:
    """The body of a restore: a note, and the secrets that have another destination in the restored version."""
    secrets = {
        name: schemas[f"{declaration.__name__}Change"]["properties"][name]
        for declaration in TYPES.values()
        for name in declaration.secret_names()
    }
    config = {"title": "Secrets of the connection", "type": "object", "properties": secrets}
    members = {"api_key": agent["properties"]["api_key"], CONFIG: {**config, "additionalProperties": False}}
    described = {"title": "VersionRestore", "description": "A note, and secrets of the version that is restored."}
    return {**_with_members(note, {"properties": members}), **described}


def _without_name(schema: Document) -> Document:
    """The schema of an agent that needs no name, because it is not saved."""
    return {**schema, "required": [name for name in schema["required"] if name != "name"]}


def _omit_null(schema: Document) -> Document:
    """The schema of a parameter: it is never null."""
    options = [option for option in schema.get("anyOf", []) if option != {"type": "null"}]
    return {**options[0], **_omit(schema, "anyOf", "default")} if options else schema


def _omit(schema: Document, *names: str) -> Document:
    return {key: value for key, value in schema.items() if key not in names}


def _omit_notes(value: Any) -> Any:
    """Remove the notes, which only the forms and the error messages read. A hint for JSON replaces that for forms."""
    if isinstance(value, dict):
        hint = value.get(NOTES, {}).get("json_hint")
        shown = {**value, "description": hint} if hint else value
        return {key: _omit_notes(member) for key, member in shown.items() if key != NOTES}
    return [_omit_notes(member) for member in value] if isinstance(value, list) else value
