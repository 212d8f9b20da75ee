"""The inputs for text. They do not validate: the schemas do. `from_schema.py` creates inputs from schemas."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from hashlib import sha256
from typing import Any, ClassVar

import wtforms

from agents_app.values.address_rules import AddressReader
from agents_app.values.fields import is_empty
from agents_app.values.labels import LabelLines
from agents_app.values.pem import without_private_keys
from agents_app.values.text import day_text

SPAN, SPAN_NARROW, SPAN_WHOLE = 3, 2, 6
ISO_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")


@dataclass(frozen=True)
class Spec:
    """What a form knows of an input. `span` is its width in columns; a row has six."""

    label: str
    hint: str = ""
    is_optional: bool = False
    is_needed_later: bool = False
    """Whether it can be left empty, and an agent without it may be incomplete."""
    max_length: int | None = None
    span: int = SPAN
    width: int | None = None
    group: str | None = None
    is_mono: bool = False
    unit: str = ""
    rows: int = 3
    labels: Mapping[str, str] = field(default_factory=dict)


class Input(wtforms.Field):
    """The base of all inputs. `kind` chooses the macro that renders it."""

    kind: ClassVar[str] = "text"
    is_counted = False
    was_typed = False
    """Whether a secret was typed. The page does not show it again."""
    warning = ""
    """What looks like a secret in this field, which is not encrypted."""
    only_for: "tuple[Input, str] | None" = None
    """The choice and the option with which this input is used. None: it is always used."""
    decides = False
    """Whether an option of this choice says which other inputs are used."""
    defaults_of: "Input | None" = None
    """The choice whose option decides the default, which `defaults` has by option. None: the default is fixed."""
    is_disputed = False
    """Whether another person changed this field too, and the user chooses between the two values."""

    def __init__(self, spec: Spec, **options: Any) -> None:
        super().__init__(spec.label, **options)
        self.spec = spec
        self.defaults: dict[str, Any] = {}

    def set_default_for(self, choice: "Input", option: str, default: Any) -> None:
        """Set the default of this input for an option of a choice."""
        self.defaults_of = choice
        self.defaults[option] = default

    @property
    def value(self) -> Any:
        """The value for the operation."""
        return self.data

    @property
    def text(self) -> str:
        """The text in the input."""
        return "" if self.data is None else str(self.data)

    @property
    def shown(self) -> str:
        """The value as a page shows it outside a form."""
        return f"{self.text} {self.spec.unit}".rstrip() if self.text else ""

    @property
    def is_given(self) -> bool:
        """Whether the operation gets a value."""
        return True

    @property
    def is_set(self) -> bool:
        """Whether the input has a value, and another one than in the form of a new record."""
        default = "" if self.default is None else str(self.default)
        return self.text not in ("", default)

    @property
    def is_stored(self) -> bool:
        """Whether the record has a value, which the page shows even if its choice has another option."""
        return not is_empty(self.object_data)

    @property
    def is_unused(self) -> bool:
        """Whether the page hides this input, because the choice that it belongs to has another option."""
        if self.only_for is None or self.is_stored:
            return False
        choice, option = self.only_for
        return choice.text != option

    @property
    def option_number(self) -> int | None:
        """The position of its option in the choice that it belongs to."""
        return [*self.only_for[0].spec.labels].index(self.only_for[1]) + 1 if self.only_for else None

    @property
    def opens_group(self) -> bool:
        """Whether the group of this input is open when the page is loaded."""
        return self.is_set or self.is_disputed or self.was_typed or bool(self.errors or self.warning)

    @property
    def focus_id(self) -> str:
        """The id of the element that the error summary links to."""
        return str(self.id)

    @property
    def hint_id(self) -> str | None:
        """The id of the hint below the input, if it has one."""
        return f"{self.id}-hint" if self.spec.hint or self.is_counted or self.must_be_retyped else None

    @property
    def must_be_retyped(self) -> bool:
        """Whether the page asks for a typed secret again. An error already says what to type."""
        return self.was_typed and not self.errors

    @property
    def described_by(self) -> str:
        """The ids for `aria-describedby`."""
        warning_id = f"{self.id}-warning" if self.warning else None
        ids = [f"{self.id}-error" if self.errors else None, warning_id, self.hint_id]
        return " ".join(name for name in ids if name)

    def problem(self, sentence: str) -> str:
        """An error for the summary: with the label before it where the sentence does not contain the label."""
        label = self.spec.label
        return sentence if label.casefold() in sentence.casefold() else f"{label}: {sentence}"

    @property
    def warning_digest(self) -> str:
        """A digest of the value that is warned of. The form sends it back when the value is saved all the same."""
        return sha256(json.dumps([self.name, self.text]).encode()).hexdigest()

    def add_error(self, sentence: str) -> None:
        """Add an error to this input."""
        self.errors = [*self.errors, sentence]


class Text(Input, wtforms.StringField):
    """One line of text. The schema checks whether it is a number."""


class CountedText(Text):
    """One line of text whose length is counted."""

    is_counted = True


class Date(Text):
    """A day. Browsers show it as a date of their locale, and send YYYY-MM-DD."""

    kind = "date"

    @property
    def is_other_text(self) -> bool:
        """Whether the text is not a date: then only an input for text can show it."""
        return self.text != "" and ISO_DATE.fullmatch(self.text) is None

    @property
    def shown(self) -> str:
        """The day as pages show it. The text if it is no day."""
        try:
            return day_text(date.fromisoformat(self.text))
        except ValueError:
            return self.text


class Address(Text):
    """A text field into which a whole address may be pasted, with a password in it."""

    def __init__(self, spec: Spec, reader: AddressReader, **options: Any) -> None:
        super().__init__(spec, **options)
        self.reader = reader

    @property
    def text(self) -> str:
        """The stored text, or the typed text without what may be a password."""
        text = super().text
        return text if self.data == self.object_data else self.reader.shown(text)


class TextArea(Input, wtforms.TextAreaField):
    """Text with several lines."""

    kind = "area"


class PemText(TextArea):
    """A certificate in PEM."""

    @property
    def text(self) -> str:
        """The typed text without private keys, which no page shows again."""
        return str(without_private_keys(super().text))


class CountedTextArea(TextArea):
    """Text with several lines whose length is counted."""

    is_counted = True


class TextLines(TextArea):
    """A list of texts, one per line."""

    @property
    def value(self) -> list[str]:
        """The lines that are not blank."""
        return [line for line in self.text.splitlines() if line.strip()]

    @property
    def text(self) -> str:
        """One entry per line. What was typed is shown as it was typed."""
        return "\n".join(map(str, self.data)) if isinstance(self.data, list) else str(self.data or "")


class Labels(TextLines):
    """Labels, one per line as name=value."""

    @property
    def value(self) -> LabelLines:
        """The lines that are not blank."""
        return LabelLines(super().value)

    @property
    def text(self) -> str:
        """One label per line. What was typed is shown as it was typed."""
        stored: object = self.data
        if not isinstance(stored, dict):
            return super().text
        return "\n".join(f"{name}={value}" for name, value in stored.items())
