"""Functions that write a JSON Schema in the plain form that generators of clients read.

Generators trip over titles that repeat, over limits next to a union, and over a default of null or of an enum. None of
the functions changes the schema that it gets.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from agents_app.values.fields import NOTES

Document = dict[str, Any]
REF = "#/components/schemas/{model}"
NULL = {"type": "null"}
# What describes a member, and is no limit of its values.
ANNOTATIONS = ("description", "default", "readOnly", "writeOnly")
# The limits of values. Answers have none: those of a later release may differ, and a client would refuse its answers.
LIMITS = "minimum maximum minLength maxLength pattern minItems maxItems minProperties maxProperties propertyNames"
OF_REQUESTS = (*LIMITS.split(), "default", "writeOnly")


def reference(name: str) -> Document:
    """A reference to a schema of the document."""
    return {"$ref": REF.format(model=name)}


def omit(schema: Document, *names: str) -> Document:
    """The schema without these keywords."""
    return {key: value for key, value in schema.items() if key not in names}


def map_parts(schema: Document, change: Callable[[Document], Document]) -> Document:
    """The schema, with `change` of every schema directly inside it."""
    changed = dict(schema)
    for keyword in ("properties", "$defs"):
        if keyword in schema:
            changed[keyword] = {name: change(part) for name, part in schema[keyword].items()}
    for keyword in ("items", "additionalProperties", "propertyNames"):
        if isinstance(schema.get(keyword), dict):
            changed[keyword] = change(schema[keyword])
    for keyword in ("anyOf", "oneOf", "allOf"):
        if keyword in schema:
            changed[keyword] = [change(part) for part in schema[keyword]]
    return changed


def without_notes(schema: Document) -> Document:
    """The schema without the notes, which only the forms and the error messages read.

    A hint for JSON replaces that for forms.
    """
    hint = schema.get(NOTES, {}).get("json_hint")
    shown = {**schema, "description": hint} if hint else schema
    return map_parts(omit(shown, NOTES), without_notes)


def plain(schema: Document) -> Document:
    """The schema without notes and titles. A value that can be null has its limits where its type is."""
    return _plain(without_notes(schema))


def described_defaults(schema: Document, *, keeps_plain: bool = False) -> Document:
    """The schema with each default in the description: some generators make a member with a default required.

    With `keeps_plain`, only those of enums are moved.
    """
    found = map_parts(schema, lambda part: described_defaults(part, keeps_plain=keeps_plain))
    if "default" not in found or (keeps_plain and not {"$ref", "enum", "anyOf"} & found.keys()):
        return found
    default = found["default"]
    text = str(default).lower() if isinstance(default, bool) else default
    return {**omit(found, "default"), "description": _joined(f"Default: `{text}`.", found)}


def opened(schema: Document, enums: Mapping[str, Document]) -> Document:
    """The schema of an answer, to which later releases can add members and values.

    `enums` has the schemas of enums by their names. An enum becomes a text whose description lists the known values.
    """
    found = map_parts(omit(schema, *OF_REQUESTS), lambda part: opened(part, enums))
    known = enums.get(str(found.get("$ref", "")).rpartition("/")[2], found)
    if "enum" in known:
        text = {"type": "string", "description": _joined(known_values(*known["enum"]), found)}
        return {**omit(found, "$ref", "enum"), **text}
    if "properties" in found:
        found["additionalProperties"] = True
    return omit(found, "const")


def known_values(*values: str) -> str:
    """A description of a text that has these values. Later releases can add some, so it is no enum."""
    return f"Known values: {', '.join(f'`{value}`' for value in values)}. Later releases can add values."


def renamed(schema: Document, names: Mapping[str, str]) -> Document:
    """The schema with references to the new names of these schemas."""
    found = map_parts(schema, lambda part: renamed(part, names))
    name = str(found.get("$ref", "")).rpartition("/")[2]
    return {**found, **reference(names[name])} if name in names else found


def all_optional(schema: Document) -> Document:
    """The schema of a change: every member is optional, and an absent one keeps its value."""
    properties = {name: omit(member, "default") for name, member in schema["properties"].items()}
    return {**omit(schema, "required"), "properties": properties}


def all_required(schema: Document, names: Iterable[str]) -> Document:
    """The schema of an answer, which has all of these members."""
    properties = {name: schema["properties"][name] for name in names}
    return {**schema, "properties": properties, "required": list(properties)}


def with_members(schema: Document, members: Document) -> Document:
    """The schema with these members too."""
    return {**schema, "properties": {**schema["properties"], **members}}


def union(
    description: str, tied: Mapping[str, str], member: str, general: Document, required: Sequence[str]
) -> Document:
    """The schema of an object whose `member` says which of several schemas it has: `tied` has their names, by value.

    `general` has the members that differ between the schemas, in a form that is true for all of them, and `required`
    those that all need: some generators make one type of a union, and would take those of the last schema. `anyOf`,
    because some need a package for `oneOf`.
    """
    return {
        "description": description,
        "type": "object",
        "properties": {member: {"type": "string", "enum": list(tied)}, **general},
        "required": list(required),
        "unevaluatedProperties": True,
        "anyOf": [reference(name) for name in tied.values()],
        "discriminator": {
            "propertyName": member,
            "mapping": {value: REF.format(model=name) for value, name in tied.items()},
        },
    }


def in_common(schema: Document, other: Document) -> Document:
    """The schema of a value that has one of two schemas: the keywords that both have, with the same value."""
    return {key: value for key, value in schema.items() if key in other and other[key] == value}


def not_empty(schema: Document) -> Document:
    """The schema of a value that is refused if it is empty. Some generators take no length next to a format."""
    is_text = schema.get("type") in ("string", ["string", "null"]) and not {"format", "const", "enum"} & schema.keys()
    return {"minLength": 1, **schema} if is_text else schema


def required_not_empty(schema: Document) -> Document:
    """The schema of a body, in which no required member is empty."""
    return with_members(schema, {name: not_empty(schema["properties"][name]) for name in schema.get("required", ())})


def without_null(schema: Document) -> Document:
    """The schema of a parameter, which is never null."""
    options = [option for option in schema.get("anyOf", []) if option != NULL]
    if options:
        return {**options[0], **omit(schema, "anyOf")}
    types = schema.get("type")
    return {**schema, "type": types[0]} if isinstance(types, list) else schema


def _plain(schema: Document) -> Document:
    found = map_parts(omit(schema, "title"), _plain)
    if found.get("default", "") in (None, [], {}):
        del found["default"]
    options = found.get("anyOf", [])
    if NULL in options and len(options) == 2:
        found = _nullable(next(option for option in options if option != NULL), omit(found, "anyOf"))
    # Generators make a URL of such a text, with another spelling.
    return omit(found, "format") if found.get("format") == "uri" else found


def _nullable(option: Document, rest: Document) -> Document:
    """A value of the schema `option`, or null. `rest` are the keywords that were next to the union."""
    described = {"description": _joined(option["description"], rest)} if "description" in option else {}
    whole = {**option, **rest, **described}
    limits = omit(whole, *ANNOTATIONS)
    if limits.get("format") == "uri":
        del limits["format"]
    annotations = {key: whole[key] for key in ANNOTATIONS if key in whole}
    if "$ref" in limits or "format" in limits:
        return {"anyOf": [limits, NULL], **annotations}
    return {**limits, "type": [limits["type"], "null"], **annotations}


def _joined(sentence: str, rest: Document) -> str:
    return " ".join(part for part in (rest.get("description", ""), sentence) if part)
