"""The inputs that forms are made of. What is valid is said by the schemas; from_schema.py makes inputs from them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import wtforms

from agents_app.values.address_rules import AddressReader
from agents_app.values.pem import without_private_keys

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

    def __init__(self, spec: Spec, reader: AddressReader, **options: Any) -> None:
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
