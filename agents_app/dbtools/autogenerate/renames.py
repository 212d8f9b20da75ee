"""Finds new columns that may be the new names of columns that are gone, and asks in a file of their own."""

import difflib
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

import sqlalchemy as sa
from alembic.autogenerate.api import AutogenContext
from alembic.operations import ops
from alembic.util import CommandError

from agents_app.dbtools.autogenerate.columns import Difference
from agents_app.dbtools.autogenerate.parts import THIS_REVISION, Part, Stage, WrittenOp
from agents_app.dbtools.database.column_types import type_text

QUESTION = """\
{table}.{old} is gone and {table}.{new} is new, {types}. Is {new} the new name of {old}?
True: this step copies the values of {old} to {new}. A later step drops {old} when the new release runs.
{again}
False: nothing is copied. {new} has nothing to do with {old}."""
SAME_TYPE = "and both have the same type"
OTHER_TYPE = "with the types {old} and {new}"
COPIED_AGAIN = """\
`flask db deploy --finish` copies {old} again to rows in which {new} is empty: the release before wrote them after this
step, or the new release cleared {new}. Nothing shows which."""
NOT_COPIED_AGAIN = """\
Rows that the release before adds after this step have the default of {new}. They are not copied again, because the new
release can have set a default too: `flask db status` counts them."""
FILLED_BY_RENAME = """\
The step {step} fills {table}.{new}, if its answer is True. If it is False, no step does, and rows without a value are
refused. Then write a step before this one, with op.fill_rows:
flask db revision -m fill_{table}_{new} --before {revision}"""
IN_PRIMARY_KEY = (
    "{table}.{old} is in the primary key, and no model has it. The new release would write no value in it, but the "
    + "key needs one until it is replaced. No file was written. Keep the name of the column in the database, with "
    + 'mapped_column("{old}"), or write the steps yourself: flask db revision -m NAME'
)


def questions(
    gone: Iterable[ops.DropColumnOp], came: Iterable[ops.AddColumnOp], difference: Difference
) -> Iterator[Part]:
    """One part for each pair. A column is in one pair at most, with the one whose name is nearest."""
    free = list(came)
    for dropped in gone:
        old = difference.column(dropped.table_name, dropped.column_name)
        old = old if old is not None else dropped.to_column()
        found = [added for added in free if added.table_name == dropped.table_name and _is_same(added.column, old)]
        if found:
            nearest = max(found, key=lambda added: _likeness(old.name, added.column.name))
            free.remove(nearest)
            yield _question(dropped.table_name, old, nearest.column)


def require_same_keys(operations: Iterable[Any], without: set[str], difference: Difference) -> None:
    """Raise CommandError if a column that rows need for their primary key is gone, but for the tables `without`."""
    found = list(operations)
    keys = {
        (drop.table_name, str(column))
        for drop in found
        if isinstance(drop, ops.DropConstraintOp) and drop.constraint_type == "primary"
        for column in drop.reverse().columns  # type: ignore[attr-defined]
    }
    for drop in found:
        if isinstance(drop, ops.DropColumnOp) and drop.table_name not in without:
            column = difference.column(drop.table_name, drop.column_name)
            has_value = column is not None and (column.server_default is not None or column.identity is not None)
            if (drop.table_name, drop.column_name) in keys and not has_value:
                raise CommandError(IN_PRIMARY_KEY.format(table=drop.table_name, old=drop.column_name))


def with_renames(parts: list[Part]) -> list[Part]:
    """The parts. One for NOT NULL that no fill comes before says so only if no rename may fill its column."""
    renames = {part.target: part.name for part in parts if part.stage is Stage.RENAME}
    return [
        replace(part, remark=_remark(*part.target, renames[part.target]))
        if part.remark and part.target in renames
        else part
        for part in parts
    ]


def _is_same(new: sa.Column[Any], old: sa.Column[Any]) -> bool:
    # No one can write a value into a generated column.
    if new.computed is not None or old.computed is not None:
        return False
    kinds = [_kind(column.type) for column in (new, old)]
    return bool(kinds[0] == kinds[1])


def _kind(type_: Any) -> Any:
    plain = type_.impl_instance if isinstance(type_, sa.TypeDecorator) else type_
    return plain.name if isinstance(plain, sa.Enum) else plain._type_affinity


def _likeness(one: str, other: str) -> float:
    return difflib.SequenceMatcher(None, one, other).ratio()


def _question(table: str, old: sa.Column[Any], new: sa.Column[Any]) -> Part:
    kinds = [type_text(column.type) for column in (old, new)]
    types = SAME_TYPE if kinds[0] == kinds[1] else OTHER_TYPE.format(old=kinds[0], new=kinds[1])
    again = (COPIED_AGAIN if new.server_default is None else NOT_COPIED_AGAIN).format(old=old.name, new=new.name)
    question = QUESTION.format(table=table, old=old.name, new=new.name, types=types, again=again)
    name = f"rename_{table}_{old.name}_{new.name}"
    upgrade, downgrade = [_answer(table, old.name, new.name)], [_answer(table, new.name, old.name)]
    return Part(Stage.RENAME, name, upgrade, downgrade, question, target=(table, new.name))


def _remark(table: str, new: str, step: str) -> str:
    return FILLED_BY_RENAME.format(step=step, table=table, new=new, revision=THIS_REVISION)


def _answer(table: str, source: str, target: str) -> WrittenOp:
    def render(_autogen: AutogenContext) -> str:
        return f"op.answer_rename({table!r}, {source!r}, {target!r}, is_rename=is_rename)"

    return WrittenOp(render)
