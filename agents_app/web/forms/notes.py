"""The note of a change: the input for it, and the forms that have no other input."""

from collections.abc import Callable
from typing import Any

from agents_app.errors import InvalidInput
from agents_app.schemas.change_notes import NoteValues, check_note
from agents_app.values.fields import Schema
from agents_app.values.secret_scanner import find_in_text
from agents_app.web.forms.base import ConsoleForm
from agents_app.web.forms.from_schema import input_spec
from agents_app.web.forms.inputs import SPAN_WHOLE, CountedText


def note_input(schema: type[Schema] = NoteValues) -> Any:
    """The input for the note, in a group of its own: it is no value of the agent."""
    return CountedText(input_spec(schema, "note", label="Why", group="note", span=SPAN_WHOLE))


class NoteForm(ConsoleForm):
    """A form whose only input is the note."""

    save_label = "the button"
    """What a warning says to press."""

    note = note_input()

    def save(self, operation: Callable[[dict[str, Any]], Any]) -> bool:
        """Submit, unless the note contains what looks like a secret: the user is warned once."""
        self.note.warning = find_in_text(self.note.text) or ""
        return self.submit(_refuse if self.has_new_warnings else operation)


class DeleteForm(NoteForm):
    """The form that deletes an agent."""

    save_label = "Delete agent"


def _refuse(values: dict[str, Any]) -> None:
    check_note(values)
    raise InvalidInput(())
