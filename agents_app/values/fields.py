"""The base of every schema: the record, its fields, the rule of one value, and the sentences of refusals."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from dataclasses import field as dataclass_field
from functools import cache
from typing import Annotated, Any, TypeVar

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    TypeAdapter,
    ValidationError,
    ValidationInfo,
    model_validator,
)
from pydantic.fields import FieldInfo
from pydantic_core import CoreSchema, InitErrorDetails, PydanticCustomError, core_schema

from agents_app.errors import InvalidInput
from agents_app.wording import label_in_sentence

# Invisible characters that may surround a pasted text: white space, the byte order mark, zero-width spaces.
EDGES = "".join(filter(str.isspace, map(chr, range(0x3001)))) + "\u180e\u200b\u2060\ufeff"
# The key of our own notes in a JSON Schema, for forms and refusals. Other readers can ignore it.
NOTES = "x-console"
NOT_KNOWN = "This field is not known here."


def refusal(sentence: str) -> PydanticCustomError:
    """The exception that a validator raises to refuse a value with this sentence."""
    # pydantic formats {braces} in a message, so the sentence is passed as a value.
    return PydanticCustomError("sentence", "{sentence}", {"sentence": sentence})


def refusal_of_members(broken: Iterable[tuple[str | None, PydanticCustomError]]) -> ValidationError:
    """The exception that a validator raises to refuse several members of a value, each by its name.

    The name None means the value itself.
    """
    details = [
        InitErrorDetails(type=problem, loc=() if name is None else (name,), input=None) for name, problem in broken
    ]
    return ValidationError.from_exception_data("members", details)


@dataclass(frozen=True)
class Rule:
    """The rule in `Annotated[type, rule]`: a check that runs first, and its keywords of JSON Schema.

    The context of a validation may have stored values by the name of their field. A value that is equal to the stored
    one is kept as it is, even if the check of this release refuses or changes it.
    """

    check: Callable[[Any], Any]
    schema: Mapping[str, Any] = dataclass_field(default_factory=dict)

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.with_info_before_validator_function(self._check_or_keep, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return handler(schema) | dict(self.schema)

    def _check_or_keep(self, value: Any, info: ValidationInfo) -> Any:
        stored, name = info.context or {}, info.field_name
        return value if name in stored and stored[name] == value else self.check(value)


class Schema(BaseModel):
    """A record of input. Unknown fields are refused. An empty or null field counts as missing."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True, validate_default=False)

    @model_validator(mode="before")
    @classmethod
    def _drop_empty(cls, values: Any) -> Any:
        if not isinstance(values, dict):
            raise refusal("Write this as an object.")
        known = cls.model_fields
        # An unknown field is kept, so that it is refused whatever its value is.
        return {name: value for name, value in values.items() if name not in known or not is_empty(value)}

    @classmethod
    def complete(cls, stored: Mapping[str, Any]) -> dict[str, Any]:
        """A stored record, perhaps of another release, with all fields of this release but secrets. Nothing is checked.

        A missing or null field has its default (null if it has none), and an unknown field is dropped.
        """
        secrets = names_noted(cls, "secret")
        return {
            name: _default(member) if stored.get(name) is None else stored[name]
            for name, member in cls.model_fields.items()
            if name not in secrets
        }


AnySchema = TypeVar("AnySchema", bound=Schema)


def is_empty(value: object) -> bool:
    """Whether a value counts as missing: null, or only white space and invisible characters."""
    return value is None or (isinstance(value, str) and not value.strip(EDGES))


def field(title: str, hint: str = "", *, default: Any = ..., missing: str = "", **extra: Any) -> Any:
    """A field of a schema: its label, its hint and its default. `missing` is the sentence if it is missing.

    `extra` can have `secret`, `destination` and `group`, and for the form `kind` (pem: a text of many lines), `labels`
    (of the choices), `unset` (the label of no choice), `width` (of the input, in characters), `span` (how many of the
    six columns of a row it takes), `unit` and `only_for` (the name of a choice and the option with which this field is
    used). `json_hint` replaces the hint in the API reference. `may_be_empty` is for parameters of queries: an empty one
    counts as missing, and others are refused over JSON.
    """
    notes = extra | ({"missing": missing} if missing else {})
    return Field(default, title=title, description=hint or None, json_schema_extra={NOTES: notes} if notes else None)


def field_notes(model: type[BaseModel], name: str) -> dict[str, Any]:
    """The notes of `field(...)`: everything but title, hint and default."""
    extra = model.model_fields[name].json_schema_extra
    notes = extra.get(NOTES, {}) if isinstance(extra, dict) else {}
    return dict(notes) if isinstance(notes, dict) else {}


@cache
def names_noted(model: type[BaseModel], note: str) -> tuple[str, ...]:
    """The fields with this note, such as "secret"."""
    return tuple(name for name in model.model_fields if field_notes(model, name).get(note))


def parse(schema: type[AnySchema], values: Mapping[str, Any], context: Mapping[str, Any] | None = None) -> AnySchema:
    """Validate the values, and return the record. Raises InvalidInput with every broken rule."""
    try:
        return schema.model_validate(dict(values), context=context)
    except ValidationError as error:
        raise InvalidInput(broken_rules(error, schema)) from None


def normalise(schema: type[Schema], name: str, value: Any) -> Any:
    """One value as it is stored, in JSON types: the default if it is empty, and unchanged if it is refused.

    Two values are the same if they are stored alike, whatever their spaces, line ends or spelling.
    """
    adapter = _adapter(schema, name)
    try:
        read = _default(schema.model_fields[name]) if is_empty(value) else adapter.validate_python(value)
    except ValidationError:
        return value
    return adapter.dump_python(read, mode="json", warnings=False)


def missing_sentence(model: type[BaseModel], name: str) -> str:
    """The sentence for a field that is needed and has no value."""
    title = model.model_fields[name].title or name
    return str(field_notes(model, name).get("missing", f"Enter the {label_in_sentence(title)}."))


def broken_rules(error: ValidationError, model: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Each broken rule as (JSON pointer, sentence), without the value."""
    for problem in error.errors(include_url=False, include_input=False):
        name = str(problem["loc"][0]) if problem["loc"] else ""
        pointer = prefix + "".join(f"/{escape_pointer(str(part))}" for part in problem["loc"])
        yield pointer, _sentence(dict(problem), name, model)


def escape_pointer(part: str) -> str:
    """One part of a JSON pointer (RFC 6901)."""
    return part.replace("~", "~0").replace("/", "~1")


def unescape_pointer(part: str) -> str:
    """The name of a member, from its part of a JSON pointer (RFC 6901)."""
    return part.replace("~1", "/").replace("~0", "~")


def name_member(escaped: str, sentence: str) -> str:
    """A sentence about a part of a value, which the page shows in one field, such as one of the labels."""
    name = unescape_pointer(escaped)
    return sentence if name in sentence else f"{name}: {sentence}"


@cache
def _adapter(schema: type[Schema], name: str) -> TypeAdapter[Any]:
    info = schema.model_fields[name]
    described: Any = Annotated[info.annotation, *info.metadata]
    return TypeAdapter(described)


def _default(member: FieldInfo) -> Any:
    return None if member.is_required() else member.get_default(call_default_factory=True)


def _sentence(problem: dict[str, Any], name: str, model: type[BaseModel]) -> str:
    context = problem.get("ctx", {})
    if problem["type"] == "sentence":
        return str(context["sentence"])
    if problem["type"] == "missing":
        return missing_sentence(model, name)
    if problem["type"] == "extra_forbidden":
        return NOT_KNOWN
    return SENTENCES.get(problem["type"], "This value is not valid here.")


SENTENCES = {
    "list_type": "Write this as a list.",
    "too_long": "Use fewer entries.",
    "dict_type": "Write this as an object.",
}
