"""The schemas of request bodies for the OpenAPI document, made from the schemas that check requests. All are closed."""

from collections.abc import Sequence

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from agents_app.api.json_schemas import (
    REF,
    Document,
    all_optional,
    described_defaults,
    in_common,
    not_empty,
    omit,
    plain,
    reference,
    renamed,
    required_not_empty,
    union,
    with_members,
    without_null,
)
from agents_app.connections import TYPES, Connection
from agents_app.schemas.agent_files import FORMAT, SECRETS, STORED
from agents_app.schemas.agents import CONFIG, AgentValues
from agents_app.schemas.bulk_agents import SCHEMAS as BULK
from agents_app.schemas.bulk_agents import BulkAct
from agents_app.schemas.change_notes import DisableValues, NoteValues
from agents_app.schemas.listing import ExportQuery
from agents_app.schemas.runtime import CheckValues
from agents_app.values import limits
from agents_app.values.fields import Schema, field_notes

TYPE = "connection_type"
CONFIG_UPDATE = "ConnectionConfigUpdate"
IN_FILE = "AgentInFile"
# The enums that have another name in the document.
ENUM_NAMES = {"LastTest": "LastTestFilter", "Sort": "AgentSort"}


def stem(declaration: type[Connection]) -> str:
    """What the names of all schemas of a connection type have in common, such as Database."""
    return declaration.__name__.removesuffix("Connection")


def schemas_of_pydantic() -> Document:
    """The plain schema of each body, of each connection type, and of each enum."""
    bodies = (AgentValues, DisableValues, NoteValues, CheckValues)
    # The fields of the query are written as parameters; only its enums are needed here.
    written: tuple[type[BaseModel], ...] = (*bodies, *TYPES.values(), *BULK.values(), ExportQuery)
    _, found = models_json_schema([(model, "validation") for model in written], ref_template=REF)
    schemas = {ENUM_NAMES.get(name, name): renamed(plain(one), ENUM_NAMES) for name, one in found["$defs"].items()}
    bodies_and_types = {name: required_not_empty(one) for name, one in schemas.items() if "properties" in one}
    return omit(schemas | bodies_and_types, "ExportQuery")


def components() -> Document:
    """Every schema of a request body, by its name."""
    return {name: described_defaults(schema) for name, schema in _with_defaults().items()}


def _with_defaults() -> Document:
    found = schemas_of_pydantic()
    agent, note = found.pop("AgentValues"), found.pop("NoteValues")
    disable, check = found.pop("DisableValues"), found.pop("CheckValues")
    configs = {declaration: found.pop(declaration.__name__) for declaration in TYPES.values()}
    for declaration, config in configs.items():
        found[f"{stem(declaration)}ConfigCreate"] = with_write_only_secrets(declaration, config)
    changes = [all_optional(found[f"{stem(declaration)}ConfigCreate"]) for declaration in configs]
    found |= _bulk_acts(found)
    nameless = {**agent, "required": [name for name in agent["required"] if name != "name"]}
    update, updated = all_optional(agent), {CONFIG: reference(CONFIG_UPDATE)}
    return found | {
        **_tied("AgentCreate", "A new agent", with_members(agent, note["properties"])),
        **_tied("UnsavedAgent", "The values of an agent, which are tested and not saved", nameless),
        "AgentUpdate": {**with_members(update, note["properties"] | updated), "description": "A change of an agent."},
        "UnsavedAgentUpdate": {**with_members(update, updated), "description": "A change, which is tested, not saved."},
        CONFIG_UPDATE: _change_of_any(changes),
        **_file(agent, found),
        "AgentDisable": disable,
        "ChangeNote": note,
        "ConnectionSecrets": _secrets(changes),
        "VersionRestore": _restore(note, agent),
        "RuntimeCheck": check,
    }


def parameters(query: type[Schema]) -> Document:
    """The schema of each parameter of a query, by its name."""
    _, found = models_json_schema([(query, "validation")], ref_template=REF)
    properties = renamed(plain(found["$defs"][query.__name__]), ENUM_NAMES)["properties"]
    found = {name: described_defaults(without_null(one), keeps_plain=True) for name, one in properties.items()}
    may_be_empty = {name for name in found if field_notes(query, name).get("may_be_empty")}
    return {name: one if name in may_be_empty else not_empty(one) for name, one in found.items()}


def with_write_only_secrets(declaration: type[Connection], schema: Document) -> Document:
    """The schema of a configuration in a request."""
    properties = {
        name: {**member, "writeOnly": True} if field_notes(declaration, name).get("secret") else member
        for name, member in schema["properties"].items()
    }
    return {**schema, "properties": properties}


def _tied(name: str, what: str, schema: Document) -> Document:
    """The union `name` of an agent with each connection type, and the schemas in it."""
    tied = {kind.value: f"{name}{stem(declaration)}" for kind, declaration in TYPES.items()}
    agents = {
        f"{name}{stem(declaration)}": {
            **with_members(schema, _members_of_type(kind.value, declaration, is_in_file=name == IN_FILE)),
            "required": [*schema["required"], CONFIG],
            "description": f"{what}, with the connection type {kind.value}.",
        }
        for kind, declaration in TYPES.items()
    }
    described = f"{what}. `{TYPE}` says which configuration `{CONFIG}` is."
    return agents | {name: union(described, tied, TYPE, {CONFIG: {"type": "object"}}, (TYPE, CONFIG))}


def _file(agent: Document, schemas: Document) -> Document:
    """The schemas of a file of agents."""
    members = {
        "status": {**reference("AgentStatus"), "description": "Default: `active`."},
        "status_reason": {"type": ["string", "null"], "maxLength": limits.STATUS_REASON},
    }
    listed = with_members(agent, members)
    without_key = {**listed, "properties": omit(listed["properties"], "api_key")}
    parts = [_parts_in_file(declaration, schemas) for declaration in TYPES.values()]
    agents = {"type": "array", "items": reference(IN_FILE), "maxItems": limits.FILE_AGENTS}
    whole = {"format": {"type": "string", "const": FORMAT}, "agents": agents}
    file = {"type": "object", "properties": whole, "required": list(whole), "additionalProperties": False}
    return {
        **{name: part for one in parts for name, part in one.items()},
        **_tied(IN_FILE, "An agent of a file, in which an absent member has its default", without_key),
        "AgentFile": {**file, "description": "A file of agents."},
    }


def _parts_in_file(declaration: type[Connection], schemas: Document) -> Document:
    """The configuration and the secrets of an agent in a file. A file says only whether a secret is stored."""
    secrets = declaration.secret_names()
    config = schemas[f"{stem(declaration)}ConfigCreate"]
    secret = {"type": ["string", "null"], "pattern": f"^{STORED}$"}
    described = "The secrets by name: `stored` keeps the stored one, and null removes it."
    return {
        f"{stem(declaration)}ConfigInFile": {**config, "properties": omit(config["properties"], *secrets)},
        f"{stem(declaration)}SecretsInFile": {
            "description": described,
            "type": "object",
            "properties": dict.fromkeys(("api_key", *secrets), secret),
            "additionalProperties": False,
        },
    }


def _members_of_type(value: str, declaration: type[Connection], *, is_in_file: bool) -> Document:
    kind = {"type": "string", "const": value}
    if not is_in_file:
        return {TYPE: kind, CONFIG: reference(f"{stem(declaration)}ConfigCreate")}
    config, secrets = (reference(f"{stem(declaration)}{part}InFile") for part in ("Config", "Secrets"))
    return {TYPE: kind, CONFIG: config, SECRETS: secrets}


def _change_of_any(changes: Sequence[Document]) -> Document:
    """The schema of a change of the configuration of any type.

    It is one object: in a union whose members are all optional, clients take the first schema for every value, and
    drop what that one does not have.
    """
    members: Document = {}
    for change in changes:
        for name, schema in change["properties"].items():
            members[name] = in_common(members.get(name, schema), schema)
    described = f"The members that change. The agent's `{TYPE}` says which it has: other members are refused."
    return {"description": described, "type": "object", "properties": members, "additionalProperties": False}


def _bulk_acts(schemas: Document) -> Document:
    """The union of the acts on many agents, and the schema of each act."""
    names = {act: act.title().replace("_", "") + ("" if "_" in act else "Agents") for act in BULK}
    acts: Document = {}
    for act, model in BULK.items():
        schema = schemas.pop(model.__name__)
        own: Document = {"act": {"type": "string", "const": act.value}}
        required = [*schema["required"], *model.NULLABLE]
        acts[names[act]] = required_not_empty({**with_members(all_optional(schema), own), "required": required})
    del schemas[BulkAct.__name__]
    members = {name: member for act in acts.values() for name, member in act["properties"].items() if name != "act"}
    tied = {act.value: name for act, name in names.items()}
    described = "An act on many agents. `act` says which one, and which members it needs."
    ids: Document = {"type": "array", "items": {"type": "string", "format": "uuid"}}
    return acts | {"BulkAct": union(described, tied, "act", {**members, "ids": ids}, ("act", "ids"))}


def _secrets(changes: Sequence[Document]) -> Document:
    """The secrets of every connection type."""
    secrets = {
        name: schema for change in changes for name, schema in change["properties"].items() if schema.get("writeOnly")
    }
    described = {"description": "Secrets of the connection.", "type": "object", "additionalProperties": False}
    return {**described, "properties": secrets}


def _restore(note: Document, agent: Document) -> Document:
    """The body of a restore: a note, and the secrets that have another destination in the restored version."""
    secrets = {"api_key": agent["properties"]["api_key"], CONFIG: reference("ConnectionSecrets")}
    return {**with_members(note, secrets), "description": "A note, and secrets of the version that is restored."}
