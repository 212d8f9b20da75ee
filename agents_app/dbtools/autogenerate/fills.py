"""Writes `op.fill_rows` for the default that a column has in its model."""

import datetime as dt
import decimal
import enum
import json
import math
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from alembic.autogenerate.api import AutogenContext
from alembic.autogenerate.render import _repr_type

from agents_app.database.quoting import quote_if_needed, quote_literal
from agents_app.dbtools.autogenerate.parts import WrittenOp

FILL = """op.fill_rows(
    {rows},
    {rows}.c[{name!r}].is_(None),
    lambda _row: {{{name!r}: {value}}},
    script={script!r},{key}
)"""


def fill_from_model(table: sa.Table | None, name: str) -> WrittenOp | None:
    """The operation that fills the column with its default of the model; None if the file cannot contain that."""
    column = None if table is None else table.columns.get(name)
    value = None if column is None else default_value(column)
    if table is None or column is None or value is None or not table.primary_key.columns:
        return None
    quoted = quote_if_needed(name)
    script = f"UPDATE {quote_if_needed(table.name)} SET {quoted} = {value.sql} WHERE {quoted} IS NULL"  # noqa: S608
    key = [found.name for found in table.primary_key.columns]
    columns = [*table.primary_key.columns, column]

    def render(autogen: AutogenContext) -> str:
        if value.module is not None:
            autogen.imports.add(f"import {value.module}")
        rows = f"sa.table({table.name!r}, {_columns(columns, autogen)})"
        given = "" if key == ["id"] else f"\n    key={key!r},"
        body = FILL.format(rows="rows", name=name, value=value.python, script=script, key=given)
        return f"rows = {rows}\n{body}"

    return WrittenOp(render)


def why_refused(table: sa.Table | None, name: str) -> str | None:
    """Why rows must not have the default of the model, if it is a constant; None if they may have it."""
    column = None if table is None else table.columns.get(name)
    if table is None or column is None or column.default is None or not column.default.is_scalar:
        return None
    uniques: list[Any] = [index for index in table.indexes if index.unique]
    uniques += [rule for rule in table.constraints if isinstance(rule, sa.UniqueConstraint)]
    if any([*rule.columns] == [column] for rule in uniques):
        return "it is UNIQUE, and all rows would get the default of its model"
    if column.foreign_keys:
        return "the default of its model may refer to a row that is not there"
    return None


def _columns(columns: Iterable[sa.Column[Any]], autogen: AutogenContext) -> str:
    return ", ".join(f"sa.column({column.name!r}, {_repr_type(column.type, autogen)})" for column in columns)


@dataclass(frozen=True)
class Value:
    """A value of a column: as Python (with the module that it needs), and as SQL."""

    python: str
    sql: str
    module: str | None = None


def default_value(column: sa.Column[Any]) -> Value | None:
    """The default of the model, if a file can contain it: a constant, or a function of Python's own."""
    default = column.default
    given = None if default is None else getattr(default, "arg", None)
    if default is not None and default.is_callable:
        made: Any = getattr(given, "__wrapped__", None)
        return FUNCTIONS.get(made) if made in FUNCTIONS else None
    if default is None or not default.is_scalar:
        return None
    if isinstance(given, enum.Enum):
        given = given.name if isinstance(column.type, sa.Enum) and column.type.enum_class else given.value
    return _constant(given)


def _constant(value: Any) -> Value | None:
    if isinstance(value, str):
        return Value(repr(str(value)), quote_literal(value))
    if isinstance(value, bool):
        return Value(repr(value), "true" if value else "false")
    if isinstance(value, int | float) and math.isfinite(value):
        return Value(repr(value), repr(value))
    if isinstance(value, list | dict):
        return Value(repr(value), quote_literal(json.dumps(value)))
    if isinstance(value, decimal.Decimal) and value.is_finite():
        return Value(f"decimal.{value!r}", str(value), "decimal")
    if isinstance(value, uuid.UUID):
        return Value(f"uuid.{value!r}", quote_literal(value.hex), "uuid")
    if isinstance(value, dt.date | dt.time) and getattr(value, "tzinfo", None) in (None, dt.UTC):
        python = repr(value).replace("datetime.timezone.utc", "datetime.UTC").replace("datetime.", "dt.")
        return Value(python, quote_literal(str(value)), "datetime as dt")
    return None


FUNCTIONS: dict[Any, Value] = {
    dict: Value("{}", "'{}'"),
    list: Value("[]", "'[]'"),
    str: Value("''", "''"),
    int: Value("0", "0"),
    uuid.uuid4: Value("uuid.uuid4()", "gen_random_uuid()", "uuid"),
}
