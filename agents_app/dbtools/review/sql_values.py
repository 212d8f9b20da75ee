"""The text of an SQL expression of SQLAlchemy with its values in it, so that the rows it meets can be counted."""

import datetime as dt
import decimal
import enum
import json
import uuid
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql.base import PGCompiler, PGDialect
from sqlalchemy.dialects.sqlite.base import SQLiteCompiler, SQLiteDialect
from sqlalchemy.exc import SQLAlchemyError

from agents_app.database.quoting import quote_literal

TEXTS = (dt.date, dt.time, dt.timedelta, uuid.UUID)
NUMBERS = (int, float, decimal.Decimal)
# Of more sets of values only these are read: each runs the same statement.
SETS_READ = 20


class _ValuesCompiler:
    # With one of SQLAlchemy's compilers.
    dialect: Any

    def visit_bindparam(self, bindparam: Any, **options: Any) -> Any:
        if bindparam.key in self.dialect.values:
            bindparam = bindparam._with_value(self.dialect.values[bindparam.key], required=False)
        # A parameter without a value is no NULL: it remains `:name`.
        if bindparam.required and bindparam.value is None and bindparam.callable is None:
            return f":{bindparam.key}"
        parent: Any = super()
        return parent.visit_bindparam(bindparam, **options)

    def render_literal_value(self, value: Any, type_: Any) -> str:
        try:
            parent: Any = super()
            return str(parent.render_literal_value(value, type_))
        except Exception:  # A type may be of the step itself.
            return literal(value, self.dialect.name)


class _PostgresqlValues(_ValuesCompiler, PGCompiler):  # type: ignore[misc]
    pass


class _SqliteValues(_ValuesCompiler, SQLiteCompiler):  # type: ignore[misc]
    pass


class _PostgresqlDialect(PGDialect):
    statement_compiler = _PostgresqlValues
    values: Mapping[str, Any] = {}


class _SqliteDialect(SQLiteDialect):
    statement_compiler = _SqliteValues
    values: Mapping[str, Any] = {}


DIALECTS: dict[str, Any] = {"postgresql": _PostgresqlDialect, "sqlite": _SqliteDialect}


def text_of_expression(expression: sa.ClauseElement, dialect: str, values: Mapping[str, Any]) -> str:
    """The SQL of an expression with these values. A parameter without one remains `:name`, and `%` is not doubled."""
    known = DIALECTS[dialect](paramstyle="named")
    known.values = values
    if isinstance(expression, sa.Insert | sa.Update):
        own = {key: value for key, value in values.items() if key in expression.table.c}
        expression = expression.values(own) if own else expression
    try:
        return str(expression.compile(dialect=known, compile_kwargs={"literal_binds": True}))
    except (SQLAlchemyError, NotImplementedError, TypeError, ValueError):
        return str(expression.compile(dialect=known, compile_kwargs={"render_postcompile": True}))


def sets_of_values(parameters: Any) -> list[dict[str, Any]]:
    """The sets of values with which a statement is run, up to `SETS_READ`; one that is empty without parameters."""
    sets = parameters if isinstance(parameters, list | tuple) else [parameters]
    return [values for values in sets[:SETS_READ] if isinstance(values, dict)] or [{}]


def literal(value: Any, dialect: str) -> str:
    """A value of Python as SQL writes it. Raises TypeError for one that no column has."""
    if value is None:
        return "NULL"
    if isinstance(value, enum.Enum):
        return quote_literal(value.name)
    if isinstance(value, bool):
        return str(value).lower() if dialect == "postgresql" else str(int(value))
    if isinstance(value, NUMBERS):
        return str(value) if decimal.Decimal(value).is_finite() else quote_literal(str(value))
    if isinstance(value, bytes | bytearray | memoryview):
        return f"'\\x{bytes(value).hex()}'" if dialect == "postgresql" else f"x'{bytes(value).hex()}'"
    if isinstance(value, (str, *TEXTS)):
        return quote_literal(str(value))
    if isinstance(value, list | tuple | set) and dialect == "postgresql":
        return f"ARRAY[{', '.join(literal(part, dialect) for part in value)}]"
    if isinstance(value, dict | list):
        return quote_literal(json.dumps(value, default=str))
    raise TypeError(type(value).__name__)
