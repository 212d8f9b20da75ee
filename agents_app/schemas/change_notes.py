"""What a valid note is: why its maker made a change of an agent. Every operation that changes one takes it here.

The reason for disabling an agent is a note that runtimes get too.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Annotated, Any

from agents_app.connections import TYPES
from agents_app.errors import InvalidInput
from agents_app.schemas.agents import CONFIG, NOTE, Draft
from agents_app.values import limits
from agents_app.values.fields import Rule, Schema, field, parse, refusal
from agents_app.values.pem import without_private_keys
from agents_app.values.text import clean_text, to_nfc

__all__ = [
    "NOTE",
    "DisableValues",
    "NoteValues",
    "check_note",
    "check_reason",
    "draft_and_note",
    "note_text",
    "repeats_secret",
]

SECRET = "This repeats a secret of the agent, and nobody can change it later. Write why you make this change."
# A shorter text is in many words, and a note that has it does not tell that it is a secret.
SECRET_MIN = 6
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


def draft_and_note(
    make_draft: Callable[[Mapping[str, Any]], Draft], values: Mapping[str, Any]
) -> tuple[Draft, str | None]:
    """What `make_draft` makes of the values without the note, and the note. Raises InvalidInput with every problem.

    The note must not repeat a secret among the values. It is not compared with stored secrets: that would tell whether
    a guess is right.
    """
    problems: list[tuple[str, str]] = []
    note, draft = None, None
    try:
        note = check_note({NOTE: values[NOTE]} if NOTE in values else {})
    except InvalidInput as refusal:
        problems += refusal.fields
    try:
        draft = make_draft({name: value for name, value in values.items() if name != NOTE})
    except InvalidInput as refusal:
        problems = [*refusal.fields, *problems]
    secrets = [*_sent_secrets(values), *(draft.secrets.values() if draft else ())]
    if note and repeats_secret(note, secrets):
        problems.append((f"/{NOTE}", SECRET))
    if problems or draft is None:
        raise InvalidInput(problems)
    return draft, note


def repeats_secret(text: str, secrets: Iterable[object]) -> bool:
    """Whether a text contains one of these secrets, or a line of one that has several, such as a private key."""
    return any(line in text for secret in secrets if isinstance(secret, str) for line in _lines(secret))


def _lines(secret: str) -> list[str]:
    lines = [line.strip() for line in to_nfc(secret).splitlines()]
    return [line for line in lines if len(line) >= SECRET_MIN and not line.startswith("-----")]


def _sent_secrets(values: Mapping[str, Any]) -> list[object]:
    """The values at the places of secrets, of every connection type: the type may be invalid."""
    config = values.get(CONFIG)
    names = {name for declaration in TYPES.values() for name in declaration.secret_names()}
    members = config if isinstance(config, Mapping) else {}
    return [values.get("api_key"), *(members.get(name) for name in names)]
