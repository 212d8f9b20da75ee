"""The form that restores a version of an agent. It asks for the secrets whose destination is another one there."""

from collections.abc import Iterator, Mapping
from itertools import chain
from typing import Any

from agents_app.errors import InvalidInput
from agents_app.operations.agent_history import Version
from agents_app.schemas import agents as schema
from agents_app.schemas.agents import CONFIG
from agents_app.schemas.change_notes import NOTE, SECRET, check_note
from agents_app.values.secret_scanner import find_in_text
from agents_app.web.forms.agents import AgentForm
from agents_app.web.forms.base import FormData
from agents_app.web.forms.edit_agent import inputs_by_pointer
from agents_app.web.forms.inputs import Input
from agents_app.web.forms.notes import note_input
from agents_app.web.forms.secret_input import Secret


class RestoreForm(AgentForm):
    """The inputs for secrets and for the note.

    Of the secrets, `moved` must be typed again or removed, `missing` can be typed, and `kept` has the labels of those
    that stay. `removed` are the pointers of the stored secrets that the connection type of the version has not.
    """

    save_label = "Restore version"
    busy_label = "Restoring…"
    note = note_input()

    def __init__(self, formdata: FormData | None, agent: Mapping[str, Any], past: Version) -> None:
        then = past.content or {}
        super().__init__(formdata, {**then, "secrets_set": agent["secrets_set"]})
        if formdata is None:
            self.version = agent["version"]
        found = inputs_by_pointer(self).items()
        secrets = {pointer: field for pointer, field in found if isinstance(field, Secret)}
        stored, now = [pointer for pointer in agent["secrets_set"] if pointer in secrets], (agent, agent[CONFIG])
        is_moved = {p: schema.destination(p, *now) != schema.destination(p, then, then[CONFIG]) for p in stored}
        self.moved = [secrets[pointer] for pointer in stored if is_moved[pointer]]
        self.missing = [field for p, field in secrets.items() if p in past.secrets and p not in stored]
        self.removed = [pointer for pointer in agent["secrets_set"] if pointer not in secrets]
        self.kept = [secrets[pointer].spec.label for pointer in stored if not is_moved[pointer]]
        self._secrets_by_pointer = secrets
        for field in (*self.moved, *self.missing):
            field.was_typed = field.was_typed or bool(field.data)
        for field in self.moved:
            field.is_moved = True
            if field.facts is None:
                field.facts = agent["secrets_set"][next(p for p in stored if secrets[p] is field)]
            field.action = field.action if field.action == "remove" else "replace"
        self.note.compare(self.inputs())

    def inputs(self) -> Iterator[Input]:
        """The secrets that are asked for, those that the operation refused, and the note."""
        refused = [field for field in self._secrets_by_pointer.values() if field.errors]
        yield from dict.fromkeys(chain(self.moved, self.missing, refused))
        yield self.note

    def values(self) -> dict[str, Any]:
        """The given secrets, and the note."""
        asked = set(self.inputs())
        given = {p: f.value for p, f in self._secrets_by_pointer.items() if f in asked and f.is_given}
        config = {p.removeprefix(f"/{CONFIG}/"): value for p, value in given.items() if p.startswith(f"/{CONFIG}/")}
        fixed = {p.removeprefix("/"): value for p, value in given.items() if not p.startswith(f"/{CONFIG}/")}
        note = {NOTE: self.note.value} if self.note.is_given else {}
        return fixed | ({CONFIG: config} if config else {}) | note

    def _warns_of_secrets(self) -> bool:
        self.note.warning = find_in_text(self.note.text) or ""
        return self.has_new_warnings or self.note.repeats_secret

    def _refuse_incomplete(self, values: dict[str, Any]) -> None:
        problems = list(self._cleared_sentences().items())
        try:
            check_note({NOTE: values[NOTE]} if NOTE in values else {})
        except InvalidInput as refusal:
            problems += refusal.fields
        problems += [(f"/{NOTE}", SECRET)] if self.note.repeats_secret else []
        raise InvalidInput(problems)
