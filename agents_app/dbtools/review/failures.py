"""Warnings about operations that cannot succeed on this database, however its rows are."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from alembic.operations import MigrateOperation, ops

from agents_app.dbtools.operations.indexes import ANOTHER_NAME, CreateIndexConcurrentlyOp, wanted_index
from agents_app.dbtools.operations.present_indexes import present_name
from agents_app.dbtools.operations.unique_constraints import AddUniqueConstraintOp
from agents_app.dbtools.review import constraint_failures, dependents, new_labels, sqlite_failures
from agents_app.dbtools.review.constraint_failures import LEAVE_OUT, RENAME
from agents_app.dbtools.review.effects import in_schema, index_made, table_name
from agents_app.dbtools.review.facts import DatabaseFacts
from agents_app.dbtools.review.presence import Presence
from agents_app.dbtools.review.sql_operations import CreateViewOp, DropTypeOp, Mark, marks_of
from agents_app.dbtools.review.warnings import StepWarning, certain_failure

Causes = Iterator[tuple[str | None, str, str]]
NEEDS_TABLE = (ops.AddColumnOp, ops.DropColumnOp, ops.AlterColumnOp, ops.CreateIndexOp, ops.AddConstraintOp)


class Failures:
    """Finds what cannot succeed in the steps of one plan, in their order: each is judged with what those before do."""

    def __init__(self, facts: DatabaseFacts) -> None:
        self._presence = Presence(facts)
        self._facts = facts

    def without_missing(self, operations: Iterable[MigrateOperation]) -> list[MigrateOperation]:
        """The operations of the next step, without those on what is not there, which their IF EXISTS allows."""
        presence, kept = self._presence.copied(), []
        for operation in operations:
            if not _is_on_nothing(operation, presence):
                kept.append(operation)
                presence.note(operation)
        return kept

    def of_step(self, operations: Sequence[MigrateOperation], *, is_known: bool) -> list[StepWarning]:
        """The warnings about one step. `is_known`: all of its operations are known."""
        found: list[StepWarning] = []
        for operation in operations:
            # A block decides by itself what it runs.
            if Mark.IN_BLOCK not in marks_of(operation):
                found.extend(certain_failure(table, why, do) for table, why, do in self._causes(operation))
            self._presence.note(operation)
        if self._facts.has_locks:
            labels = new_labels.used_too_early(operations, self._facts)
            found.extend(certain_failure(table, why, do) for table, why, do in labels)
        self._presence.is_unsure = self._presence.is_unsure or not is_known
        return list(dict.fromkeys(found))

    def _causes(self, operation: Any) -> Causes:
        presence = self._presence
        if isinstance(operation, NEEDS_TABLE) and (cause := self._missing_table(operation)):
            yield cause
            return
        if isinstance(operation, (*NEEDS_TABLE, CreateIndexConcurrentlyOp, AddUniqueConstraintOp)):
            yield from dependents.of_partitioned(operation, presence)
        rule = RULES.get(type(operation))
        if rule is not None:
            yield from rule(operation, presence)
        if not self._facts.has_locks:
            yield from sqlite_failures.causes(operation, self._facts)

    def _missing_table(self, operation: Any) -> tuple[str | None, str, str] | None:
        table = table_name(operation, self._facts)
        may_be_missing = Mark.IF_EXISTS in marks_of(operation) or getattr(operation, "modify_name", None) is not None
        if table is None or may_be_missing or self._presence.relation(table) is not False:
            return None
        return table, f"there is no table {table}", LEAVE_OUT


def _is_on_nothing(operation: Any, presence: Presence) -> bool:
    table = table_name(operation, presence.facts)
    may_be_missing = bool(getattr(operation, "if_exists", None))
    if table is None or Mark.IN_BLOCK in marks_of(operation):
        return False
    if Mark.IF_EXISTS in marks_of(operation) or (may_be_missing and isinstance(operation, ops.DropTableOp)):
        return presence.relation(table) is False
    is_column = may_be_missing and isinstance(operation, ops.DropColumnOp)
    return is_column and presence.column(table, operation.column_name) is False


def _create_relation(operation: Any, presence: Presence) -> Causes:
    name = table_name(operation, presence.facts) or ""
    keeps = getattr(operation, "if_not_exists", None) or getattr(operation, "replaces", False)
    if not keeps and presence.relation(name):
        yield name, f"{name} exists already", RENAME


def _drop_table(operation: ops.DropTableOp, presence: Presence) -> Causes:
    name = table_name(operation, presence.facts) or ""
    kind = presence.relation(name)
    if kind is False and not operation.if_exists:
        yield name, f"there is no table {name}", LEAVE_OUT
    elif kind and Mark.CASCADES not in marks_of(operation):
        yield from dependents.of_table(name, presence)


def _create_index(operation: ops.CreateIndexOp, presence: Presence) -> Causes:
    table = table_name(operation, presence.facts)
    name = in_schema(presence.facts, operation, operation.index_name)
    if operation.index_name is not None and not operation.if_not_exists and presence.relation(name):
        yield table, f"{name} exists already", RENAME


def _create_concurrently(operation: CreateIndexConcurrentlyOp, presence: Presence) -> Causes:
    facts, table = presence.facts, table_name(operation, presence.facts) or ""
    name = in_schema(facts, operation, operation.name)
    if not presence.relation(name):
        return
    if (before := presence.indexes.get(name)) is None:
        wanted = wanted_index(operation, operation.name)
        found = facts.safely(lambda: present_name(facts.connection, wanted), None)
        if found is not None and found.cause is not None:
            yield table, found.cause, ANOTHER_NAME
    elif (name, before) != index_made(operation, facts):
        yield table, f"{name} exists already, and is another one", ANOTHER_NAME


def _drop_index(operation: ops.DropIndexOp, presence: Presence) -> Causes:
    name = in_schema(presence.facts, operation, operation.index_name)
    kind = presence.relation(name)
    if kind is False and not operation.if_exists:
        yield None, f"there is no index {name}", LEAVE_OUT
    elif kind == "index" and Mark.CASCADES not in marks_of(operation):
        yield from dependents.of_index(name, presence)
        yield from dependents.of_key(None, name, presence)


def _add_column(operation: ops.AddColumnOp, presence: Presence) -> Causes:
    table, column = table_name(operation, presence.facts) or "", str(operation.column.name)
    if not operation.if_not_exists and presence.column(table, column):
        yield table, f"{table} has a column {column} already", RENAME


def _drop_column(operation: ops.DropColumnOp, presence: Presence) -> Causes:
    table, column = table_name(operation, presence.facts) or "", operation.column_name
    is_there = presence.column(table, column)
    if is_there is False and not operation.if_exists:
        yield table, f"{table} has no column {column}", LEAVE_OUT
    elif is_there and Mark.CASCADES not in marks_of(operation):
        yield from dependents.of_column(table, column, presence)
        yield from dependents.of_referred_column(table, column, presence)


def _alter_column(operation: ops.AlterColumnOp, presence: Presence) -> Causes:
    table, column = table_name(operation, presence.facts) or "", operation.column_name
    is_there = presence.column(table, column)
    if is_there is False and presence.relation(table) == "table":
        yield table, f"{table} has no column {column}", LEAVE_OUT
    elif is_there and operation.modify_type is not None:
        yield from dependents.of_column(table, column, presence)
    new = operation.modify_name
    if new not in (None, column) and presence.column(table, str(new)):
        yield table, f"{table} has a column {new} already", RENAME


def _add_unique(operation: AddUniqueConstraintOp, presence: Presence) -> Causes:
    found = list(constraint_failures.add_constraint(operation, presence))
    yield from found
    if presence.facts.has_locks and not found:
        options = {key: value for key, value in operation.options.items() if key.startswith("postgresql_")}
        index = CreateIndexConcurrentlyOp(operation.name, operation.table_name, operation.columns, True, None, options)
        yield from _create_concurrently(index, presence)


def _drop_type(operation: DropTypeOp, presence: Presence) -> Causes:
    is_there = presence.type(operation.name)
    if is_there is False and Mark.IF_EXISTS not in marks_of(operation):
        yield None, f"there is no type {operation.name}", LEAVE_OUT
    elif is_there and Mark.CASCADES not in marks_of(operation):
        yield from dependents.of_type(operation.name, presence)


RULES: dict[type[MigrateOperation], Callable[[Any, Presence], Causes]] = {
    ops.CreateTableOp: _create_relation,
    CreateViewOp: _create_relation,
    ops.DropTableOp: _drop_table,
    ops.CreateIndexOp: _create_index,
    CreateIndexConcurrentlyOp: _create_concurrently,
    ops.DropIndexOp: _drop_index,
    ops.AddColumnOp: _add_column,
    ops.DropColumnOp: _drop_column,
    ops.AlterColumnOp: _alter_column,
    **constraint_failures.RULES,
    AddUniqueConstraintOp: _add_unique,
    DropTypeOp: _drop_type,
}
