"""Every schema of the OpenAPI document, and the schemas of connection types for GET /connection-types."""

from agents_app.api import answer_components, request_components
from agents_app.api.json_schemas import Document, without_notes
from agents_app.connections import Connection


def components() -> Document:
    """Every schema of the document, by its name."""
    return answer_components.components() | request_components.components()


def standalone(declaration: type[Connection]) -> Document:
    """The JSON Schema of a connection type's configuration, by itself."""
    schema: Document = without_notes(declaration.model_json_schema())
    return request_components.with_write_only_secrets(declaration, schema)
