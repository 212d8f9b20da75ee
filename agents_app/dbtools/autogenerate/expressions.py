"""Whether two SQL expressions are the same to the server, in whatever way they are written. Nothing is created.

Both are explained, not run: the server writes what it makes of each. A read-only role and transaction are enough.
"""

import json
from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql.base import PGDialect
from sqlalchemy.dialects.sqlite.base import SQLiteDialect
from sqlalchemy.engine import Connection
from sqlalchemy.exc import DBAPIError

from agents_app.database.quoting import quote_if_needed

# Without the driver, whose dialect doubles each %.
DIALECT_CLASSES: dict[str, Any] = {"postgresql": PGDialect, "sqlite": SQLiteDialect}
DIALECTS: dict[str, Any] = {name: dialect(paramstyle="named") for name, dialect in DIALECT_CLASSES.items()}
AS_IT_IS = {"no_parameters": True}

Pair = tuple[str, str]


def expression_sql(expression: Any, dialect: str) -> str:
    """The SQL of an expression of a model, with the names of columns only."""
    if isinstance(expression, str):
        return expression
    compiler = DIALECTS[dialect].ddl_compiler(DIALECTS[dialect], None)
    text: str = compiler.sql_compiler.process(expression, include_table=False, literal_binds=True)
    return text


def are_same(connection: Connection, table: str | None, pairs: Sequence[Pair]) -> list[bool | None]:
    """For each pair whether both are the same over the columns of `table`; None if one of them cannot be explained."""
    if not pairs:
        return []
    try:
        with connection.begin_nested() if connection.dialect.name == "postgresql" else nullcontext():
            return _explain(connection, table, pairs)
    except DBAPIError:
        # A column of one of them is missing, which another comparison reports, or the role may not read the table.
        return [None] if len(pairs) == 1 else [same for pair in pairs for same in are_same(connection, table, [pair])]


def _explain(connection: Connection, table: str | None, pairs: Sequence[Pair]) -> list[bool | None]:
    source = f" FROM {quote_if_needed(table)}" if table else ""
    if connection.dialect.name == "postgresql":
        columns = ", ".join(f"({one}), ({other})" for one, other in pairs)
        statement = f"EXPLAIN (VERBOSE, COSTS OFF, FORMAT JSON) SELECT {columns}{source}"
        plan = connection.exec_driver_sql(statement, execution_options=AS_IT_IS).scalar_one()
        output = (json.loads(plan) if isinstance(plan, str) else plan)[0]["Plan"]["Output"]
        return [one == other for one, other in zip(output[::2], output[1::2], strict=True)]
    return [_program(connection, one, source) == _program(connection, other, source) for one, other in pairs]


def _program(connection: Connection, expression: str, source: str) -> list[tuple[Any, ...]]:
    # The last column is a comment.
    rows = connection.exec_driver_sql(f"EXPLAIN SELECT ({expression}){source}", execution_options=AS_IT_IS)
    return [tuple(row)[:-1] for row in rows]


def text_of(sql: str) -> sa.TextClause:
    """An SQL text as an expression. A colon in it does not begin a parameter."""
    return sa.text(sql.replace(":", "\\:"))
