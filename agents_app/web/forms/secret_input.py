"""The input of a secret: what becomes of the stored one, and what was typed and is not kept on a page."""

from collections.abc import Mapping
from typing import Any

import wtforms

from agents_app.values.fields import is_empty
from agents_app.web.forms.inputs import Input, Spec
from agents_app.wording import label_in_sentence


class Secret(Input, wtforms.StringField):
    """A secret: what is stored or was typed never comes back as the input's value.

    `facts` tells of the stored one, if any; then `act` says what shall become of it: keep, replace or remove.
    """

    kind = "secret"
    facts: Mapping[str, Any] | None = None
    act = "replace"
    is_long = False

    def __init__(self, spec: Spec, *, is_long: bool = False, **options: Any) -> None:
        super().__init__(spec, **options)
        self.is_long = is_long

    def store(self, facts: Mapping[str, Any] | None, act: str | None) -> None:
        """Tell of the stored value, and of what the person chose to do with it."""
        self.facts = facts
        if facts is not None:
            self.act = act if act in ("replace", "remove") else "keep"
        self.was_typed = not is_empty(self.data) and self.act == "replace"

    @property
    def new_label(self) -> str:
        """What the input is called beside the stored value."""
        return f"New {self._name}"

    @property
    def value(self) -> str | None:
        """The new secret, or None to remove the stored one."""
        return None if self.act == "remove" else self.data

    @property
    def is_given(self) -> bool:
        """A blank input keeps what is stored."""
        return self.act == "remove" or (self.act == "replace" and not is_empty(self.data))

    @property
    def is_unfinished(self) -> bool:
        """Whether the stored secret shall be replaced, and nothing was typed."""
        return self.facts is not None and self.act == "replace" and is_empty(self.data)

    @property
    def unfinished_sentence(self) -> str:
        """What to do about that."""
        return f"Type the {label_in_sentence(self.new_label)}, or keep the stored one."

    @property
    def is_lost(self) -> bool:
        """Whether a new secret was typed on an earlier page, which did not keep it, and was not typed again."""
        return self.facts is None and self.was_typed and is_empty(self.data)

    @property
    def lost_sentence(self) -> str:
        """What to do about that."""
        return f"Type the {self._name} again, or leave it empty and send the form once more to save without it."

    @property
    def text(self) -> str:
        """Never the secret."""
        return ""

    @property
    def anchor(self) -> str:
        """The input, or the first of the three choices while it is out of sight."""
        return str(self.id) if self.act == "replace" else f"{self.id}-{self.act}"

    def refuse(self, sentence: str) -> None:
        """Put a refusal here, and the input in sight."""
        super().refuse(sentence)
        self.act = "replace"
        # A loss is said once: what is left empty after that is meant to be empty.
        self.was_typed = self.was_typed and not self.is_lost

    @property
    def _name(self) -> str:
        """The label as it reads within a sentence."""
        return label_in_sentence(self.spec.label)
