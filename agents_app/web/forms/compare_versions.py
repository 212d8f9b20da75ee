"""The form that chooses two versions of an agent to compare."""

from collections.abc import Mapping

from agents_app.web.forms.base import ConsoleForm
from agents_app.web.forms.inputs import SPAN_NARROW, Spec, Text


class CompareForm(ConsoleForm):
    """The numbers of two versions. It is sent with GET."""

    first = Text(Spec("Compare version", width=6, span=SPAN_NARROW))
    second = Text(Spec("with version", width=6, span=SPAN_NARROW))

    def __init__(self, args: Mapping[str, str] | None, newest: int, pair: tuple[int, int] | None = None) -> None:
        known = dict(zip(("first", "second"), pair or (max(newest - 1, 1), newest), strict=True))
        given = {name: args[name] for name in known if name in args} if args else {}
        super().__init__(data=known | given)
        self._newest, self._is_sent = newest, bool(given)

    def pair(self) -> tuple[int, int] | None:
        """The two numbers, the smaller one first. None if none were sent, or if one is wrong, which has an error."""
        if not self._is_sent:
            return None
        numbers = [self._number(field) for field in (self.first, self.second)]
        return (min(numbers), max(numbers)) if all(numbers) else None

    def _number(self, field: Text) -> int:
        """The number of a version; 0 with an error at its input."""
        text = field.text.strip()
        number = int(text) if text.isascii() and text.isdigit() and len(text) < 11 else 0
        if not 0 < number <= self._newest:
            field.add_error(f"Type the number of a version, from 1 to {self._newest}.")
            return 0
        return number
