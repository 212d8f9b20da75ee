"""Helpers for a statement that answers several small questions at once.

A statement costs a page more than most of these questions do, so those that a page always asks go together: each
question is a SELECT made by `select`, and `read` sends their UNION. A question that the answer to another one decides
cannot be among them.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

Question = sa.Select[*tuple[Any, ...]]
Fact = Row[*tuple[Any, ...]]
Facts = Mapping[str, Sequence[Fact]]
"""The rows of the answers, by the kind of fact. Each has `text`, `more` and `number`, in no order."""
NONE: Facts = defaultdict(list)


def select(kind: str, *, text: Any = None, more: Any = None, number: Any = None) -> Question:
    """A question. `kind` names the facts that answer it. `text` and `more` are texts, and `number` is whole."""
    values = (("text", text, sa.Text), ("more", more, sa.Text), ("number", number, sa.BigInteger))
    # PostgreSQL would take a null without a type for a text, also where the next question has a number.
    columns = [sa.cast(sa.null() if value is None else value, type_).label(name) for name, value, type_ in values]
    return sa.select(sa.literal(kind).label("kind"), *columns)


def read(connection: Connection, questions: Sequence[Question], values: Mapping[str, Any]) -> Facts:
    """The answers to these questions, from one statement with these parameters."""
    found = defaultdict(list)
    for row in connection.execute(_union(tuple(questions)), values):
        found[row.kind].append(row)
    return found


# The questions are made once, so the same ones are always the same objects.
@lru_cache(maxsize=16)
def _union(questions: tuple[Question, ...]) -> sa.CompoundSelect[*tuple[Any, ...]]:
    return sa.union_all(*questions)
