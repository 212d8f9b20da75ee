"""The form that every other form extends. It holds no rules: `submit` calls an operation, which has them."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from flask_wtf import FlaskForm
from werkzeug.datastructures import MultiDict

from agents_app.connections import Connection
from agents_app.errors import InvalidInput, Repeated
from agents_app.operations import form_keys
from agents_app.values.fields import field_notes, name_member
from agents_app.web.forms.choice_inputs import Select
from agents_app.web.forms.inputs import Input
from agents_app.web.forms.secret_input import Secret

FormData = MultiDict[str, str]


class ConsoleForm(FlaskForm):
    """A form that passes its values to an operation and shows what the operation refuses.

    `key` stays the same each time the form is sent: an operation that gets it creates one record for two clicks.
    """

    result: Any = None

    def __init__(self, formdata: FormData | None = None, **options: Any) -> None:
        super().__init__(formdata, **options)
        self.general_errors: list[str] = []
        sent = formdata or MultiDict()
        self.key = sent.get("key") or form_keys.new()
        self.version = sent.get("version", type=int)
        self.seen_warnings = frozenset(sent.getlist("warned"))

    def inputs(self) -> Iterator[Input]:
        """The inputs in the order of the page."""
        for field in self:
            if isinstance(field, Input):
                yield field

    def grouped(self, group: str | None) -> list[Input]:
        """The inputs of this form in a group, which the page shows in `<details>`. None: those outside any group."""
        return [field for field in self if isinstance(field, Input) and field.spec.group == group]

    def values(self) -> dict[str, Any]:
        """The values of the inputs, by the names of the schema's fields."""
        return {field.short_name: field.value for field in self.inputs() if field.is_given and not field.is_unused}

    def submit(self, operation: Callable[[dict[str, Any]], Any]) -> bool:
        """Call the operation with the values. True if it succeeds, with its result in `result`; else add its errors."""
        try:
            self.result = operation(self.values())
        except InvalidInput as refusal:
            for pointer, sentence in refusal.fields:
                self.add_error(pointer, sentence)
            return False
        except Repeated as refusal:
            return self.offer_another(refusal.detail)
        return True

    def offer_another(self, sentence: str) -> bool:
        """Say what the form created before, and let it create another when it is sent again. Always False."""
        self.key = form_keys.new()
        self.general_errors.append(f"{sentence} To create another, send the form again.")
        return False

    def add_error(self, pointer: str, sentence: str) -> None:
        """Add an error to the input that a JSON pointer names, or to the form."""
        name, _, member = pointer.removeprefix("/").partition("/")
        field = self._fields.get(name)
        if isinstance(field, Input):
            field.add_error(name_member(member, sentence))
        else:
            self.general_errors.append(sentence)

    def problems(self) -> list[tuple[str | None, str]]:
        """All errors as (id of the input or None, sentence), in the order of the page."""
        at_inputs = [(field.focus_id, field.problem(sentence)) for field in self.inputs() for sentence in field.errors]
        return [*((None, sentence) for sentence in self.general_errors), *at_inputs]

    @property
    def warned(self) -> list[Input]:
        """The inputs with a warning. A value that was sent with its warning is saved."""
        return [field for field in self.inputs() if field.warning]

    @property
    def has_message(self) -> bool:
        """Whether the page begins with errors or warnings, which have the focus."""
        return bool(self.problems() or self.warned)

    @property
    def has_new_warnings(self) -> bool:
        """Whether there is a warning that the user has not seen."""
        return any(field.warning_digest not in self.seen_warnings for field in self.warned)

    @property
    def cleared_secrets(self) -> list[str]:
        """The labels of the secrets that were typed without an error, which the page does not show again."""
        typed = [field for field in self.inputs() if isinstance(field, Secret) and field.must_be_retyped]
        return [field.spec.label for field in typed if not field.is_unused]

    @property
    def has_cleared_secrets(self) -> bool:
        """Whether such a secret was typed."""
        return bool(self.cleared_secrets)


class PanelForm(ConsoleForm):
    """The fields of one connection type, made from its declaration."""

    class Meta(FlaskForm.Meta):
        """A panel is part of a form that has the CSRF value."""

        csrf = False

    def connect_choices(self, declaration: type[Connection]) -> None:
        """Connect the inputs that depend on a choice with it: by their default, or because one option needs them."""
        for name, default in declaration.dependent_defaults(self.data).items():
            self._fields[name].default = default
        for choice in [field for field in self.inputs() if isinstance(field, Select)]:
            for option in choice.spec.labels:
                for name, default in declaration.dependent_defaults({choice.short_name: option}).items():
                    self._fields[name].set_default_for(choice, option, default)
        for field in self.inputs():
            if only_for := field_notes(declaration, field.short_name).get("only_for"):
                field.only_for = (self._fields[only_for[0]], str(only_for[1]))
                field.only_for[0].decides = True

    def withdraw_options(self, reasons: Mapping[str, str]) -> None:
        """Offer these options in no list. `reasons` are sentences by option."""
        for field in self.inputs():
            if isinstance(field, Select):
                field.withdraw(reasons)
