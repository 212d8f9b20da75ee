"""The input of a secret. It keeps, replaces or removes the stored secret, and never shows one."""

from collections.abc import Mapping
from typing import Any

import wtforms

from agents_app.values.fields import is_empty
from agents_app.web.forms.inputs import Input, Spec
from agents_app.wording import label_in_sentence


class Secret(Input, wtforms.StringField):
    """A secret. Its value is never rendered, neither the stored one nor what was typed.

    `facts` describes the stored secret, if there is one. `action` says what to do with it: keep, replace or remove.
    """

    kind = "secret"
    facts: Mapping[str, Any] | None = None
    action = "replace"
    is_long = False
    is_moved = False
    """Whether the stored secret cannot be kept, because it would be used for another destination."""

    def __init__(self, spec: Spec, *, is_long: bool = False, **options: Any) -> None:
        super().__init__(spec, **options)
        self.is_long = is_long

    def set_stored(self, facts: Mapping[str, Any] | None, action: str | None) -> None:
        """Set the facts of the stored secret, and what the user chose to do with it."""
        self.facts = facts
        if facts is not None:
            self.action = action if action in ("replace", "remove") else "keep"
        self.was_typed = not is_empty(self.data) and self.action == "replace"

    @property
    def new_label(self) -> str:
        """The label of the input next to the stored secret."""
        return f"New {label_in_sentence(self.spec.label)}"

    @property
    def value(self) -> str | None:
        """The new secret; None removes the stored one."""
        return None if self.action == "remove" else self.data

    @property
    def is_set(self) -> bool:
        """Whether a secret is stored."""
        return self.facts is not None

    @property
    def is_stored(self) -> bool:
        """Whether a secret is stored. What was typed is no stored value."""
        return self.facts is not None

    @property
    def is_given(self) -> bool:
        """Whether the operation gets a value. An empty input keeps the stored secret."""
        return self.action == "remove" or (self.action == "replace" and not is_empty(self.data))

    @property
    def is_unfinished(self) -> bool:
        """Whether Replace is chosen and nothing was typed."""
        return self.facts is not None and self.action == "replace" and is_empty(self.data)

    @property
    def unfinished_sentence(self) -> str:
        """The error for an unfinished secret."""
        return f"Type the {label_in_sentence(self.new_label)}, or keep the stored one."

    @property
    def is_cleared(self) -> bool:
        """Whether a new secret was typed on a previous page, which did not keep it, and was not typed again."""
        return self.facts is None and self.was_typed and is_empty(self.data)

    @property
    def cleared_sentence(self) -> str:
        """The error for a cleared secret."""
        label = label_in_sentence(self.spec.label)
        return f"Type the {label} again, or leave it empty and send the form again to save without it."

    @property
    def text(self) -> str:
        """Always empty, so that no page contains the secret."""
        return ""

    @property
    def focus_id(self) -> str:
        """The id of the input, or of the chosen radio button while the input is hidden."""
        return str(self.id) if self.action == "replace" else f"{self.id}-{self.action}"

    def add_error(self, sentence: str) -> None:
        """Add an error, and show the input."""
        super().add_error(sentence)
        self.action = "replace"
        # This is said once: what is left empty after that is meant to be empty.
        self.was_typed = self.was_typed and not self.is_cleared
