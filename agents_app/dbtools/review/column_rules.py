"""The rules about columns and about the labels of enums."""

import re
from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa
from alembic.operations import ops

from agents_app.database.quoting import quote_literal
from agents_app.dbtools.database.column_types import is_plain_cast, is_same, type_text
from agents_app.dbtools.operations.constraints import SetNotNullOp
from agents_app.dbtools.operations.enum_values import AddEnumValueOp, RemoveEnumValueOp
from agents_app.dbtools.review import column_warnings, table_warnings, type_facts
from agents_app.dbtools.review.facts import DatabaseFacts
from agents_app.dbtools.review.sql_operations import EditCatalogOp, Mark, RenameLabelOp, marks_of
from agents_app.dbtools.review.warnings import StepWarning

# Some of these come with extensions that an earlier step creates.
VOLATILE = re.compile(
    r"gen_random_uuid|uuid_generate_v\w+|random|clock_timestamp|timeofday|nextval|uuidv\d", re.IGNORECASE
)
# A text, in which no function is called.
TEXT = re.compile(r"'(?:[^']|'')*'")
CALL = re.compile(r"([a-z_]\w*)\"?\s*\(", re.IGNORECASE)


def _drop_column(operation: ops.DropColumnOp, table: str, facts: DatabaseFacts) -> Iterator[StepWarning]:
    if operation.if_exists and not facts.has_column(table, operation.column_name):
        return
    dropped = column_warnings.column_dropped(table, operation.column_name, facts.rows(table))
    yield table_warnings.without_saved_rows(dropped) if Mark.FROM_SQL in marks_of(operation) else dropped


def _add_column(operation: ops.AddColumnOp, table: str, facts: DatabaseFacts) -> Iterator[StepWarning]:
    column = operation.column
    if operation.if_not_exists and facts.has_column(table, column.name):
        return
    has_value = column.server_default is not None or column.identity is not None or column.computed is not None
    if not column.nullable and not has_value and (facts.rows(table) != 0):
        yield column_warnings.value_missing(table, column.name)
    if not has_value:
        facts.added.add((table, column.name))
    if facts.is_in_use(table):
        yield from _work_of_new_column(operation, table, facts)


def _work_of_new_column(operation: ops.AddColumnOp, table: str, facts: DatabaseFacts) -> Iterator[StepWarning]:
    column = operation.column
    default = "" if column.computed is not None else _default_text(column)
    if column.identity is not None:
        yield column_warnings.identity_added(table, column.name)
    elif is_volatile(default, facts):
        yield column_warnings.volatile_default(table, column.name, default)
    if column.computed is not None and column.computed.persisted is not False:
        yield column_warnings.generated_column_added(table, column.name)
    if type_facts.base_type(facts, type_text(column.type))[1]:
        yield column_warnings.domain_checked(table, column.name, type_text(column.type))
    if column.unique:
        name = f"uq_{table}_{column.name}"
        yield table_warnings.unique_added(
            table, name, f"op.add_unique_constraint({name!r}, {table!r}, {[column.name]})"
        )
    if column.index:
        name = f"ix_{table}_{column.name}"
        yield table_warnings.index_created(
            table, name, f"op.create_index_concurrently({name!r}, {table!r}, {[column.name]})"
        )
    for key in column.foreign_keys if not getattr(operation, "inline_references", None) else ():
        referent = key.target_fullname.rpartition(".")[0]
        name = str(key.name or f"fk_{table}_{column.name}_{referent}")
        yield table_warnings.not_validated(table, "FOREIGN KEY", name, referent)


def is_volatile(default: str, facts: DatabaseFacts) -> bool:
    """Whether a default can have another value in each row."""
    called = CALL.findall(TEXT.sub("''", default))
    return any(VOLATILE.fullmatch(name) or facts.is_volatile(name) for name in called)


def _alter_column(operation: ops.AlterColumnOp, table: str, facts: DatabaseFacts) -> Iterator[StepWarning]:
    column = operation.column_name
    if operation.modify_name is not None and operation.modify_name != column:
        yield column_warnings.column_renamed(table, column, operation.modify_name)
    if operation.modify_type is not None and facts.is_in_use(table):
        yield from _change_type(operation, table, facts)
    if isinstance(operation.modify_server_default, sa.Identity) and operation.modify_server_default.always:
        yield column_warnings.always_generated(table, column)
    if operation.modify_server_default not in (False, None):
        facts.added.discard((table, column))
        facts.defaulted.add((table, column))
    elif operation.modify_server_default is None and facts.has_default(table, column):
        yield column_warnings.default_dropped(table, column, is_required=facts.is_not_null(table, column))
    if operation.modify_nullable is False:
        yield from _refused_rows(table, column, facts)
        if facts.is_in_use(table) and not _is_never_null(table, column, facts):
            yield column_warnings.not_null_set(table, column)


def _set_not_null(operation: SetNotNullOp, table: str, facts: DatabaseFacts) -> Iterator[StepWarning]:
    yield from _refused_rows(table, operation.column_name, facts)


def _refused_rows(table: str, column: str, facts: DatabaseFacts) -> Iterator[StepWarning]:
    # New rows of the running release, which may leave the column empty.
    if (table, column) in facts.added:
        yield column_warnings.not_null_too_early(table, column)
        return
    is_there = facts.rows(table) != 0 and facts.has_column(table, column)
    if is_there and not _is_never_null(table, column, facts) and not facts.has_default(table, column):
        yield column_warnings.not_null_without_default(table, column)


def _is_never_null(table: str, column: str, facts: DatabaseFacts) -> bool:
    return facts.is_not_null(table, column) or facts.is_checked(table, column)


def _change_type(operation: ops.AlterColumnOp, table: str, facts: DatabaseFacts) -> Iterator[StepWarning]:
    wanted, column = type_text(operation.modify_type), operation.column_name
    present = facts.column_type(table, column)
    if present is None and operation.existing_type is not None:
        present = type_text(operation.existing_type)
    is_plain = is_plain_cast(operation.kw.get("postgresql_using"), column, wanted)
    if present is None or not is_plain or not type_facts.keeps_table(facts, present, wanted):
        yield column_warnings.type_changed(table, column, wanted.upper())
        return
    if not type_facts.keeps_order(facts, present, wanted):
        indexes = type_facts.indexes_on(facts, table, column)
        yield column_warnings.type_relabelled(table, column, wanted.upper(), indexes)
    if not is_same(present, wanted):
        for name in type_facts.checks_on(facts, table, column):
            yield column_warnings.checked_again(table, column, name)


def _default_text(column: Any) -> str:
    # A plain text of Python is a text of SQL, in which nothing is called.
    value = getattr(column.server_default, "arg", None)
    return "" if value is None else quote_literal(value) if isinstance(value, str) else text_of(value)


def text_of(value: Any) -> str:
    """The SQL of a default or of the column of an index."""
    return str(getattr(value, "text", value)).replace("\\:", ":")


def _remove_label(operation: RemoveEnumValueOp, _table: None, _facts: DatabaseFacts) -> Iterator[StepWarning]:
    yield column_warnings.label_removed(operation.name, operation.label)


def _rename_label(operation: RenameLabelOp, _table: None, _facts: DatabaseFacts) -> Iterator[StepWarning]:
    yield column_warnings.label_renamed(operation.name, operation.label, operation.new_label)


def _add_label(operation: AddEnumValueOp, _table: None, _facts: DatabaseFacts) -> Iterator[StepWarning]:
    if marks_of(operation) & (Mark.FROM_SQL | Mark.IN_AUTOCOMMIT) == Mark.FROM_SQL:
        yield column_warnings.label_added_by_sql(operation.name, operation.label)


def _edit_catalog(operation: EditCatalogOp, _table: None, facts: DatabaseFacts) -> Iterator[StepWarning]:
    yield column_warnings.catalog_edited(operation.statement, facts.database)


RULES: dict[Any, Any] = {
    ops.DropColumnOp: _drop_column,
    ops.AddColumnOp: _add_column,
    ops.AlterColumnOp: _alter_column,
    SetNotNullOp: _set_not_null,
    RemoveEnumValueOp: _remove_label,
    RenameLabelOp: _rename_label,
    AddEnumValueOp: _add_label,
    EditCatalogOp: _edit_catalog,
}
