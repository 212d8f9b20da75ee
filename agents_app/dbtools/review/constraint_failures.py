"""Why PostgreSQL refuses to add or drop a constraint, an enum's label, or what a foreign key needs."""

from collections.abc import Callable, Iterator
from typing import Any

import sqlalchemy as sa
from alembic.operations import MigrateOperation, ops

from agents_app.dbtools.operations.enum_values import AddEnumValueOp
from agents_app.dbtools.review import dependents, type_facts
from agents_app.dbtools.review.effects import final_constraint_name, in_schema, table_name
from agents_app.dbtools.review.facts import quote_path
from agents_app.dbtools.review.presence import Presence
from agents_app.dbtools.review.sql_operations import Mark, marks_of

Causes = Iterator[tuple[str | None, str, str]]
RENAME = "Choose another name, or leave it out if it is the same."
LEAVE_OUT = "Leave it out, or look for the right name."
PRIMARY_KEY = sa.text("""
SELECT conname, ARRAY(SELECT attname::text FROM pg_attribute WHERE attrelid = conrelid AND attnum = ANY (conkey))
    AS columns
FROM pg_constraint WHERE conrelid = to_regclass(:table) AND contype = 'p'
""")


def drop_constraint(operation: ops.DropConstraintOp, presence: Presence) -> Causes:
    """Whether a constraint is missing, or a foreign key needs it."""
    table, name = table_name(operation, presence.facts) or "", str(operation.constraint_name)
    if operation.constraint_name is None:
        return
    is_there = presence.constraint(table, name)
    if is_there is False and not operation.if_exists:
        yield table, f"{table} has no constraint {name}", LEAVE_OUT
    elif is_there and Mark.CASCADES not in marks_of(operation):
        yield from dependents.of_key(table, in_schema(presence.facts, operation, name), presence)


def add_constraint(operation: Any, presence: Presence) -> Causes:
    """Whether a name is taken, or a second primary key is added."""
    facts, table = presence.facts, table_name(operation, presence.facts) or ""
    if not facts.has_locks:
        return
    name = final_constraint_name(operation)
    if name is not None and presence.has_constraint(table, name):
        yield table, f"{table} has a constraint {name} already", RENAME
    elif isinstance(operation, ops.CreatePrimaryKeyOp):
        for row in facts.read(PRIMARY_KEY, table=quote_path(table)):
            if not presence.is_made(table) and not presence.may_be_dropped(table, row.conname, row.columns):
                yield table, f"{table} has a primary key already, {row.conname}", "First drop it, or leave this out."


def foreign_key(operation: ops.CreateForeignKeyOp, presence: Presence) -> Causes:
    """Whether a name is taken, a table or column is missing, or the columns that it refers to are not unique."""
    facts = presence.facts
    table = table_name(operation, facts) or ""
    referent = facts.qualified(str(operation.referent_table), operation.kw.get("referent_schema"))
    if presence.relation(referent) is False:
        yield table, f"there is no table {referent}", LEAVE_OUT
        return
    if not facts.has_locks:
        return
    for name, columns in ((table, operation.local_cols), (referent, operation.remote_cols)):
        for column in columns:
            if presence.column(name, column) is False:
                yield name, f"{name} has no column {column}", LEAVE_OUT
                return
    yield from add_constraint(operation, presence)
    yield from dependents.of_foreign_key(operation, table, referent, presence)


def add_label(operation: AddEnumValueOp, presence: Presence) -> Causes:
    """Whether plain SQL adds a label that the enum has."""
    enum, marks = operation.name, marks_of(operation)
    if Mark.FROM_SQL not in marks or Mark.IF_EXISTS in marks or not presence.facts.has_locks:
        return
    is_sure = not presence.is_unsure and not presence.is_type_changed(enum)
    present = {*type_facts.labels_of(presence.facts, enum), *presence.labels.get(enum, ())} if is_sure else set()
    if operation.label in present:
        yield None, f"the enum {enum} has the label {operation.label} already", "Leave it out, or write IF NOT EXISTS."


RULES: dict[type[MigrateOperation], Callable[[Any, Presence], Causes]] = {
    ops.DropConstraintOp: drop_constraint,
    ops.CreateForeignKeyOp: foreign_key,
    ops.CreateCheckConstraintOp: add_constraint,
    ops.CreateUniqueConstraintOp: add_constraint,
    ops.CreatePrimaryKeyOp: add_constraint,
    AddEnumValueOp: add_label,
}
