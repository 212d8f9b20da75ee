"""What a schema is made of: the record, its fields, the rule of one value, and how refusals are worded."""

from collections.abc import Callable, Iterator, Mapping
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
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from agents_app.errors import InvalidInput
from agents_app.wording import label_in_sentence

# What may surround a pasted text and cannot be seen: white space, the byte order mark, and spaces of no width.
EDGES = "".join(filter(str.isspace, map(chr, range(0x3001)))) + "\u180e\u200b\u2060\ufeff"
# Where a schema says what its form and its refusals need to know; readers of JSON Schema may ignore it.
NOTES = "x-console"


def refusal(sentence: str) -> PydanticCustomError:
    """The exception a validator raises to refuse with this sentence."""
    # pydantic fills {braces} in; ours are already filled.
    return PydanticCustomError("sentence", "{sentence}", {"sentence": sentence})


@dataclass(frozen=True)
class Rule:
    """What stands in `Annotated[type, rule]`: a check that runs first, and what JSON Schema says of it.

    The context of a validation may name stored members with their values: those that an earlier release accepted stay
    as they are, although the check would refuse them or write them otherwise now.
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
    """A record as it comes in: unknown members are refused; an empty or null member counts as not given."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True, validate_default=False)

    @model_validator(mode="before")
    @classmethod
    def _drop_empty(cls, values: Any) -> Any:
        if not isinstance(values, dict):
            raise refusal("Write this as an object.")
        # A member that is not known stays, so that it is refused whatever its value is.
        return {name: value for name, value in values.items() if name not in cls.model_fields or not is_empty(value)}

    @classmethod
    def complete(cls, stored: Mapping[str, Any]) -> dict[str, Any]:
        """What is stored, perhaps by older code, with the members of today but secrets; nothing is checked.

        A member that is lacking or null has its default (null where there is none), one that is not known is dropped.
        """
        return {
            name: _default(member) if stored.get(name) is None else stored[name]
            for name, member in cls.model_fields.items()
            if not field_notes(cls, name).get("secret")
        }


AnySchema = TypeVar("AnySchema", bound=Schema)


def is_empty(value: object) -> bool:
    """Whether a member counts as not given: null, or nothing but white space and the like."""
    return value is None or (isinstance(value, str) and not value.strip(EDGES))


def field(title: str, hint: str = "", *, default: Any = ..., missing: str = "", **extra: Any) -> Any:
    """A member of a schema: its label, its hint, its default; `missing` is the sentence when it is not given.

    `extra` may say `secret`, `destination`, `group`, and to the form: `kind` (pem: a text in many lines), `labels` (of
    the choices), `width` (of the input, in characters), `span` (how many of a row's six columns it takes) and `unit`.
    """
    notes = extra | ({"missing": missing} if missing else {})
    return Field(default, title=title, description=hint or None, json_schema_extra={NOTES: notes} if notes else None)


def field_notes(model: type[BaseModel], name: str) -> dict[str, Any]:
    """What `field(...)` said of a member besides title and hint."""
    extra = model.model_fields[name].json_schema_extra
    notes = extra.get(NOTES, {}) if isinstance(extra, dict) else {}
    return dict(notes) if isinstance(notes, dict) else {}


def parse(schema: type[AnySchema], values: Mapping[str, Any], context: Mapping[str, Any] | None = None) -> AnySchema:
    """The values as `schema` reads them. Raises InvalidInput with every broken rule."""
    try:
        return schema.model_validate(dict(values), context=context)
    except ValidationError as error:
        raise InvalidInput(broken_rules(error, schema)) from None


def normalise(schema: type[Schema], name: str, value: Any) -> Any:
    """One member as it would be stored, in JSON's types: the default where it is empty, unchanged where it is refused.

    Two values that are stored alike are the same value, whatever their spaces, line ends or spelling.
    """
    adapter = _adapter(schema, name)
    try:
        read = _default(schema.model_fields[name]) if is_empty(value) else adapter.validate_python(value)
    except ValidationError:
        return value
    return adapter.dump_python(read, mode="json", warnings=False)


def broken_rules(error: ValidationError, model: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Each broken rule as (JSON pointer, sentence); never the value."""
    for problem in error.errors(include_url=False, include_input=False):
        name = str(problem["loc"][0]) if problem["loc"] else ""
        pointer = prefix + "".join(f"/{escape_pointer(str(part))}" for part in problem["loc"])
        yield pointer, _sentence(dict(problem), name, model)


def escape_pointer(part: str) -> str:
    """One part of a JSON pointer (RFC 6901)."""
    return part.replace("~", "~0").replace("/", "~1")


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
        return _missing_sentence(name, model)
    if problem["type"] == "extra_forbidden":
        return "This field is not known here."
    return SENTENCES.get(problem["type"], "This value does not fit here.")


def _missing_sentence(name: str, model: type[BaseModel]) -> str:
    title = model.model_fields[name].title or name
    return str(field_notes(model, name).get("missing", f"Enter the {label_in_sentence(title)}."))


SENTENCES = {
    "list_type": "Write this as a list.",
    "too_long": "Use fewer entries.",
    "dict_type": "Write this as an object.",
}
