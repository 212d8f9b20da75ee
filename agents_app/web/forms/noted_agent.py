"""The forms of an agent with a note that says why it is created or changed. `edit_agent.py` extends it."""

from collections.abc import Callable, Mapping
from typing import Any

from agents_app.schemas.change_notes import NOTE
from agents_app.values.secret_scanner import find_in_text
from agents_app.web.forms.agents import AgentForm
from agents_app.web.forms.base import FormData
from agents_app.web.forms.notes import note_input


class NotedForm(AgentForm):
    """The form of an agent, with an input for the note. The form of a new agent is this one."""

    note = note_input()

    def __init__(self, formdata: FormData | None = None, agent: Mapping[str, Any] | None = None) -> None:
        super().__init__(formdata, agent)
        self.note.compare(self.inputs())

    def values(self) -> dict[str, Any]:
        """The values of the agent, without the note, which a test of these values does not get."""
        return {name: value for name, value in super().values().items() if name != NOTE}

    def save(self, operation: Callable[[dict[str, Any]], Any]) -> bool:
        """Submit with the note."""
        return super().save(lambda values: operation(values | self.note_values()))

    def note_values(self) -> dict[str, Any]:
        """The note as a value for an operation. Empty without a note."""
        return {NOTE: self.note.value} if self.note.is_given else {}

    def _warns_of_secrets(self) -> bool:
        self.note.warning = find_in_text(self.note.text) or ""
        return super()._warns_of_secrets() or self.note.repeats_secret

    def _refuse_incomplete(self, values: dict[str, Any]) -> None:
        super()._refuse_incomplete(values | self.note_values())
