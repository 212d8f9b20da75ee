"""Options made from the fields of schemas. The schemas check the values."""

from collections.abc import Callable, Mapping
from datetime import date, datetime
from enum import StrEnum
from typing import Any, TypeVar, get_args, get_origin
from uuid import UUID

import click

from agents_app.connections import TYPES
from agents_app.schemas.agents import CONFIG, AgentValues
from agents_app.values.fields import Schema, field_notes
from agents_app.values.pasted import read_uuid

Function = TypeVar("Function", bound=Callable[..., Any])

METAVARS = {bool: "true|false", int: "NUMBER", date: "YYYY-MM-DD", datetime: "TIME"}
SECRET_OPTION = "A secret cannot be an option: other programs and the shell history would see it. {instead}"


class Id(click.ParamType[UUID]):
    """A UUID in any usual spelling."""

    name = "id"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> UUID:
        """The UUID. Fails with a usage error if the text is not a UUID."""
        found = read_uuid(str(value))
        return UUID(found) if found else self.fail(f"{value!r} is not a valid UUID.", param, ctx)


def options_of(
    schema: type[Schema], *, skip: tuple[str, ...] = (), spelled: dict[str, str] | None = None, instead: str = ""
) -> Callable[[Function], Function]:
    """Add one option for each field of a schema, in its order, with the name of the field or the name in `spelled`.

    The option of a secret is hidden and refuses every value. `instead` says what to use.
    """
    names = [name for name in schema.model_fields if name not in skip]

    def decorate(command: Function) -> Function:
        for name in reversed(names):
            option = _secret_option(name, instead) if is_secret(schema, name) else _option(schema, name, spelled or {})
            command = option(command)
        return command

    return decorate


def agent_options(instead: str) -> Callable[[Function], Function]:
    """Add the options for the fields of an agent and of every connection type."""

    def decorate(command: Function) -> Function:
        for name, holders in reversed(connection_fields().items()):
            schemas = [TYPES[kind] for kind in holders]
            if any(is_secret(schema, name) for schema in schemas):
                option = _secret_option(name, instead)
            else:
                option = _option(schemas[0], name, {}, _help_of_types(name, holders))
            command = option(command)
        return options_of(AgentValues, skip=(CONFIG,), instead=instead)(command)

    return decorate


def connection_fields() -> dict[str, list[Any]]:
    """Every field of every connection type, with the types that have the field."""
    fields: dict[str, list[Any]] = {}
    for kind, declaration in TYPES.items():
        for name in declaration.model_fields:
            fields.setdefault(name, []).append(kind)
    return fields


def secret_titles() -> dict[str, str]:
    """The names of all secrets of an agent, with their labels."""
    schemas: list[type[Schema]] = [AgentValues, *TYPES.values()]
    names = [(schema, name) for schema in schemas for name in schema.model_fields if is_secret(schema, name)]
    return {name: schema.model_fields[name].title or name for schema, name in names}


def long_secrets() -> set[str]:
    """The names of the secrets that have several lines."""
    schemas = TYPES.values()
    return {name for schema in schemas for name in schema.secret_names() if field_notes(schema, name).get("kind")}


def sent(options: Mapping[str, Any]) -> dict[str, Any]:
    """Those of these options that were given. One that may be repeated is a list."""
    found = {name: value for name, value in options.items() if value not in (None, ())}
    return {name: list(value) if isinstance(value, tuple) else value for name, value in found.items()}


def is_secret(schema: type[Schema], name: str) -> bool:
    """Whether the field holds a secret."""
    return bool(field_notes(schema, name).get("secret"))


def _option(schema: type[Schema], name: str, spelled: dict[str, str], text: str = "") -> Callable[[Function], Function]:
    annotation = schema.model_fields[name].annotation
    flag, text = "--" + spelled.get(name, name).replace("_", "-"), text or _help(schema, name)
    return click.option(
        flag, name, metavar=_metavar(annotation), multiple=_is_list(annotation), default=None, help=text
    )


def _help(schema: type[Schema], name: str) -> str:
    declared = schema.model_fields[name]
    # The description of a list is about the form.
    own = field_notes(schema, name).get("option_hint", "")
    hint = f"{own} May be repeated.".strip() if _is_list(declared.annotation) else declared.description or ""
    return f"{declared.title}. {hint}".rstrip()


def _help_of_types(name: str, kinds: list[Any]) -> str:
    """What the field is in each type that has it; types with the same help share one sentence."""
    texts: dict[str, list[str]] = {}
    for kind in kinds:
        texts.setdefault(_help(TYPES[kind], name), []).append(kind)
    return " ".join(f"{', '.join(same)}: {text}" for text, same in texts.items())


def _is_list(annotation: Any) -> bool:
    return get_origin(annotation) in (list, dict)


def _secret_option(name: str, instead: str) -> Callable[[Function], Function]:
    def refuse(_context: click.Context, _option: click.Parameter, value: object) -> None:
        if value is not None:
            raise click.UsageError(SECRET_OPTION.format(instead=instead.format(name=name)))

    flag = "--" + name.replace("_", "-")
    # With `flag_value`, the option is refused also if no value follows it.
    return click.option(
        flag, name, is_flag=False, flag_value="", default=None, hidden=True, expose_value=False, callback=refuse
    )


def _metavar(annotation: Any) -> str:
    if get_origin(annotation) is dict:
        return "NAME=VALUE"
    for kind in get_args(annotation) or (annotation,):
        if isinstance(kind, type) and issubclass(kind, StrEnum):
            return "|".join(kind)
        if kind in METAVARS:
            return METAVARS[kind]
    return "TEXT"
