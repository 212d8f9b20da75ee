"""The schemas of answers for the OpenAPI document. All are open: later releases can add members and values."""

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from agents_app.api import response_schemas
from agents_app.api.answer_examples import ANSWER_EXAMPLES, DATABASE
from agents_app.api.json_schemas import (
    REF,
    Document,
    all_required,
    known_values,
    opened,
    plain,
    reference,
    with_members,
)
from agents_app.api.request_components import TYPE, stem
from agents_app.connections import TYPES
from agents_app.schemas.agents import CONFIG

# The answers that have the configuration of a connection, and what is before the name of its schema.
AGENTS = {"Agent": "", "SavedAgent": "", "RuntimeAgent": "Runtime"}
UNKNOWN = "Unknown"
"""The end of the names of schemas for connection types that a client does not know. It accepts every type.

Some generators try the schemas of a union in the order of their names, so it has to be the last of them.
"""


def components() -> Document:
    """Every schema of an answer, by its name."""
    # The types are only here for their own schemas.
    models: tuple[type[BaseModel], ...] = (*response_schemas.ANSWERS, *TYPES.values())
    _, written = models_json_schema([(model, "serialization") for model in models], ref_template=REF)
    found = written["$defs"]
    enums = {name: schema for name, schema in found.items() if "enum" in schema}
    schemas = {name: plain(opened(schema, enums)) for name, schema in found.items() if name not in enums}
    for declaration in TYPES.values():
        config = schemas.pop(declaration.__name__)
        secrets = declaration.secret_names()
        shown = [name for name in config["properties"] if name not in secrets]
        schemas[f"{stem(declaration)}Config"] = all_required(config, shown)
        schemas[f"Runtime{stem(declaration)}Config"] = all_required(config, config["properties"])
    for name, prefix in AGENTS.items():
        schemas |= _tied(name, prefix, schemas.pop(name))
    return schemas


def _tied(name: str, prefix: str, schema: Document) -> Document:
    """The union `name` of an agent with each connection type and with one that is not known, and the schemas in it."""
    tied = {kind.value: f"{name}{stem(declaration)}" for kind, declaration in TYPES.items()}
    known = {
        f"{name}{stem(declaration)}": with_members(
            schema,
            {TYPE: {"type": "string", "const": kind.value}, CONFIG: reference(f"{prefix}{stem(declaration)}Config")},
        )
        for kind, declaration in TYPES.items()
    }
    first = known[f"{name}{stem(DATABASE)}"]
    known[f"{name}{stem(DATABASE)}"] = {**first, "examples": [ANSWER_EXAMPLES[name]]}
    described = {"type": "string", "description": known_values(*tied)}
    members = {TYPE: described, CONFIG: {"type": "object", "additionalProperties": True}}
    unknown = {**with_members(schema, members), "description": "A connection type of a later release."}
    # No discriminator: it names the known values only, and clients would refuse the values of a later release.
    whole = {
        "description": f"{schema['description']} `{TYPE}` says which configuration `{CONFIG}` is.",
        "anyOf": [reference(one) for one in (*tied.values(), f"{name}{UNKNOWN}")],
    }
    return {**known, f"{name}{UNKNOWN}": unknown, name: whole}
