"""The forms of bulk acts: one for each act, with the inputs of its schema."""

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any
from uuid import UUID

from agents_app.errors import InvalidInput
from agents_app.schemas.bulk_agents import REMOVABLE, SCHEMAS, BulkAct, read, secret_warnings
from agents_app.web.forms.base import ConsoleForm, FormData
from agents_app.web.forms.choice_inputs import Checkbox
from agents_app.web.forms.from_schema import input_spec, make_input
from agents_app.web.forms.inputs import SPAN_WHOLE, Spec, Text
from agents_app.web.forms.notes import note_input
from agents_app.wording import number_text


class BulkForm(ConsoleForm):
    """An act on the agents that its page names. `ids` are those that exist, and only they are sent."""

    act: BulkAct
    ids: Sequence[UUID] = ()
    save_label = "the button"
    """What a warning says to press."""

    def values(self) -> dict[str, Any]:
        """The values of the inputs, the act and the agents."""
        return {**super().values(), "act": self.act.value, "ids": list(self.ids)}

    def save(self, operation: Callable[[dict[str, Any]], Any]) -> bool:
        """Submit, unless a text contains what looks like a secret: the user is warned once."""
        for field in self.inputs():
            field.warning = ""
        for pointer, sentence in secret_warnings(self.values()):
            field = self[pointer.split("/")[1]]
            field.warning = field.warning or sentence
        return self.submit(self._refuse if self.has_new_warnings else operation)

    def _refuse(self, values: dict[str, Any]) -> None:
        read(values)
        raise InvalidInput([])


class BulkDeleteForm(BulkForm):
    """A deletion, which is confirmed by the number of agents."""

    number = Text(
        Spec("Number of agents", "Type the number of agents that are deleted.", span=SPAN_WHOLE, width=6), default=""
    )

    def values(self) -> dict[str, Any]:
        """The values for the operation, which does not take the number."""
        return {name: value for name, value in super().values().items() if name != "number"}

    def submit(self, operation: Callable[[dict[str, Any]], Any]) -> bool:
        """Submit, unless another number was typed."""
        if self.number.text.strip().replace(",", "") == str(len(self.ids)):
            return super().submit(operation)
        them = "this agent" if len(self.ids) == 1 else "these agents"
        self.add_error("/number", f"Type {number_text(len(self.ids))} to delete {them}.")
        return False


class BulkFieldForm(BulkForm):
    """A value of the agents, or its removal, which is chosen with a box: an empty input may have been forgotten."""

    removed: str
    """The name of the value."""

    def values(self) -> dict[str, Any]:
        """The values for the operation, which removes what is None."""
        values = super().values()
        return {**values, self.removed: None} if values.pop("remove") else values

    def submit(self, operation: Callable[[dict[str, Any]], Any]) -> bool:
        """Submit, unless nothing was chosen, or both."""
        field, box = self[self.removed], self["remove"]
        if bool(field.text.strip()) != bool(box.data):
            return super().submit(operation)
        fill = "Choose" if field.spec.labels else "Write"
        both = f"Leave {field.spec.label} empty, or do not tick “{box.spec.label}”."
        neither = f"{fill} the {self.removed}, or tick “{box.spec.label}”."
        self.add_error(f"/{self.removed}", both if box.data else neither)
        return False


def bulk_form(act: BulkAct, formdata: FormData | None, ids: Sequence[UUID]) -> BulkForm:
    """The form of an act."""
    form = _form_class(act)(formdata)
    form.ids = ids
    return form


@cache
def _form_class(act: BulkAct) -> type[BulkForm]:
    schema = SCHEMAS[act]
    names = [name for name in schema.model_fields if name not in ("act", "ids", "note")]
    inputs = {name: make_input(schema, name, span=SPAN_WHOLE) for name in names}
    if removed := REMOVABLE.get(act):
        labels = input_spec(schema, removed).labels
        labels = {**labels, "": "Choose one"} if labels else {}
        inputs[removed] = make_input(schema, removed, span=SPAN_WHOLE, is_optional=False, labels=labels)
        inputs["remove"] = Checkbox(Spec(f"Remove the {removed}", span=SPAN_WHOLE), default=False)
    # The note is the last input. The reason for disabling is the note too.
    if "note" in schema.model_fields and "reason" not in names:
        inputs["note"] = note_input(schema)
    base = BulkDeleteForm if act is BulkAct.DELETE else BulkFieldForm if removed else BulkForm
    return type(f"{base.__name__}{act}", (base,), {**inputs, "act": act, "removed": removed})
