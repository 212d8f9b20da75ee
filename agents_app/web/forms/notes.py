"""The note of a change: the input for it, and the forms that have no other input."""

from collections.abc import Callable, Iterable
from typing import Any

from agents_app.errors import InvalidInput
from agents_app.schemas.change_notes import NoteValues, check_note, repeats_secret
from agents_app.values.fields import Schema, is_empty
from agents_app.values.pem import without_private_keys
from agents_app.values.secret_scanner import find_in_text
from agents_app.values.text import to_nfc
from agents_app.web.forms.base import ConsoleForm
from agents_app.web.forms.from_schema import input_spec
from agents_app.web.forms.inputs import SPAN_WHOLE, CountedText, Input
from agents_app.web.forms.secret_input import Secret


class NoteText(CountedText):
    """A note. A page shows no secret in it again."""

    repeats_secret = False
    """Whether it repeats a secret that was typed in the same form. Then it is refused."""

    @property
    def text(self) -> str:
        """The typed text without private keys, and nothing of a text that repeats a secret."""
        return "" if self.repeats_secret else str(without_private_keys(super().text))

    @property
    def is_given(self) -> bool:
        """Whether anything was typed."""
        return not is_empty(self.data)

    def compare(self, inputs: Iterable[Input]) -> None:
        """Compare the note with the secrets that were typed in these inputs."""
        secrets = [field for field in inputs if isinstance(field, Secret) and field.is_given and not field.is_unused]
        self.repeats_secret = repeats_secret(to_nfc(self.data or ""), [field.value for field in secrets])


def note_input(schema: type[Schema] = NoteValues) -> Any:
    """The input for the note, in a group of its own: it is no value of the agent."""
    return NoteText(input_spec(schema, "note", label="Why", group="note", span=SPAN_WHOLE))


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
