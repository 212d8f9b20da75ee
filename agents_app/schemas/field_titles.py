"""What people call the fields of an agent, by JSON pointer."""

from typing import Any

from agents_app.connections import TYPES
from agents_app.schemas.agents import CONFIG, AgentValues
from agents_app.values.choices import ConnectionType
from agents_app.values.fields import Schema


def field_title(pointer: str, connection_type: Any) -> str:
    """The label of the field at this pointer of an agent with this connection type. Empty if it is not known."""
    model: type[Schema] | None = AgentValues
    _, _, name = pointer.partition("/")
    if name.startswith(f"{CONFIG}/"):
        model = TYPES.get(connection_type) if connection_type in list(ConnectionType) else None
        name = name.removeprefix(f"{CONFIG}/")
    info = model.model_fields.get(name) if model else None
    return (info.title or "") if info else ""
