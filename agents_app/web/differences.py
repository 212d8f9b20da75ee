"""What pages show of two states of an agent that differ: labels, values as people read them, changed words."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from flask import g

from agents_app.operations.agent_merge import CONNECTION
from agents_app.schemas.agents import STATUS_REASON
from agents_app.schemas.field_titles import field_title
from agents_app.values.text import normalise_text
from agents_app.values.text_comparison import Budget, Part, compare, fold
from agents_app.web.forms.agents import AgentForm
from agents_app.web.forms.edit_agent import inputs_by_pointer
from agents_app.web.forms.secret_input import Secret

NEW_SECRET = "You typed a new value. This page does not keep secrets. To save it, type it below."
SECRET_CHANGES = {"set": "Set", "replaced": "Replaced", "removed": "Removed"}
# What a version records and no form has.
LABELS = {"/status": "Status", f"/{STATUS_REASON}": "Reason for disabling"}


@dataclass(frozen=True)
class ChangedField:
    """A field whose value a version changed. `before` is None where there is no version before."""

    label: str
    before: str | None
    after: str
    is_long: bool

    @property
    def parts(self) -> list[Part]:
        """What the two values have in common, and what was removed and added."""
        return changed_words(self.before or "", self.after)


def changed_fields(
    before: Mapping[str, Any] | None, after: Mapping[str, Any], pointers: Iterable[str]
) -> list[ChangedField]:
    """What differs at these pointers between two states of an agent, as people read it."""
    old, new = before and AgentValuesShown(before), AgentValuesShown(after)
    fields = []
    for pointer in pointers:
        label = new.label(pointer) or (old.label(pointer) if old else "")
        texts = old.text(pointer) if old else None, new.text(pointer)
        if label and texts[0] != texts[1] and any(texts):
            fields.append(ChangedField(label, *texts, new.is_long(pointer)))
    return fields


def changed_secrets(secrets: Mapping[str, str], *connection_types: Any) -> list[tuple[str, str]]:
    """The label of each changed secret of agents with one of these types, and what was done with it."""
    titles = {pointer: [field_title(pointer, kind) for kind in connection_types] for pointer in secrets}
    labels = {pointer: next(filter(None, found), "Secret") for pointer, found in titles.items()}
    return [(labels[pointer], SECRET_CHANGES.get(what, "Changed")) for pointer, what in secrets.items()]


class AgentValuesShown:
    """The values of an agent in one state, by JSON pointer, as people read them."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        self._values, self._form = values, AgentForm(agent={**values, "secrets_set": {}})

    def text(self, pointer: str) -> str:
        """The value at a pointer, which may be CONNECTION. Empty if it has no value."""
        if pointer in LABELS:
            text = str(self._values.get(pointer[1:]) or "")
            return text.capitalize() if pointer == "/status" else text
        return text_of(self._form, pointer)

    def label(self, pointer: str) -> str:
        """The label of the field at a pointer. Empty if this state has no such field."""
        field = inputs_by_pointer(self._form).get(pointer)
        return LABELS.get(pointer, "Connection" if pointer == CONNECTION else field.spec.label if field else "")

    def is_long(self, pointer: str) -> bool:
        """Whether the value at a pointer has several lines."""
        field = inputs_by_pointer(self._form).get(pointer)
        return pointer == CONNECTION or (field is not None and field.kind == "area")


def changed_words(before: str, after: str) -> list[Part]:
    """The comparison of two texts as a page shows it. Browsers send other line ends than those that are stored."""
    if "comparison_budget" not in g:
        g.comparison_budget = Budget()
    return fold(compare(normalise_text(before), normalise_text(after), g.comparison_budget))


def text_of(form: AgentForm, pointer: str) -> str:
    """The value at a pointer, which may be CONNECTION, in a form. A line for each field of a connection."""
    if pointer != CONNECTION:
        field = inputs_by_pointer(form).get(pointer)
        return field.shown if field else ""
    lines = []
    for field in form.chosen.inputs() if form.chosen else ():
        text = _state(field) if isinstance(field, Secret) else field.shown
        separator = "\n" if "\n" in text else " "
        lines += [f"{field.spec.label}:{separator}{text}"] if text else []
    return "\n".join([form.connection_type.shown, *lines])


def _state(secret: Secret) -> str:
    if secret.action == "keep":
        return "stored"
    return secret_in_form(secret) if secret.is_given else ""


def secret_in_form(secret: Secret) -> str:
    """What a form does with a secret, which is never shown."""
    return "Removed" if secret.action == "remove" else NEW_SECRET
