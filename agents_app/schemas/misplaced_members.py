"""Members of an agent that were sent in a place where they cannot be set, each with the right place."""

from collections.abc import Collection, Mapping
from typing import Any

from agents_app.connections import TYPES

NOT_SET_HERE = {
    "status": "The status cannot be set here. Enable or disable the agent instead.",
    "status_reason": "The reason cannot be set here. Disable the agent with a reason instead.",
}


def find(values: Mapping[str, Any], own: Collection[str]) -> dict[str, str]:
    """The misplaced members of these values, each with a sentence. `own` has the names that an agent itself has."""
    of_connection = {name for declaration in TYPES.values() for name in declaration.model_fields}.difference(own)
    found = {name: sentence for name, sentence in NOT_SET_HERE.items() if name in values}
    return found | {name: f"Set this at /connection_config/{name}." for name in values if name in of_connection}
