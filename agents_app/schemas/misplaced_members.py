"""Members of an agent that were sent in a place where they cannot be set: those that belong in another place, and those
that are not known at all.

A refusal repeats the name of a member, but not in a group that has secrets: there, a name that no connection has may be
a secret in the wrong place.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from agents_app.connections import TYPES
from agents_app.values.fields import NOT_KNOWN
from agents_app.wording import number_text

SET_BY_CONSOLE = "The console sets this. Leave it out."
NOT_SET_HERE = {
    "id": "The id cannot be set. Leave it out.",
    "version": "The version cannot be set. Leave it out.",
    "status": "The status cannot be set here. Enable or disable the agent instead.",
    "status_reason": "The reason cannot be set here. Disable the agent with a reason instead.",
    "created_at": SET_BY_CONSOLE,
    "updated_at": SET_BY_CONSOLE,
    "created_by": SET_BY_CONSOLE,
    "updated_by": SET_BY_CONSOLE,
    "updated_by_token_owner": SET_BY_CONSOLE,
    "last_test": "The result of a test cannot be set. Leave it out, and test the agent instead.",
    "secrets_set": "This says which secrets are stored. Leave it out, and send a secret as its own member.",
    "warnings": "Warnings cannot be set. Leave them out.",
    "connection": "This is a part of connection_config. Leave it out, and set the members of connection_config.",
    "last_fetched_at": SET_BY_CONSOLE,
}
"""The members of an agent that only the console sets, each with its refusal."""


def find(values: Mapping[str, Any], own: Collection[str]) -> dict[str, str]:
    """The misplaced members of these values, each with a sentence. `own` has the names that an agent itself has."""
    of_connection = {name for declaration in TYPES.values() for name in declaration.model_fields}.difference(own)
    found = {name: sentence for name, sentence in NOT_SET_HERE.items() if name in values}
    return found | {name: f"Set this at /connection_config/{name}." for name in values if name in of_connection}


def is_nameable(name: str) -> bool:
    """Whether a refusal may repeat this name of a member of a group with secrets: some connection has it."""
    return any(name in declaration.model_fields for declaration in TYPES.values())


def without_names(problems: Iterable[tuple[str, str]], group: str, known: Collection[str]) -> Iterator[tuple[str, str]]:
    """These problems of a group with secrets, with one for all members whose names may be secrets, at the group.

    `group` is its JSON pointer, and `known` has the names of its members.
    """
    hidden = 0
    for pointer, sentence in problems:
        if sentence == NOT_KNOWN and not is_nameable(pointer.removeprefix(f"{group}/")):
            hidden += 1
        else:
            yield pointer, sentence
    if hidden:
        yield group, not_known(hidden, known)


def not_known(number: int, known: Collection[str]) -> str:
    """The sentence about members that are not known, which does not repeat their names."""
    what = "1 member here is not known" if number == 1 else f"{number_text(number)} members here are not known"
    return f"{what}. The members are: {', '.join(known)}."
