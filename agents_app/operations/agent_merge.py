"""Helpers that compare three states of an agent: when a form was opened, as the form is now, and as stored now.

They read and write nothing in the database.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from agents_app.connections import TYPES
from agents_app.schemas.agents import API_KEY, CONFIG, FIELDS, AgentValues
from agents_app.values.choices import ConnectionType
from agents_app.values.fields import normalise

TYPE = "/connection_type"
CONNECTION = "/connection"
"""The pointer of the connection type with its whole configuration, which are one choice where the types differ."""
SET, REMOVED, TYPED = "set", None, "typed"
"""What is known of a secret: it is unchanged, it is missing, or a new one was typed."""

Facts = dict[str, Any]
"""What can be compared of an agent, by JSON pointer: values as they are stored, and what is known of each secret."""


@dataclass(frozen=True)
class Merge:
    """The pointers at which two changes of one state differ."""

    mine: list[str]
    """Changed by me only: my value is kept."""
    theirs: list[str]
    """Changed by others only: their value is kept."""
    both: list[str]
    """Changed by both to different values: the person must choose."""


def facts(values: Mapping[str, Any], secrets: Mapping[str, str | None]) -> Facts:
    """What can be compared of these values. `secrets` has what is known of each secret, by JSON pointer."""
    found: Facts = {f"/{name}": normalise(AgentValues, name, values.get(name)) for name in FIELDS}
    found[API_KEY] = secrets.get(API_KEY)
    if found[TYPE] not in list(ConnectionType):
        return found
    model, config = TYPES[ConnectionType(found[TYPE])], values.get(CONFIG) or {}
    names_of_secrets = model.secret_names()
    for name in model.model_fields:
        pointer = f"/{CONFIG}/{name}"
        found[pointer] = secrets.get(pointer) if name in names_of_secrets else normalise(model, name, config.get(name))
    return found


def merge(base: Facts | None, mine: Facts, theirs: Facts, asked: Collection[str] = ()) -> Merge:
    """Compare `mine` and `theirs`, which both were made from `base`.

    Without a base, the person must choose for every difference. What was `asked` before must still be chosen, even if
    `theirs` has become the base.
    """
    if CONNECTION in asked or any(side[TYPE] != mine[TYPE] for side in (base, theirs) if side is not None):
        base, mine, theirs = (
            base and _merged_connection(base),
            _merged_connection(mine),
            _merged_connection(theirs),
        )
        asked = {CONNECTION if _is_of_connection(pointer) else pointer for pointer in asked}
    found = Merge([], [], [])
    for pointer, value in mine.items():
        if value == theirs[pointer]:
            continue
        if base is None or pointer in asked or base[pointer] not in (value, theirs[pointer]):
            found.both.append(pointer)
        elif base[pointer] == theirs[pointer]:
            found.mine.append(pointer)
        else:
            found.theirs.append(pointer)
    return found


def changed(before: Facts, after: Facts) -> list[str]:
    """The pointers at which the two states differ."""
    return merge(before, after, before).mine


def is_same(pointer: str, before: Facts, after: Facts) -> bool:
    """Whether two states agree at a pointer, which may be CONNECTION."""
    return bool(value_at(pointer, before) == value_at(pointer, after))


def value_at(pointer: str, side: Facts) -> Any:
    """The value of a state at a pointer, which may be CONNECTION."""
    return (side | _merged_connection(side)).get(pointer)


def covers(pointer: str, other: str) -> bool:
    """Whether the value at a pointer, which may be CONNECTION, includes the value at another."""
    return pointer == other or (pointer == CONNECTION and _is_of_connection(other))


def _merged_connection(side: Facts) -> Facts:
    rest = {pointer: value for pointer, value in side.items() if not _is_of_connection(pointer)}
    return rest | {CONNECTION: {pointer: value for pointer, value in side.items() if _is_of_connection(pointer)}}


def _is_of_connection(pointer: str) -> bool:
    return pointer == TYPE or pointer.startswith(f"/{CONFIG}/")
