"""Operations that add a label to an enum or remove one. The type itself is created in `enums.py`.

PostgreSQL keeps the labels in a type, SQLite in a CHECK on each column of that enum.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from alembic.autogenerate import renderers
from alembic.autogenerate.api import AutogenContext
from alembic.operations import MigrateOperation, Operations
from alembic.util import CommandError
from sqlalchemy.engine import Connection

from agents_app.database.quoting import quote_if_needed, quote_literal
from agents_app.dbtools.database import session_limits
from agents_app.dbtools.operations.sql import execute
from agents_app.dbtools.output import pluralize

LABEL = re.compile(r"'((?:[^']|'')*)'")
NEEDS_TABLES = "This operation cannot proceed in --sql mode"

# Tables of other schemas are found when the type is replaced.
COLUMNS = """
SELECT relname, attname FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid
WHERE atttypid = to_regtype(:name) AND NOT attisdropped AND relkind IN ('r', 'p') AND pg_table_is_visible(attrelid)
ORDER BY 1, 2
"""

# PostgreSQL cannot remove a label from a type: a new type without it replaces the present one.
REMOVE = """
DO $label$
DECLARE
    present oid = to_regtype({name});
    labels text;
    used record;
BEGIN
    IF NOT EXISTS (SELECT FROM pg_enum WHERE enumtypid = present AND enumlabel = {label}) THEN
        RETURN;
    END IF;
    SELECT string_agg(quote_literal(enumlabel), ', ' ORDER BY enumsortorder) INTO labels
    FROM pg_enum WHERE enumtypid = present AND enumlabel <> {label};
    ALTER TYPE {type} RENAME TO {old};
    EXECUTE format('CREATE TYPE %s AS ENUM (%s)', {name}, labels);
    FOR used IN
        SELECT attrelid::regclass AS relation, quote_ident(attname) AS name, pg_get_expr(adbin, adrelid) AS initial
        FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid AND relkind IN ('r', 'p')
        LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
        WHERE atttypid = present AND NOT attisdropped
    LOOP
        IF used.initial IS NOT NULL THEN
            EXECUTE format('ALTER TABLE %s ALTER COLUMN %s DROP DEFAULT', used.relation, used.name);
        END IF;
        EXECUTE format(
            'ALTER TABLE %s ALTER COLUMN %s TYPE %s USING %s::text::%s',
            used.relation, used.name, {name}, used.name, {name}
        );
        IF used.initial IS NOT NULL THEN
            EXECUTE format(
                'ALTER TABLE %s ALTER COLUMN %s SET DEFAULT %s',
                used.relation, used.name, replace(used.initial, {old_name}, {name})
            );
        END IF;
    END LOOP;
    DROP TYPE {old};
END
$label$
"""


@Operations.register_operation("add_enum_value")
class AddEnumValueOp(MigrateOperation):
    """Add a label to an enum."""

    def __init__(self, name: str, label: str, before: str | None = None) -> None:
        self.name, self.label, self.before = name, label, before

    @classmethod
    def add_enum_value(cls, operations: Operations, name: str, label: str, before: str | None = None) -> None:
        """Add the label to the enum `name`, before the label `before` or at the end, unless the enum has it already.

        On PostgreSQL the operations before this one are committed, so that the next step can use the label: give this
        operation a step of its own. On SQLite the tables that use the enum are rebuilt with their rows.
        """
        operations.invoke(cls(name, label, before))

    def reverse(self) -> "RemoveEnumValueOp":
        return RemoveEnumValueOp(self.name, self.label, self.before)

    def added_to(self, labels: Sequence[str]) -> list[str]:
        """The labels with the new one at its place."""
        if self.label in labels:
            return list(labels)
        place = labels.index(self.before) if self.before in labels else len(labels)
        return [*labels[:place], self.label, *labels[place:]]

    def to_diff_tuple(self) -> tuple[str, str, str]:
        return ("add_enum_value", self.name, self.label)


@Operations.register_operation("remove_enum_value")
class RemoveEnumValueOp(MigrateOperation):
    """Remove a label from an enum."""

    def __init__(self, name: str, label: str, before: str | None = None) -> None:
        # `before` is the label that follows it, for the way back.
        self.name, self.label, self.before = name, label, before

    @classmethod
    def remove_enum_value(cls, operations: Operations, name: str, label: str) -> None:
        """Remove the label from the enum `name` and rewrite each table that uses it. This fails if rows hold it."""
        operations.invoke(cls(name, label))

    def reverse(self) -> AddEnumValueOp:
        return AddEnumValueOp(self.name, self.label, self.before)

    def to_diff_tuple(self) -> tuple[str, str, str]:
        return ("remove_enum_value", self.name, self.label)


@Operations.implementation_for(AddEnumValueOp)
def _add_value(operations: Operations, operation: AddEnumValueOp) -> None:
    if operations.migration_context.dialect.name != "postgresql":
        _change_checks(operations, operation.name, operation.added_to)
        return
    quoted = quote_if_needed(operation.name)
    with operations.migration_context.autocommit_block():
        place = f" BEFORE {quote_literal(operation.before)}" if operation.before is not None else ""
        execute(operations, f"ALTER TYPE {quoted} ADD VALUE IF NOT EXISTS {quote_literal(operation.label)}{place}")


@Operations.implementation_for(RemoveEnumValueOp)
def _remove_value(operations: Operations, operation: RemoveEnumValueOp) -> None:
    if not operations.migration_context.as_sql:
        _refuse_rows_with_label(operations.get_bind(), operation)
    if operations.migration_context.dialect.name != "postgresql":
        _change_checks(operations, operation.name, lambda labels: [text for text in labels if text != operation.label])
        return
    quoted, old = quote_if_needed(operation.name), quote_if_needed(f"{operation.name}_before")
    statement = REMOVE.format(
        type=quoted,
        old=old,
        name=quote_literal(quoted),
        old_name=quote_literal(old),
        label=quote_literal(operation.label),
    )
    execute(operations, statement)


def _refuse_rows_with_label(connection: Connection, operation: RemoveEnumValueOp) -> None:
    for table, column in list(_columns_with_label(connection, operation)):
        holds = sa.cast(sa.column(column), sa.Text()) == operation.label
        with session_limits.without_statement_limit(connection):
            count = connection.scalar(sa.select(sa.func.count()).select_from(sa.table(table)).where(holds))
        if count:
            rows = f"{pluralize(count, 'row')} of {table} with the label {operation.label} in {column}"
            raise CommandError(f"{rows}. Give each row another label, then run the command again.")


def _columns_with_label(connection: Connection, operation: RemoveEnumValueOp) -> Iterator[tuple[str, str]]:
    if connection.dialect.name != "postgresql":
        for check in label_checks(connection, operation.name):
            if operation.label in check.labels:
                yield check.table, check.column
        return
    for row in connection.execute(sa.text(COLUMNS), {"name": quote_if_needed(operation.name)}):
        yield row[0], row[1]


@dataclass(frozen=True)
class LabelCheck:
    """The CHECK on a column of SQLite that allows only the labels of an enum."""

    table: str
    column: str
    name: str
    labels: tuple[str, ...]


def label_checks(connection: Connection, enum: str) -> Iterator[LabelCheck]:
    """Every CHECK for the labels of this enum; its name contains the name of the enum."""
    inspector = sa.inspect(connection)
    for table in inspector.get_table_names():
        for check in inspector.get_check_constraints(table):
            column, _, values = check["sqltext"].partition(" IN ")
            if check["name"] == f"ck_{table}_{enum}" and values:
                labels = tuple(label.replace("''", "'") for label in LABEL.findall(values))
                yield LabelCheck(table, column.strip('" '), f"ck_{table}_{enum}", labels)


def _change_checks(operations: Operations, enum: str, change: Callable[[list[str]], list[str]]) -> None:
    if operations.migration_context.as_sql:
        raise CommandError(NEEDS_TABLES)
    for check in list(label_checks(operations.get_bind(), enum)):
        labels = change(list(check.labels))
        if labels == list(check.labels):
            continue
        with operations.batch_alter_table(check.table) as batch:
            batch.drop_constraint(batch.f(check.name), type_="check")
            batch.alter_column(check.column, type_=sa.String(max(map(len, labels))))
            batch.create_check_constraint(batch.f(check.name), sa.column(check.column).in_(labels))


@renderers.dispatch_for(AddEnumValueOp)
def _render_add(_context: AutogenContext, operation: AddEnumValueOp) -> str:
    place = f", before={operation.before!r}" if operation.before is not None else ""
    return f"op.add_enum_value({operation.name!r}, {operation.label!r}{place})"


@renderers.dispatch_for(RemoveEnumValueOp)
def _render_remove(_context: AutogenContext, operation: RemoveEnumValueOp) -> str:
    return f"op.remove_enum_value({operation.name!r}, {operation.label!r})"
