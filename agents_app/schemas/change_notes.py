"""What a valid note is: why its maker made a change of an agent. Every operation that changes one takes it here.

The reason for disabling an agent is a note that runtimes get too.
"""

from collections.abc import Callable, Mapping
from typing import Annotated, Any, TypeVar

from agents_app.errors import InvalidInput
from agents_app.schemas.agents import NOTE
from agents_app.values import limits
from agents_app.values.fields import Rule, Schema, field, parse, refusal
from agents_app.values.pem import without_private_keys
from agents_app.values.text import clean_text

__all__ = ["NOTE", "DisableValues", "NoteValues", "check_note", "check_reason", "draft_and_note", "note_text"]

T = TypeVar("T")

PRIVATE_KEY = "This cannot have a private key, as nobody can change it later. Write why you make this change."


def note_text(most: int = limits.CHANGE_NOTE) -> Rule:
    """A text on one line without a private key: a version keeps its note, so one must not get in."""

    def check(value: object) -> str:
        if isinstance(value, str) and without_private_keys(value) != value:
            raise refusal(PRIVATE_KEY)
        return clean_text(value, most=most, one_line=True)

    return Rule(check, {"maxLength": most})


class NoteValues(Schema):
    """The note of a change."""

    note: Annotated[str | None, note_text()] = field(
        "Note", "Why you make this change. The history shows it.", default=None
    )


class DisableValues(NoteValues):
    """The input to disable an agent. Without a note, the reason is the note of the change."""

    reason: Annotated[str, note_text(limits.STATUS_REASON)] = field(
        "Reason",
        "Shown to runtimes that fetch the agent, and in its history.",
        missing="Say why the agent is disabled.",
        json_hint="Shown to runtimes that fetch the agent. Without a note, the history shows it as the note.",
    )


def check_reason(values: Mapping[str, Any]) -> tuple[str, str | None]:
    """The reason for disabling an agent, and the note. Raises InvalidInput."""
    found = parse(DisableValues, values)
    return found.reason, found.note


def check_note(values: Mapping[str, Any]) -> str | None:
    """The note in these values, None without one. Raises InvalidInput, also for every other member."""
    return parse(NoteValues, values).note


def draft_and_note(make_draft: Callable[[Mapping[str, Any]], T], values: Mapping[str, Any]) -> tuple[T, str | None]:
    """What `make_draft` makes of the values without the note, and the note. Raises InvalidInput with every problem."""
    problems: list[tuple[str, str]] = []
    note = None
    try:
        note = check_note({NOTE: values[NOTE]} if NOTE in values else {})
    except InvalidInput as refusal:
        problems = list(refusal.fields)
    try:
        draft = make_draft({name: value for name, value in values.items() if name != NOTE})
    except InvalidInput as refusal:
        raise InvalidInput([*refusal.fields, *problems]) from None
    if problems:
        raise InvalidInput(problems)
    return draft, note
