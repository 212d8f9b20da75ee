"""The inputs that forms are made of. What is valid is said by the schemas; from_schema.py makes inputs from them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import wtforms

from agents_app.schemas.address_rules import Reader
from agents_app.schemas.fields import is_empty
from agents_app.schemas.pem import without_private_keys

SPAN, SPAN_NARROW, SPAN_WHOLE = 3, 2, 6


@dataclass(frozen=True)
class Spec:
    """What a form knows of one input; `span` is the number of a row's six columns."""

    label: str
    hint: str = ""
    is_optional: bool = False
    most: int | None = None
    span: int = SPAN
    width: int | None = None
    group: str | None = None
    is_mono: bool = False
    unit: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)


class Input(wtforms.Field):
    """Any input; `kind` names the macro that draws it."""

    kind: ClassVar[str] = "text"
    is_counted = False
    was_typed = False
    """Whether a secret was typed, which the page does not show again."""

    def __init__(self, spec: Spec, **options: Any) -> None:
        super().__init__(spec.label, **options)
        self.spec = spec

    @property
    def value(self) -> Any:
        """What the operation is handed."""
        return self.data

    @property
    def text(self) -> str:
        """What stands in the input."""
        return "" if self.data is None else str(self.data)

    @property
    def shown(self) -> str:
        """What a reader is shown of the value."""
        return f"{self.text} {self.spec.unit}".rstrip() if self.text else ""

    @property
    def is_given(self) -> bool:
        """Whether the operation is handed anything at all."""
        return True

    @property
    def anchor(self) -> str:
        """The id of what takes the focus when a problem's line is followed."""
        return str(self.id)

    @property
    def hint_id(self) -> str | None:
        """The id of the line under the input, if there is one."""
        return f"{self.id}-hint" if self.spec.hint or self.is_counted or self.was_typed else None

    @property
    def described_by(self) -> str:
        """The ids of what a screen reader reads with the input."""
        ids = [f"{self.id}-error" if self.errors else None, self.hint_id]
        return " ".join(name for name in ids if name)

    def problem(self, sentence: str) -> str:
        """A refusal as it reads away from the input: it names the input, with the label before it where it does not."""
        label = self.spec.label
        return sentence if label.casefold() in sentence.casefold() else f"{label}: {sentence}"

    def refuse(self, sentence: str) -> None:
        """Put a refusal at this input."""
        self.errors = [*self.errors, sentence]


class Text(Input, wtforms.StringField):
    """A line of text, or digits: whether they are a number is for the schema to say."""


class Address(Text):
    """A text in whose place a whole address may be pasted, with a password."""

    def __init__(self, spec: Spec, reader: Reader, **options: Any) -> None:
        super().__init__(spec, **options)
        self.reader = reader

    @property
    def text(self) -> str:
        """What is stored, or what was typed without what may be a password: that was refused."""
        text = super().text
        return text if self.data == self.object_data else self.reader.shown(text)


class LongText(Input, wtforms.TextAreaField):
    """A text of many lines."""

    kind = "area"


class Pem(LongText):
    """A certificate in PEM."""

    @property
    def text(self) -> str:
        """What was typed, without a private key: it was refused, and no page shows it again."""
        return str(without_private_keys(super().text))


class Area(LongText):
    """Prose, whose length is counted."""

    is_counted = True


class Lines(LongText):
    """A list of texts, one a line."""

    @property
    def value(self) -> list[str]:
        """The lines that are not blank."""
        return [line for line in self.text.splitlines() if line.strip()]

    @property
    def text(self) -> str:
        """One entry a line; as it was typed when it was typed."""
        return "\n".join(map(str, self.data)) if isinstance(self.data, list) else str(self.data or "")


class Check(Input, wtforms.BooleanField):
    """A box to tick."""

    kind = "check"

    @property
    def shown(self) -> str:
        """In words."""
        return "Yes" if self.data else "No"


class Choice(Input, wtforms.StringField):
    """One of a few values, from a list."""

    kind = "choice"

    @property
    def shown(self) -> str:
        """The choice as people call it."""
        return self.spec.labels.get(self.text, self.text)


class Boxes(Input):
    """Any number of a few values, each with its box; `labels` and `hints` are by value."""

    kind = "boxes"

    def __init__(self, spec: Spec, hints: Mapping[str, str] | None = None, **options: Any) -> None:
        super().__init__(spec, **options)
        self.labels = dict(spec.labels)
        self.hints = hints or {}

    def process_formdata(self, valuelist: list[str]) -> None:
        """Read every box that is ticked."""
        self.data = valuelist

    @property
    def anchor(self) -> str:
        """The first box."""
        return f"{self.id}-0"


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
        self.was_typed = bool(self.data) and self.act == "replace"

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
        return f"Type the {self.new_label[:1].lower()}{self.new_label[1:]}, or keep the stored one."

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
        label = self.spec.label
        return label if label[1:2].isupper() else label[:1].lower() + label[1:]
