"""A question that autogenerate cannot answer: whether a new column is the new name of one that is gone."""

from pathlib import Path
from types import ModuleType

import sqlalchemy as sa
from alembic.operations import MigrateOperation, Operations
from alembic.script import Script
from alembic.util import CommandError

from agents_app.database.quoting import quote_if_needed
from agents_app.dbtools.operations.rows_and_tables import FillRowsOp
from agents_app.paths import ROOT

ANSWER = "is_rename"


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
    """The operation that copies the values of a rename, on the database of `operations`."""
    table, key, is_empty = _table(operations, operation)
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


def _table(
    operations: Operations, operation: AnswerRenameOp
) -> tuple[sa.TableClause, list[str], sa.ColumnElement[bool]]:
    names = [operation.old, operation.new]
    if operations.migration_context.as_sql:
        table = sa.table(operation.table_name, *map(sa.column, names))
        return table, ["id"], table.c[operation.new].is_(None)
    found = sa.Table(operation.table_name, sa.MetaData(), autoload_with=operations.get_bind(), resolve_fks=False)
    key = [column.name for column in found.primary_key.columns]
    columns = [sa.column(name, found.c[name].type) for name in dict.fromkeys([*key, *names])]
    table = sa.table(operation.table_name, *columns)
    new = table.c[operation.new]
    # A value that the new release has written is newer.
    is_empty: sa.ColumnElement[bool] = new.is_(None)
    if (default := getattr(found.c[operation.new].server_default, "arg", None)) is not None:
        is_empty = sa.or_(is_empty, new == sa.literal_column(str(default)))
    return table, key, is_empty


def _question(table: str, old: str, new: str) -> str:
    return f"Is {table}.{new} the new name of {table}.{old}? The step does not say."


def has_open_question(module: ModuleType) -> bool:
    """Whether the step in this module asks about a rename, and nobody has answered."""
    return not isinstance(getattr(module, ANSWER, False), bool)


def how_to_answer(script: Script) -> str:
    """What to do about a step with an open question, with the name of its file."""
    path = Path(script.path)
    shown = path.relative_to(ROOT) if path.is_relative_to(ROOT) else path
    return f"Set {ANSWER} = True or {ANSWER} = False in {shown}"


def require_answer(script: Script) -> None:
    """Raise CommandError if the step has an open question."""
    if has_open_question(script.module):
        what = f"The step {script.doc} asks whether a column was renamed. {how_to_answer(script)}."
        raise CommandError(f"{what} Nothing was changed.")
