"""Labels of an enum that are used in the transaction that adds them, which PostgreSQL refuses."""

import re
from collections.abc import Iterator, Sequence
from typing import Any

import sqlalchemy as sa
from alembic.operations import MigrateOperation, ops

from agents_app.database.quoting import quote_literal
from agents_app.dbtools.operations.enum_values import AddEnumValueOp
from agents_app.dbtools.operations.enums import CreateEnumOp
from agents_app.dbtools.review.column_rules import text_of
from agents_app.dbtools.review.dependents import version_of
from agents_app.dbtools.review.effects import table_name
from agents_app.dbtools.review.facts import DatabaseFacts, quote_path
from agents_app.dbtools.review.sql_operations import Mark, marks_of

Causes = Iterator[tuple[str | None, str, str]]
HAS_TYPE = sa.text("""
SELECT 1 FROM pg_attribute WHERE attrelid = to_regclass(:table) AND atttypid = to_regtype(:name) AND NOT attisdropped
""")
# From this version on a label can be used at once if its enum was created in the same transaction.
ALLOWED_IN_NEW_ENUM = (17,)
INSTEAD = "In a step of its own before this one: op.add_enum_value('{}', '{}')"


def used_too_early(operations: Sequence[MigrateOperation], facts: DatabaseFacts) -> Causes:
    """The labels that plain SQL adds to an enum and that a later operation of the same transaction uses."""
    is_lenient = version_of(facts.connection) >= ALLOWED_IN_NEW_ENUM
    created = {operation.name for operation in operations if isinstance(operation, CreateEnumOp) and is_lenient}
    added: list[tuple[str, str]] = []
    for operation in operations:
        if Mark.IN_AUTOCOMMIT in marks_of(operation):
            continue
        for enum, label in added:
            if _uses(operation, enum, label, facts):
                why = f"the label {label} of the enum {enum} is used in the transaction that adds it"
                yield table_name(operation, facts), why, INSTEAD.format(enum, label)
        if isinstance(operation, AddEnumValueOp) and Mark.FROM_SQL in marks_of(operation):
            added += [(operation.name, operation.label)] if operation.name not in created else []


def _uses(operation: Any, enum: str, label: str, facts: DatabaseFacts) -> bool:
    text = _text(operation)
    if isinstance(operation, AddEnumValueOp) or quote_literal(label) not in text:
        return False
    if re.search(rf"(::|\bAS\s+)\"?{re.escape(enum)}\b", text, re.IGNORECASE):
        return True
    table = table_name(operation, facts)
    return table is not None and bool(facts.read(HAS_TYPE, table=quote_path(table), name=quote_path(enum)))


def _text(operation: Any) -> str:
    if isinstance(operation, ops.BulkInsertOp):
        return " ".join(quote_literal(str(value)) for row in operation.rows for value in row.values())
    default = getattr(operation, "modify_server_default", None)
    if default not in (None, False):
        return quote_literal(default) if isinstance(default, str) else text_of(default)
    return str(getattr(operation, "source", ""))
