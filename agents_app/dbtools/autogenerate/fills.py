"""Writes `op.fill_rows` for the default that a column has in its model."""

import enum
import json
from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa
from alembic.autogenerate.api import AutogenContext
from alembic.autogenerate.render import _repr_type

from agents_app.database.quoting import quote_if_needed, quote_literal
from agents_app.dbtools.autogenerate.parts import WrittenOp

FILL = """op.fill_rows(
    {rows},
    {rows}.c[{name!r}].is_(None),
    lambda row: {{{name!r}: {value!r}}},
    script={script!r},{key}
)"""


def fill_from_model(table: sa.Table | None, name: str) -> WrittenOp | None:
    """The operation that fills the column with its default of the model; None if that is not a constant."""
    column = None if table is None else table.columns.get(name)
    value = None if column is None else default_value(column)
    if table is None or column is None or value is None or not table.primary_key.columns:
        return None
    quoted = quote_if_needed(name)
    script = f"UPDATE {quote_if_needed(table.name)} SET {quoted} = {_as_sql(value)} WHERE {quoted} IS NULL"  # noqa: S608
    key = [found.name for found in table.primary_key.columns]
    columns = [*table.primary_key.columns, column]

    def render(autogen: AutogenContext) -> str:
        rows = f"sa.table({table.name!r}, {_columns(columns, autogen)})"
        given = "" if key == ["id"] else f"\n    key={key!r},"
        body = FILL.format(rows="rows", name=name, value=value, script=script, key=given)
        return f"rows = {rows}\n{body}"

    return WrittenOp(render)


def _columns(columns: Iterable[sa.Column[Any]], autogen: AutogenContext) -> str:
    return ", ".join(f"sa.column({column.name!r}, {_repr_type(column.type, autogen)})" for column in columns)


def default_value(column: sa.Column[Any]) -> Any:
    """The default of the model, as a value that a file can contain; None if it is not a constant."""
    default = column.default
    value = getattr(default, "arg", None) if default is not None and default.is_scalar else None
    if isinstance(value, enum.Enum):
        value = value.name if isinstance(column.type, sa.Enum) and column.type.enum_class else value.value
    if isinstance(value, str):
        return str(value)
    return value if isinstance(value, bool | int | float | list | dict) else None


def _as_sql(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    return quote_literal(value if isinstance(value, str) else json.dumps(value))
