"""The facts that probes report, how pages and the terminal call them, and which values can be stored and shown."""

import math
from collections.abc import Mapping
from typing import Any

LABELS = {
    "server": "Server",
    "read_only": "The user can only read",
    "not_examined": "Not examined",
    "readable_tables": "Tables that the user can read",
    "open_databases": "Other databases that every user can change",
    "workspace_name": "Workspace",
    "dataset_name": "Dataset",
    "row_level_security": "Row-level security",
}
"""The label of each fact that is shown, by its name."""

NOT_SHOWN = {"workspace_id", "dataset_id"}
"""Facts that say which id a name belongs to. The configuration shows the ids."""

TEXTS_OF_SERVERS = {"similar"}
"""Facts with free text that the server which got a secret in clear wrote itself, so that the secret can be in it.

A fact is not one of them if other users of a server can choose its text, such as the name of a table or of a dataset.
Texts of errors are not facts: probes report only their numbers and ids.
"""

NUMBER_MAX = 2**53 - 1
"""The largest number that every reader of JSON reads exactly."""
TEXT_MAX, ITEMS_MAX, DEPTH_MAX = 100_000, 2_000, 4


def can_be_stored(value: object, depth: int = 0) -> bool:
    """Whether a value of JSON can be stored in every database, and shown by the API, on pages and at the terminal.

    The text of a server can be anything: PostgreSQL stores no NUL, and half of a surrogate pair is no UTF-8.
    """
    match value:
        case None | bool():
            return True
        case int() | float():
            return math.isfinite(value) and abs(value) <= NUMBER_MAX
        case str():
            return (
                len(value) <= TEXT_MAX and "\0" not in value and not any("\ud800" <= char <= "\udfff" for char in value)
            )
        case list() | dict():
            items = value if isinstance(value, list) else [*value, *value.values()]
            is_small = depth < DEPTH_MAX and len(items) <= ITEMS_MAX
            return is_small and all(can_be_stored(item, depth + 1) for item in items)
    return False


def usable(facts: Mapping[str, Any]) -> dict[str, Any]:
    """The facts of a stored result that can be shown. An older release stored every value."""
    return {name: value for name, value in facts.items() if can_be_stored(value)}
