"""The inputs of which a value is chosen: check box, list, group of check boxes."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import wtforms

from agents_app.web.forms.inputs import Input, Spec


class Checkbox(Input, wtforms.BooleanField):
    """A check box."""

    kind = "check"

    @property
    def shown(self) -> str:
        """Yes or No."""
        return "Yes" if self.data else "No"


class Select(Input, wtforms.StringField):
    """One of several values, in a list."""

    kind = "choice"
    not_offered: frozenset[str] = frozenset()
    """The options that cannot be chosen here. A stored one stays chosen."""

    def withdraw(self, reasons: Mapping[str, str]) -> None:
        """Offer these options no longer, and say why in the hint. `reasons` are sentences by option."""
        withdrawn = [option for option in self.spec.labels if option in reasons]
        self.not_offered = frozenset(withdrawn) - {self.text}
        hint = " ".join([self.spec.hint, *(reasons[option] for option in withdrawn)])
        self.spec = replace(self.spec, hint=hint.strip())

    @property
    def shown(self) -> str:
        """The label of the value."""
        return self.spec.labels.get(self.text, self.text) if self.text else ""


class CheckboxGroup(Input):
    """Any number of several values, each with a check box. `labels` and `hints` are by value."""

    kind = "boxes"

    def __init__(self, spec: Spec, hints: Mapping[str, str] | None = None, **options: Any) -> None:
        super().__init__(spec, **options)
        self.labels = dict(spec.labels)
        self.hints = hints or {}

    def process_formdata(self, valuelist: list[str]) -> None:
        """Read the values of the checked boxes."""
        self.data = valuelist

    @property
    def focus_id(self) -> str:
        """The id of the first check box."""
        return f"{self.id}-0"
