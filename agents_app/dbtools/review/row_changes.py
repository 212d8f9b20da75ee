"""Which rows the steps of a plan change, and whether that can repair the rows beyond a limit of a later step."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Flag, auto
from typing import Any

import sqlalchemy as sa
from alembic.operations import Operations, ops
from alembic.runtime.migration import MigrationContext
from sqlalchemy.exc import NoSuchTableError
from sqlalchemy.sql import visitors

from agents_app.dbtools.operations.renames import AnswerRenameOp, fill_of
from agents_app.dbtools.operations.rows_and_tables import FillRowsOp
from agents_app.dbtools.operations.table_fills import FillTableOp
from agents_app.dbtools.review import catalog, type_facts
from agents_app.dbtools.review.facts import DatabaseFacts
from agents_app.dbtools.review.limit_queries import RowLimit, is_named
from agents_app.dbtools.review.sql_operations import (
    ChangeRowsOp,
    DetachPartitionOp,
    Mark,
    RefreshViewOp,
    TruncateOp,
    WriteHookOp,
    marks_of,
)
from agents_app.dbtools.review.sql_rows import tables_read


class Effect(Flag):
    """What a statement does with the rows of a table."""

    # Other values where there are values.
    VALUES = auto()
    # Values where there were none.
    MISSING = auto()
    ADDS = auto()
    DELETES = auto()


WRITES = Effect.VALUES | Effect.MISSING
EVERYTHING = WRITES | Effect.ADDS | Effect.DELETES
VERBS = {"UPDATE": WRITES, "DELETE": Effect.DELETES}


@dataclass(frozen=True)
class RowChange:
    """What a step does with rows. `table` is None for any table, and `columns` for any column."""

    step: str
    table: str | None
    effect: Effect
    columns: frozenset[str] | None = None

    def may_repair(self, limit: RowLimit) -> bool:
        """Whether rows beyond the limit may be within it after the change."""
        if self.table is None or limit.reads_any_table:
            return True
        if limit.is_query:
            return self.table in limit.tables
        is_own, is_referred = self.table in limit.tables[:1], self.table in limit.tables[1:]
        if (is_own and Effect.DELETES in self.effect) or (is_referred and Effect.ADDS in self.effect):
            return True
        writes = Effect.MISSING if limit.is_missing else Effect.VALUES
        return (is_own or is_referred) and writes in self.effect and self._concerns(limit, self.table)

    def _concerns(self, limit: RowLimit, table: str) -> bool:
        has_columns = bool(limit.columns or limit.condition)
        return has_columns and (self.columns is None or any(limit.names(table, name) for name in self.columns))


class RowChanges:
    """What the steps of one plan do with the rows that exist, in their order."""

    def __init__(self, facts: DatabaseFacts) -> None:
        self._facts = facts
        self._found: dict[RowChange, None] = {}
        # The tables that get a trigger or a rule.
        self._hooked: set[str] = set()

    def that_may_repair(self, limit: RowLimit) -> Iterator[str]:
        """The steps that may repair rows beyond a limit."""
        return (change.step for change in self._found if change.may_repair(limit))

    def note_anything(self, step: str) -> None:
        """Note that it is not known what a step does."""
        self._found[RowChange(step, None, EVERYTHING)] = None

    def note(self, step: str, operation: Any, table: str) -> None:
        """Note one operation of a step on a table."""
        if isinstance(operation, WriteHookOp):
            self._hooked.add(table)
        elif isinstance(operation, FillRowsOp | AnswerRenameOp | ChangeRowsOp):
            if not self._meets_none(operation):
                self._add(step, table, *_effect_of(operation))
        elif isinstance(operation, TruncateOp | DetachPartitionOp | ops.DropTableOp):
            self._add(step, table, Effect.DELETES)
        elif isinstance(operation, RefreshViewOp | ops.RenameTableOp | FillTableOp):
            self._add(step, table, EVERYTHING)
        elif isinstance(operation, ops.DropColumnOp):
            # Another column can get its name.
            self._add(step, table, WRITES, frozenset((str(operation.column_name),)))
        elif isinstance(operation, ops.BulkInsertOp) or getattr(operation, "adds_rows", False):
            self._add(step, table, Effect.ADDS)
        elif isinstance(operation, ops.AlterColumnOp) and operation.modify_type is not None:
            effect = WRITES if operation.kw.get("postgresql_using") else Effect.VALUES
            if not type_facts.keeps_values(self._facts, table, operation):
                self._add(step, table, effect, frozenset((str(operation.column_name),)))

    def _add(self, step: str, table: str, effect: Effect, columns: frozenset[str] | None = None) -> None:
        facts = self._facts
        if columns is not None:
            # They are computed from the others.
            columns |= facts.computed_columns(table)
        change = RowChange(step, table, effect, columns)
        if not effect or change in self._found:
            return
        self._found[change] = None
        if table in self._hooked or catalog.runs_more(facts, table):
            self.note_anything(step)
        for other in catalog.related_tables(facts, table):
            self._add(step, other, effect, columns)
        for key in catalog.following_keys(facts):
            if key.referred == table:
                self._add(step, key.table, *_effect_on(key, effect, columns))

    def _meets_none(self, operation: Any) -> bool:
        # Whether it meets no row now, and no earlier step changes that. In a DO block a name may be a variable.
        if Mark.IN_BLOCK in marks_of(operation):
            return False
        query, tables, names = self._query_of(operation)
        if query is None or self._facts.count(query) != 0:
            return False
        return all(_keeps_none(change, tables, names) for change in self._found)

    def _query_of(self, operation: Any) -> tuple[Any, list[str], str]:
        # The query that counts the rows it meets, the tables that it reads, and a text with the names of its columns.
        facts = self._facts
        if isinstance(operation, ChangeRowsOp):
            read = None if operation.query is None else tables_read(operation.query, facts.dialect)
            if read is None:
                return None, [], ""
            return operation.query, [facts.qualified(*found) for found in read], operation.query or ""
        if isinstance(operation, AnswerRenameOp):
            try:
                operation = fill_of(Operations(MigrationContext.configure(facts.connection)), operation)
            except (NoSuchTableError, KeyError):
                return None, [], ""
        parts = list(visitors.iterate(operation.pending))
        named = [operation.table, *(found for found in parts if isinstance(found, sa.TableClause))]
        names = " ".join(str(getattr(found, "text", getattr(found, "name", ""))) for found in parts)
        query = sa.select(sa.func.count()).select_from(operation.table).where(operation.pending)
        return query, [facts.qualified(found.name, found.schema) for found in named], names


def _keeps_none(change: RowChange, tables: list[str], names: str) -> bool:
    # Whether a condition that meets no row meets none of the present rows after a change.
    if change.table is None or change.table not in tables:
        return change.table is not None
    is_writing, is_alone = WRITES & change.effect, len(tables) == 1
    keeps_columns = change.columns is not None and not any(is_named(names, name) for name in change.columns)
    return (is_alone or not (Effect.ADDS | Effect.DELETES) & change.effect) and (keeps_columns or not is_writing)


def _effect_of(operation: Any) -> tuple[Effect, frozenset[str] | None]:
    if isinstance(operation, FillRowsOp):
        # It cannot write other columns than those of its table.
        return WRITES, frozenset(column.name for column in operation.table.columns)
    if isinstance(operation, AnswerRenameOp):
        return WRITES if operation.is_rename is True else Effect(0), frozenset((operation.new,))
    effect = VERBS.get(operation.verb, WRITES | Effect.ADDS)
    return effect | (Effect.DELETES if "DELETE" in operation.verb else Effect(0)), operation.columns


def _effect_on(
    key: catalog.FollowingKey, effect: Effect, columns: frozenset[str] | None
) -> tuple[Effect, frozenset[str] | None]:
    # What happens to the rows that refer to rows which are changed or deleted.
    is_written = Effect.DELETES in effect and key.is_emptied
    if Effect.VALUES in effect and key.is_updated and (columns is None or columns & key.referred_columns):
        is_written = True
    deletes = Effect.DELETES if Effect.DELETES in effect and key.is_deleted else Effect(0)
    return deletes | (Effect.VALUES if is_written else Effect(0)), key.columns
