"""Every schema of the OpenAPI document, and the schemas of connection types for GET /connection-types."""

from agents_app.api import answer_components, request_components
from agents_app.api.json_schemas import Document, omit, with_members, without_notes
from agents_app.connections import Connection
from agents_app.operations.read_only_members import SENTENCES

# The bodies that can be the whole agent as it was read, with changes.
DOCUMENTS = ("AgentUpdate", "UnsavedAgentUpdate")
MERGE_PATCH = "A change of an agent as a JSON Merge Patch (RFC 7396)."
AS_READ = "It can be the agent as it was read: what only the console sets must be as it was read, or be left out."


def components() -> Document:
    """Every schema of the document, by its name."""
    answers, bodies = answer_components.components(), request_components.components()
    bodies |= {name: _with_read_only_members(bodies[name], answers) for name in DOCUMENTS}
    return answers | bodies | {"AgentMergePatch": _merge_patch(bodies["AgentUpdate"])}


def _merge_patch(update: Document) -> Document:
    """The schema of a change in which labels are merged one by one. Clients have one type for each media type."""
    labels = update["properties"]["labels"]
    value = {**labels["additionalProperties"], "type": ["string", "null"]}
    described = "The labels that change, by name. Null removes a label, and the others stay."
    merged = {**omit(labels, "maxProperties"), "additionalProperties": value, "description": described}
    return {**with_members(update, {"labels": merged}), "description": f"{MERGE_PATCH} {AS_READ}"}


def _with_read_only_members(body: Document, answers: Document) -> Document:
    """The body of a change, which can be the whole agent as an answer had it."""
    # Those of a list are true for all responses: its tests have no parts.
    members = answers[f"SavedAgent{answer_components.UNKNOWN}"]["properties"] | answers["AgentInList"]["properties"]
    members |= {name: {**members[name], "type": [members[name]["type"], "null"]} for name in ("warnings", "connection")}
    described = f"{body['description']} {AS_READ}"
    return {**with_members(body, {name: members[name] for name in SENTENCES}), "description": described}


def standalone(declaration: type[Connection]) -> Document:
    """The JSON Schema of a connection type's configuration, by itself."""
    schema: Document = without_notes(declaration.model_json_schema())
    return request_components.with_write_only_secrets(declaration, schema)
