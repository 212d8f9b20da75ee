"""Operations for PostgreSQL's enum types, and a `create_table` that accepts a type that exists already.

On SQLite an enum is a text column with a CHECK, and these operations do nothing.
"""

from collections.abc import Iterable, Iterator
from typing import Any

import sqlalchemy as sa
from alembic.autogenerate import renderers
from alembic.autogenerate.api import AutogenContext
from alembic.operations import MigrateOperation, Operations, ops

from agents_app.database.quoting import quote_if_needed, quote_literal
from agents_app.dbtools.operations.sql import execute

CREATE = """
DO $enum$
DECLARE
    present oid = to_regtype({name});
    kind text;
    labels text;
    users text;
BEGIN
    IF present IS NULL THEN
        CREATE TYPE {type} AS ENUM ({labels});
        RETURN;
    END IF;
    SELECT typtype INTO kind FROM pg_type WHERE oid = present;
    IF kind <> 'e' THEN
        RAISE EXCEPTION USING MESSAGE = {no_enum};
    END IF;
    SELECT string_agg(enumlabel, ', ' ORDER BY enumsortorder) INTO labels FROM pg_enum WHERE enumtypid = present;
    IF ARRAY(SELECT CAST(enumlabel AS text) FROM pg_enum WHERE enumtypid = present ORDER BY 1)
        <> ARRAY(SELECT unnest(ARRAY[{labels}]) ORDER BY 1) THEN
        SELECT string_agg(attrelid::regclass || '.' || quote_ident(attname), ', ' ORDER BY 1) INTO users
        FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid AND relkind IN ('r', 'p', 'm', 'f')
        WHERE atttypid IN (present, to_regtype({array})) AND NOT attisdropped;
        RAISE EXCEPTION USING MESSAGE = {other_labels} || coalesce(labels, 'none')
            || coalesce('. It is used by ' || users || {in_use}, {advice});
    END IF;
END
$enum$
"""

IN_USE = (
    ". Write the labels that are there into this step, or first change them in a step of its own, "
    + "with op.add_enum_value or op.remove_enum_value."
)
ADVICE = "Rename or drop it, then try again."

DROP = """
DO $enum$
BEGIN
    IF EXISTS (SELECT FROM pg_type WHERE oid = to_regtype({name}) AND typtype = 'e')
        AND NOT EXISTS (
            SELECT FROM pg_attribute
            WHERE atttypid IN (to_regtype({name}), to_regtype({array})) AND NOT attisdropped
        ) THEN
        DROP TYPE {type};
    END IF;
END
$enum$
"""


@Operations.register_operation("create_enum")
class CreateEnumOp(MigrateOperation):
    """Create an enum type. An existing type is accepted if it has the same labels, and refused if it has others."""

    def __init__(self, name: str, labels: Iterable[str]) -> None:
        self.name = name
        self.labels = tuple(labels)

    @classmethod
    def create_enum(cls, operations: Operations, name: str, *labels: str) -> None:
        """Create the enum type `name` unless it exists with the same labels."""
        operations.invoke(cls(name, labels))

    def reverse(self) -> "DropEnumOp":
        return DropEnumOp(self.name, self.labels)

    def to_diff_tuple(self) -> tuple[Any, ...]:
        return ("create_enum", self.name, *self.labels)


@Operations.register_operation("drop_enum")
class DropEnumOp(MigrateOperation):
    """Drop an enum type, unless a column still uses it."""

    def __init__(self, name: str, labels: Iterable[str]) -> None:
        self.name = name
        self.labels = tuple(labels)

    @classmethod
    def drop_enum(cls, operations: Operations, name: str, *labels: str) -> None:
        """Drop the enum type `name` unless a column still uses it. Its reverse operation needs the labels."""
        operations.invoke(cls(name, labels))

    def reverse(self) -> CreateEnumOp:
        return CreateEnumOp(self.name, self.labels)

    def to_diff_tuple(self) -> tuple[Any, ...]:
        return ("drop_enum", self.name, *self.labels)


@Operations.implementation_for(CreateEnumOp)
def _create_enum(operations: Operations, operation: CreateEnumOp) -> None:
    if operations.migration_context.dialect.name != "postgresql":
        return
    quoted = quote_if_needed(operation.name)
    wanted = ", ".join(operation.labels)
    statement = CREATE.format(
        name=quote_literal(quoted),
        type=quoted,
        labels=", ".join(map(quote_literal, operation.labels)),
        no_enum=quote_literal(f"{operation.name} exists and is not an enum. Needed: an enum with {wanted}. {ADVICE}"),
        other_labels=quote_literal(f"The type {operation.name} exists with other labels. Needed: {wanted}. Present: "),
        advice=quote_literal(f". {ADVICE}"),
        in_use=quote_literal(IN_USE),
        array=quote_literal(f"{quoted}[]"),
    )
    execute(operations, statement)


@Operations.implementation_for(DropEnumOp)
def _drop_enum(operations: Operations, operation: DropEnumOp) -> None:
    if operations.migration_context.dialect.name != "postgresql":
        return
    quoted = quote_if_needed(operation.name)
    execute(operations, DROP.format(name=quote_literal(quoted), array=quote_literal(f"{quoted}[]"), type=quoted))


@Operations.implementation_for(ops.CreateTableOp, replace=True)
def _create_table(operations: Operations, operation: ops.CreateTableOp) -> sa.Table:
    table = operation.to_table(operations.migration_context)
    dialect = operations.impl.dialect
    if dialect.name == "postgresql":
        for enum in native_enum_types(table.columns):
            operations.invoke(CreateEnumOp(enum.name or "", enum.enums))
            # The table must not create it a second time.
            enum.dialect_impl(dialect).create_type = False  # type: ignore[attr-defined]
    options = {} if operation.if_not_exists is None else {"if_not_exists": operation.if_not_exists}
    operations.impl.create_table(table, **options)
    return table


def native_enum_types(columns: Iterable[sa.Column[Any]]) -> Iterator[sa.Enum]:
    """The enums of these columns that are types of their own on PostgreSQL."""
    for column in columns:
        if isinstance(column.type, sa.Enum) and column.type.native_enum and column.type.name:
            yield column.type


@renderers.dispatch_for(CreateEnumOp)
def _render_create_enum(_context: AutogenContext, operation: CreateEnumOp) -> str:
    return f"op.create_enum({', '.join(map(repr, (operation.name, *operation.labels)))})"


@renderers.dispatch_for(DropEnumOp)
def _render_drop_enum(_context: AutogenContext, operation: DropEnumOp) -> str:
    return f"op.drop_enum({', '.join(map(repr, (operation.name, *operation.labels)))})"
