"""Finds new columns that may be the new names of columns that are gone, and asks in a file of their own."""

import difflib
from collections.abc import Iterable, Iterator
from typing import Any

import sqlalchemy as sa
from alembic.autogenerate.api import AutogenContext
from alembic.operations import ops

from agents_app.dbtools.autogenerate.columns import Difference
from agents_app.dbtools.autogenerate.parts import Part, Stage, WrittenOp

QUESTION = """\
{table}.{old} is gone and {table}.{new} is new, and both have the same type. Is {new} the new name of {old}?
True: this step copies the values of {old} to {new}. A later step drops {old} when the new release runs.
False: nothing is copied. {new} has nothing to do with {old}."""


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
            yield _question(dropped.table_name, old.name, nearest.column.name)


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


def _question(table: str, old: str, new: str) -> Part:
    question = QUESTION.format(table=table, old=old, new=new)
    name = f"rename_{table}_{old}_{new}"
    return Part(Stage.RENAME, name, [_answer(table, old, new)], [_answer(table, new, old)], question)


def _answer(table: str, source: str, target: str) -> WrittenOp:
    def render(_autogen: AutogenContext) -> str:
        return f"op.answer_rename({table!r}, {source!r}, {target!r}, is_rename=is_rename)"

    return WrittenOp(render)
