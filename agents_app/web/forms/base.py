"""The form that every other form extends. It holds no rules: `submit` calls an operation, which has them."""

from collections.abc import Callable, Iterator
from typing import Any

from flask_wtf import FlaskForm
from werkzeug.datastructures import MultiDict

from agents_app.errors import InvalidInput, Repeated
from agents_app.operations import form_keys
from agents_app.web.forms.inputs import Input
from agents_app.web.forms.secret_input import Secret

FormData = MultiDict[str, str]


class ConsoleForm(FlaskForm):
    """A form that hands its values to an operation and shows what the operation refuses.

    Its `key` is the same each time the form is sent, so that an operation that gets it makes one thing of two clicks.
    """

    result: Any = None

    def __init__(self, formdata: FormData | None = None, **options: Any) -> None:
        super().__init__(formdata, **options)
        self.general: list[str] = []
        sent = formdata or MultiDict()
        self.key = sent.get("key") or form_keys.new()
        self.version = sent.get("version", type=int)

    def inputs(self) -> Iterator[Input]:
        """The inputs in the order of the page."""
        for field in self:
            if isinstance(field, Input):
                yield field

    def values(self) -> dict[str, Any]:
        """What was typed, as plain values by the schema's names."""
        return {field.short_name: field.value for field in self.inputs() if field.is_given}

    def submit(self, operation: Callable[[dict[str, Any]], Any]) -> bool:
        """Whether the operation took the values; its answer is in `result`, its refusals are at the inputs."""
        try:
            self.result = operation(self.values())
        except InvalidInput as refusal:
            for pointer, sentence in refusal.fields:
                self.refuse(pointer, sentence)
            return False
        except Repeated as refusal:
            return self.begin_another(refusal.detail)
        return True

    def begin_another(self, sentence: str) -> bool:
        """Say what the form made before; sent again it makes another. Answers that nothing was made now."""
        self.key = form_keys.new()
        self.general.append(f"{sentence} Send it again to make another.")
        return False

    def refuse(self, pointer: str, sentence: str) -> None:
        """Put a refusal where its JSON pointer leads."""
        field = self._fields.get(pointer.removeprefix("/").partition("/")[0])
        if isinstance(field, Input):
            field.refuse(sentence)
        else:
            self.general.append(sentence)

    def problems(self) -> list[tuple[str | None, str]]:
        """Every refusal as (id of the input or None, sentence), in the order of the page."""
        named = [(field.anchor, field.problem(sentence)) for field in self.inputs() for sentence in field.errors]
        return [*((None, sentence) for sentence in self.general), *named]

    @property
    def emptied(self) -> list[str]:
        """The labels of the secrets that were typed: the page does not show them again."""
        return [field.spec.label for field in self.inputs() if isinstance(field, Secret) and field.was_typed]

    @property
    def lost_a_secret(self) -> bool:
        """Whether there is such a secret."""
        return bool(self.emptied)


class PanelForm(ConsoleForm):
    """The fields of one connection type, made from its declaration."""

    class Meta(FlaskForm.Meta):
        """A panel stands within a form that has the CSRF value already."""

        csrf = False

    def ungrouped(self) -> list[Input]:
        """What is in sight."""
        return [field for field in self.inputs() if field.spec.group is None]

    def grouped(self, group: str) -> list[Input]:
        """What is folded away under this group's heading."""
        return [field for field in self.inputs() if field.spec.group == group]
