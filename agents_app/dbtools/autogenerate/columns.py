"""The parts of differences in columns of tables that exist: added, changed and dropped columns."""

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from alembic.operations import ops

from agents_app.database.quoting import quote_if_needed
from agents_app.dbtools.autogenerate import fills
from agents_app.dbtools.autogenerate.parts import THIS_REVISION, Part, Stage, batch, call
from agents_app.dbtools.autogenerate.table_history import TableHistory
from agents_app.dbtools.database.column_types import is_wider, needs_using, type_text, without_collation
from agents_app.dbtools.operations.enums import CreateEnumOp, DropEnumOp, native_enum_types
from agents_app.dbtools.operations.sql import written_sql

ZEROS: dict[type, str] = {
    sa.Integer: "0",
    sa.Numeric: "0",
    sa.Boolean: "false",
    sa.Uuid: f"'{'0' * 32}'",
    sa.JSON: "'{}'",
    sa.DateTime: "'1970-01-01 00:00:00'",
    sa.Date: "'1970-01-01'",
    sa.String: "''",
}

NOT_FILLED = """\
No step fills {table}.{name}: {reason}. Rows without a value are refused.
If the table has rows, write a step before this one that fills it, with op.fill_rows:
flask db revision -m fill_{table}_{name} --before {revision}"""

NO_DEFAULT = "its model has no default that a file can contain"


@dataclass(frozen=True)
class Difference:
    """What the rules need to know: the tables of the models, the history, and the other operations on one table."""

    metadata: sa.MetaData
    history: dict[str, TableHistory]

    def column(self, table: str, name: str) -> sa.Column[Any] | None:
        """The column as the migrations made it; None if they do not tell."""
        found = self.history.get(table, TableHistory()).columns.get(name)
        return None if found is None else copy_column(found)

    def is_unique(self, table: str, name: str) -> bool:
        """Whether no two rows could get the same value, or a value must be in another table."""
        found = self.history.get(table, TableHistory())
        indexes: list[Any] = [index for index in found.indexes.values() if index.unique]
        uniques = [rule for rule in found.constraints.values() if isinstance(rule, ops.CreateUniqueConstraintOp)]
        columns = [str(getattr(column, "name", column)) for rule in (*indexes, *uniques) for column in rule.columns]
        keys = [rule for rule in found.constraints.values() if isinstance(rule, ops.CreateForeignKeyOp)]
        return name in [*columns, *(column for key in keys for column in key.local_cols)]

    def own_checks(self, table: str, name: str) -> list[ops.CreateCheckConstraintOp]:
        """The CHECKs on a column, and on no other one."""
        found = self.history.get(table, TableHistory())
        checks = [rule for rule in found.constraints.values() if isinstance(rule, ops.CreateCheckConstraintOp)]
        return [check for check in checks if [column for column in found.columns if _names(check, column)] == [name]]


def copy_column(column: sa.Column[Any]) -> sa.Column[Any]:
    """The column without its table."""
    return column._copy()


def added(operation: ops.AddColumnOp, difference: Difference) -> Iterator[Part]:
    """A new column. Without a value for the rows that exist it begins nullable."""
    table, column = operation.table_name, operation.column
    has_value = column.server_default is not None or column.computed is not None or column.identity is not None
    drop = batch(table, ops.DropColumnOp(table, column.name))
    if column.nullable or has_value:
        yield Part(Stage.EXPAND, "", [batch(table, operation)], [drop])
        return
    nullable = copy_column(column)
    nullable.nullable = True
    yield Part(Stage.EXPAND, "", [batch(table, ops.AddColumnOp(table, nullable))], [drop])
    yield from _not_null(table, column.name, difference)


def _not_null(table: str, name: str, difference: Difference) -> Iterator[Part]:
    model = difference.metadata.tables.get(table)
    reason = fills.why_refused(model, name)
    fill = None if reason else fills.fill_from_model(model, name)
    if fill is not None:
        yield Part(Stage.FILL, f"fill_{table}_{name}", [fill])
    remark = NOT_FILLED.format(table=table, name=name, revision=THIS_REVISION, reason=reason or NO_DEFAULT)
    remark = remark if fill is None else ""
    back = batch(table, ops.AlterColumnOp(table, name, modify_nullable=True))
    step = call("set_not_null", table, name)
    yield Part(Stage.NOT_NULL, f"not_null_{table}_{name}", [step], [back], remark=remark, target=(table, name))


def altered(operation: ops.AlterColumnOp, difference: Difference) -> Iterator[Part]:
    """A changed column: each change in the file in which it is safe."""
    table, name = operation.table_name, operation.column_name
    present = difference.column(table, name)
    if operation.modify_type is not None:
        default = None if present is None else present.server_default
        yield _new_type(operation, present.type if present is not None else operation.existing_type, default)
    if operation.modify_server_default is not False:
        old = present.server_default if present is not None else operation.existing_server_default
        yield _new_default(operation, old)
    if operation.modify_comment is not False:
        change = ops.AlterColumnOp(
            table, name, modify_comment=operation.modify_comment, existing_comment=operation.existing_comment
        )
        yield Part(Stage.EXPAND, "", [batch(table, change)], [batch(table, change.reverse())])
    if operation.modify_nullable is False:
        yield from _not_null(table, name, difference)
    elif operation.modify_nullable:
        yield _optional(table, name)


def _optional(table: str, name: str) -> Part:
    change = batch(table, ops.AlterColumnOp(table, name, modify_nullable=True))
    return Part(Stage.OPTIONAL, f"optional_{table}_{name}", [change], [call("set_not_null", table, name)])


def _new_default(operation: ops.AlterColumnOp, old: Any) -> Part:
    table, name = operation.table_name, operation.column_name
    change = batch(table, ops.AlterColumnOp(table, name, modify_server_default=operation.modify_server_default))
    back = batch(table, ops.AlterColumnOp(table, name, modify_server_default=old))
    if operation.modify_server_default is None:
        # The running release may rely on it.
        return Part(Stage.NOT_NULL, f"drop_default_{table}_{name}", [change], [back])
    return Part(Stage.EXPAND, "", [change], [back])


def _new_type(operation: ops.AlterColumnOp, old: Any, default: Any) -> Part:
    table, name, new = operation.table_name, operation.column_name, operation.modify_type
    changes = _to_type(table, name, old, new, default)
    back = _to_type(table, name, new, old, default)
    if is_wider(old, new):
        return Part(Stage.EXPAND, "", [batch(table, *changes)], [batch(table, *back)])
    again = [*_enums(old, CreateEnumOp), batch(table, *back), *_enums(new, DropEnumOp)]
    change = [*_enums(new, CreateEnumOp), batch(table, *changes), *_enums(old, DropEnumOp)]
    return Part(Stage.TYPE, f"type_{table}_{name}", change, again)


def _enums(kind: Any, operation: type[CreateEnumOp] | type[DropEnumOp]) -> list[Any]:
    # A type is created before it is used, and dropped when no column uses it any more.
    column = sa.Column("any", sa.types.to_instance(kind))
    return [operation(enum.name or "", enum.enums) for enum in native_enum_types([column])]


def _to_type(table: str, name: str, old: Any, new: Any, default: Any) -> list[ops.AlterColumnOp]:
    # PostgreSQL computes the values of a generated column again, and allows no USING there.
    is_computed = isinstance(default, sa.Computed)
    has_using = needs_using(old, new) and not is_computed
    options: dict[str, Any] = {"postgresql_using": _cast(name, old, new)} if has_using else {}
    change = ops.AlterColumnOp(table, name, existing_type=old, modify_type=new, **options)
    if default is None or is_wider(old, new) or is_computed or isinstance(default, sa.Identity):
        return [change]
    # PostgreSQL does not convert the default.
    without, again = (ops.AlterColumnOp(table, name, modify_server_default=found) for found in (None, default))
    return [without, change, again]


def _cast(name: str, old: Any, new: Any) -> str:
    # Alembic sends it as it is, and psycopg2 needs each % twice.
    value = quote_if_needed(name).replace("%", "%%")
    if isinstance(old, sa.Enum) and isinstance(new, sa.Enum):
        # PostgreSQL has no cast from one enum to another.
        value = f"CAST({value} AS TEXT)"
    return f"CAST({value} AS {without_collation(type_text(new))})"


def dropped(operation: ops.DropColumnOp, difference: Difference) -> Iterator[Part]:
    """A column without a model. The new release does not write it, so it must not be required until it is dropped."""
    table, name = operation.table_name, operation.column_name
    column = difference.column(table, name)
    if column is None:
        column = copy_column(operation.to_column())
    if not column.nullable and column.server_default is None and column.computed is None and column.identity is None:
        zero = None if difference.is_unique(table, name) else neutral_default(column)
        if zero is not None and not all(accepts(check, name, zero) for check in difference.own_checks(table, name)):
            zero = None
        if zero is None:
            yield _optional(table, name)
            column.nullable = True
        else:
            change = ops.AlterColumnOp(table, name, modify_server_default=sa.DefaultClause(sa.text(zero)))
            back = ops.AlterColumnOp(table, name, modify_server_default=None)
            yield Part(Stage.OPTIONAL, f"default_{table}_{name}", [batch(table, change)], [batch(table, back)])
            column.server_default = sa.DefaultClause(sa.text(zero))
    enums = [CreateEnumOp(enum.name or "", enum.enums) for enum in native_enum_types([column])]
    drops: list[DropEnumOp] = [enum.reverse() for enum in enums]
    again = batch(table, ops.AddColumnOp(table, column))
    yield Part(
        Stage.DROP_COLUMN,
        f"drop_{table}_{name}",
        [batch(table, ops.DropColumnOp(table, name)), *drops],
        [*enums, again],
    )


def accepts(check: ops.CreateCheckConstraintOp, name: str, value: str) -> bool:
    """Whether a CHECK on one column accepts a value, both as SQL. False if SQLite cannot tell."""
    row = f"SELECT {value} AS {quote_if_needed(name)}"
    with closing(sqlite3.connect(":memory:")) as connection, suppress(sqlite3.Error):
        return bool(connection.execute(f"SELECT ({_condition(check)}) FROM ({row})").fetchone()[0] != 0)  # noqa: S608
    return False


def _condition(check: ops.CreateCheckConstraintOp) -> str:
    return check.condition if isinstance(check.condition, str) else written_sql(check.condition, is_text=False)


def _names(check: ops.CreateCheckConstraintOp, column: str) -> bool:
    return re.search(rf"(?<!\w){re.escape(column)}(?!\w)", _condition(check), re.IGNORECASE) is not None


def neutral_default(column: sa.Column[Any]) -> str | None:
    """A value for rows of a release that does not know the column, as SQL; None if its type has none."""
    if isinstance(column.type, sa.Enum):
        return f"'{column.type.enums[0]}'" if column.type.enums else None
    if column.primary_key:
        return None
    kind = column.type.impl_instance if isinstance(column.type, sa.TypeDecorator) else column.type
    return next((zero for known, zero in ZEROS.items() if isinstance(kind, known)), None)
