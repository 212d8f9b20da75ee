"""Statements that PostgreSQL plans once a connection, not at each use: planning one costs more than carrying it out.

psycopg2 has no prepared statements of its own, so PREPARE and EXECUTE are sent as SQL. A transaction through a pooler
can be in any session, which need not have the plan: there, and on SQLite, the statement is sent as it is.
"""

from collections import Counter
from typing import Any, TypeVar

import psycopg2.errors
from sqlalchemy import event
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.sql import Select

from agents_app.database.pool import BEGIN, NO_BEGIN
from agents_app.database.session import is_pooled

AnySelect = TypeVar("AnySelect", bound=Select[*tuple[Any, ...]])

# The option of a statement that is prepared.
PREPARED = "prepared"
# Where `Connection.info` has the number of uses of each statement, and the EXECUTE of each prepared one.
USES, SHORT = "uses", "prepared"
# A plan stays in the memory of the session, so rare statements get none.
PREPARED_FROM_USE, PREPARED_MAX = 3, 40
# What was prepared no longer fits the tables, or the session was reset.
STALE = (psycopg2.errors.FeatureNotSupported, psycopg2.errors.InvalidSqlStatementName)


def prepared(statement: AnySelect) -> AnySelect:
    """The same statement, which is planned once a connection if `db.reading()` carries it out again and again.

    It has parameters, and its text does not depend on their values: each text is another plan. The plan need not
    depend on them either, so the statement is one that is best carried out in the same way for all values.
    """
    return statement.execution_options(**{PREPARED: True})


@event.listens_for(Engine, "before_cursor_execute", retval=True)
def _use_plan(
    connection: Connection, _cursor: object, statement: str, parameters: Any, context: Any, _is_many: bool
) -> tuple[str, Any]:
    options = context.execution_options
    if PREPARED not in options or options.get(BEGIN) != NO_BEGIN or connection.dialect.name != "postgresql":
        return statement, parameters
    info = connection.info
    short: str | None = info[SHORT].get(statement) if SHORT in info else None
    return short or _counted(connection, statement, parameters), parameters


def _counted(connection: Connection, statement: str, parameters: dict[str, Any]) -> str:
    """The statement, or the EXECUTE in its place once it was used often enough."""
    short: dict[str, str] = connection.info.setdefault(SHORT, {})
    uses: Counter[str] = connection.info.setdefault(USES, Counter())
    uses[statement] += 1
    if uses[statement] < PREPARED_FROM_USE or len(short) >= PREPARED_MAX or is_pooled(connection):
        return statement
    name = f"console_{len(short) + 1}"
    numbered = statement % {key: f"${number}" for number, key in enumerate(parameters, 1)}
    connection.exec_driver_sql(f"PREPARE {name} AS {numbered}", execution_options={"no_parameters": True})
    short[statement] = f"EXECUTE {name} ({', '.join(f'%({key})s' for key in parameters)})"
    return short[statement]


@event.listens_for(Engine, "handle_error")
def _use_new_connection(context: Any) -> None:
    # A read on a lost connection is done again on a new one (see `pool.py`).
    options = context.execution_context.execution_options if context.execution_context else {}
    if PREPARED in options and isinstance(context.original_exception, STALE):
        context.is_disconnect = True
