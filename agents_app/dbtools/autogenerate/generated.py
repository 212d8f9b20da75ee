"""A plugin of autogenerate: compares defaults, and generated and identity columns, which have none.

Alembic expects a default with a text, and does not compare how a column is generated.
"""

from typing import Any

import sqlalchemy as sa
from alembic.autogenerate.api import AutogenContext
from alembic.operations import MigrateOperation, ops
from alembic.runtime.plugins import Plugin
from alembic.util import CommandError, DispatchPriority, PriorityDispatchResult
from sqlalchemy.engine import Connection

from agents_app.dbtools.autogenerate.details import has_other_default
from agents_app.dbtools.autogenerate.expressions import are_same, expression_sql
from agents_app.paths import COMMAND

NAME = "agents_app.generated"
# What a model may say of an identity. The database has a value for each of them.
OPTIONS = ("always", "start", "increment", "minvalue", "maxvalue", "cycle", "cache")
CONTINUE, STOP = PriorityDispatchResult.CONTINUE, PriorityDispatchResult.STOP


class ChangeGeneratedOp(MigrateOperation):
    """A column that is generated, or an identity, in another way than the models say. No file contains it."""

    def __init__(self, table_name: str, column_name: str, present: str, wanted: str) -> None:
        self.table_name, self.column_name, self.present, self.wanted = table_name, column_name, present, wanted

    def reverse(self) -> "ChangeGeneratedOp":
        return ChangeGeneratedOp(self.table_name, self.column_name, self.wanted, self.present)

    def __str__(self) -> str:
        return f"{self.table_name}.{self.column_name} is {self.present}, the models say {self.wanted}"


def setup(plugin: Plugin) -> None:
    """Register the comparators; Alembic calls this once."""
    plugin.add_autogenerate_comparator(_compare_default, "column", "server_default", priority=DispatchPriority.FIRST)
    plugin.add_autogenerate_comparator(_compare_generated, "table", "generated")


def refuse_changed(operations: list[Any]) -> None:
    """Raise CommandError if one of these is a change that no file can contain."""
    flat = [part for found in operations for part in getattr(found, "ops", [found])]
    changed = [str(found) for found in flat if isinstance(found, ChangeGeneratedOp)]
    if changed:
        what = f"How a column is generated cannot be changed by a file of migrate: {'; '.join(changed)}."
        do = f"Write a step that drops the column and adds it again: {COMMAND} db revision -m what_changes"
        raise CommandError(f"{what} {do}")


def _compare_default(
    autogen: AutogenContext,
    change: ops.AlterColumnOp,
    _schema: str | None,
    _table: str,
    _name: str,
    present: sa.Column[Any],
    wanted: sa.Column[Any],
) -> PriorityDispatchResult:
    old, new = present.server_default, wanted.server_default
    if _is_generated(old) or _is_generated(new):
        change.existing_server_default = False
        return STOP
    change.existing_server_default = old
    text = old.arg.text if isinstance(old, sa.DefaultClause) and isinstance(old.arg, sa.TextClause) else None
    is_other = _is_other(autogen, wanted, text, getattr(new, "arg", None))
    if is_other:
        change.modify_server_default = new
    return CONTINUE if is_other is None else STOP


def _is_other(autogen: AutogenContext, column: sa.Column[Any], present: str | None, wanted: Any) -> bool | None:
    if autogen.connection and present and wanted is not None:
        other = has_other_default(autogen.connection, column, present, wanted)
        if other is not None:
            return other
    # On SQLite Alembic does not recognise '' as the empty string.
    is_sqlite = autogen.dialect is not None and autogen.dialect.name == "sqlite"
    return False if is_sqlite and (present or "").strip("()") == "''" and str(wanted) == "" else None


def _is_generated(default: Any) -> bool:
    return isinstance(default, sa.Computed | sa.Identity)


def _compare_generated(
    autogen: AutogenContext,
    changes: ops.ModifyTableOps,
    _schema: str | None,
    name: str,
    present: sa.Table | None,
    wanted: sa.Table | None,
) -> PriorityDispatchResult:
    if present is not None and wanted is not None and autogen.connection is not None:
        for column in wanted.columns:
            old = present.columns.get(column.name)
            if old is not None and _differs(autogen.connection, name, old, column):
                texts = (_text(found, autogen.connection) for found in (old, column))
                changes.ops.append(ChangeGeneratedOp(name, column.name, *texts))
    return CONTINUE


def _differs(connection: Connection, table: str, present: sa.Column[Any], wanted: sa.Column[Any]) -> bool:
    if (present.computed is None) != (wanted.computed is None):
        return True
    if present.computed is not None and wanted.computed is not None:
        dialect = connection.dialect.name
        pair = tuple(expression_sql(found.sqltext, dialect) for found in (present.computed, wanted.computed))
        (same,) = are_same(connection, table, [(pair[0], pair[1])])
        is_stored = [bool(found.persisted) for found in (present.computed, wanted.computed)]
        return same is False or (dialect == "sqlite" and is_stored[0] != is_stored[1])
    # SQLite has no identity: it numbers a key by itself.
    if connection.dialect.name == "sqlite" or (present.identity is None and wanted.identity is None):
        return False
    if present.identity is None or wanted.identity is None:
        return True
    values = ((getattr(wanted.identity, option), getattr(present.identity, option)) for option in OPTIONS)
    return any(new is not None and new != old for new, old in values)


def _text(column: sa.Column[Any], connection: Connection) -> str:
    if column.computed is not None:
        kind = "stored" if column.computed.persisted else "not stored"
        return f"generated as {expression_sql(column.computed.sqltext, connection.dialect.name)} ({kind})"
    if column.identity is None:
        return "neither generated nor an identity"
    options = {option: getattr(column.identity, option) for option in OPTIONS[1:]}
    parts = [f"{option} {value}" for option, value in options.items() if value is not None and value is not False]
    kind = "ALWAYS" if column.identity.always else "BY DEFAULT"
    return " ".join([f"an identity ({', '.join([kind, *parts])})"])
