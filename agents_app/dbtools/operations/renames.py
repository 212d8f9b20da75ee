"""A question that autogenerate cannot answer: whether a new column is the new name of one that is gone."""

import re
from pathlib import Path
from types import ModuleType
from typing import Any

import sqlalchemy as sa
from alembic.operations import MigrateOperation, Operations
from alembic.script import Script
from alembic.util import CommandError

from agents_app.database.quoting import quote_if_needed
from agents_app.dbtools.operations.rows_and_tables import FillRowsOp
from agents_app.paths import FILES

ANSWER = "is_rename"
# A text, a number or a word, with the type that PostgreSQL adds.
CONSTANT = re.compile(r"\(?\s*('([^']|'')*'|[+-]?[\d.]+|true|false)\s*\)?(\s*::[^()']+(\([\d,\s]+\))?)?", re.IGNORECASE)
# An option of a context of migrations: the step is applied, and its fill runs again.
SECOND_PASS = "is_second_pass"


@Operations.register_operation("answer_rename")
class AnswerRenameOp(MigrateOperation):
    """Copy the values of a column to a column with another name, if that is a rename."""

    def __init__(self, table_name: str, old: str, new: str, is_rename: bool | str) -> None:
        self.table_name, self.old, self.new, self.is_rename = table_name, old, new, is_rename

    @classmethod
    def answer_rename(
        cls, operations: Operations, table_name: str, old: str, new: str, *, is_rename: bool | str
    ) -> None:
        """If `is_rename`, copy the values of the column `old` to the column `new`, in batches.

        "?" means that nobody has answered yet: the step is refused. On PostgreSQL the operations before this one are
        committed: give this operation a step of its own.
        """
        operations.invoke(cls(table_name, old, new, is_rename))


@Operations.implementation_for(AnswerRenameOp)
def _answer_rename(operations: Operations, operation: AnswerRenameOp) -> None:
    if not isinstance(operation.is_rename, bool):
        raise CommandError(_question(operation.table_name, operation.old, operation.new))
    if operation.is_rename:
        operations.invoke(fill_of(operations, operation))


def fill_of(operations: Operations, operation: AnswerRenameOp) -> FillRowsOp:
    """The operation that copies the values of a rename, on the database of `operations`.

    The first pass also replaces the default of the new column, which all rows have. In the second pass this release
    runs, and can have written a value that is equal to the default, or cleared a value. A column with a default is not
    empty in a row of the release before: then the second pass copies nothing.
    """
    table, key, default = _table(operations, operation)
    is_empty: sa.ColumnElement[bool] = table.c[operation.new].is_(None)
    if default is not None and SECOND_PASS in operations.migration_context.opts:
        is_empty = sa.false()
    elif default is not None:
        # The rows got the value that a function had when the column was added.
        is_default = table.c[operation.new] == default if _is_constant(default) else sa.true()
        is_empty = sa.or_(is_empty, is_default)
    old, new = table.c[operation.old], table.c[operation.new]
    names = [quote_if_needed(name) for name in (operation.table_name, operation.new, operation.old)]
    script = f"UPDATE {names[0]} SET {names[1]} = {names[2]} WHERE {names[1]} IS NULL"  # noqa: S608
    return FillRowsOp(
        table,
        sa.and_(new.is_distinct_from(old), is_empty),
        lambda row: {operation.new: row._mapping[operation.old]},
        script,
        stamp=old,
        key=key,
    )


def undecided_rows(operations: Operations, operation: AnswerRenameOp) -> sa.Select[Any] | None:
    """Counts the rows that have the default in the new column, and another value in the old one.

    The release before wrote them, or this release set them to the default. None without a default that is a constant.
    """
    table, _, default = _table(operations, operation)
    old, new = table.c[operation.old], table.c[operation.new]
    if default is None or not _is_constant(default):
        return None
    return sa.select(sa.func.count()).select_from(table).where(new == default, old.is_distinct_from(new))


def _is_constant(default: sa.ColumnClause[Any]) -> bool:
    return CONSTANT.fullmatch(default.name) is not None


def _table(
    operations: Operations, operation: AnswerRenameOp
) -> tuple[sa.TableClause, list[str], sa.ColumnClause[Any] | None]:
    names = [operation.old, operation.new]
    if operations.migration_context.as_sql:
        return sa.table(operation.table_name, *map(sa.column, names)), ["id"], None
    found = sa.Table(operation.table_name, sa.MetaData(), autoload_with=operations.get_bind(), resolve_fks=False)
    key = [column.name for column in found.primary_key.columns]
    columns = [sa.column(name, found.c[name].type) for name in dict.fromkeys([*key, *names])]
    default = getattr(found.c[operation.new].server_default, "arg", None)
    table = sa.table(operation.table_name, *columns)
    return table, key, None if default is None else sa.literal_column(str(default))


def _question(table: str, old: str, new: str) -> str:
    return f"Is {table}.{new} the new name of {table}.{old}? The step does not say."


def has_open_question(module: ModuleType) -> bool:
    """Whether the step in this module asks about a rename, and nobody has answered."""
    return not isinstance(getattr(module, ANSWER, False), bool)


def how_to_answer(script: Script) -> str:
    """What to do about a step with an open question, with the name of its file."""
    path = Path(script.path)
    shown = path.relative_to(FILES) if path.is_relative_to(FILES) else path
    return f"Set {ANSWER} = True or {ANSWER} = False in {shown}"


def require_answer(script: Script) -> None:
    """Raise CommandError if the step has an open question."""
    if has_open_question(script.module):
        what = f"The step {script.doc} asks whether a column was renamed. {how_to_answer(script)}."
        raise CommandError(f"{what} Nothing was changed.")
