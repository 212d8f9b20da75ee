"""Helpers that find the agents with the words of a search, by an index where the database has one.

Only a search asks first which agents have the words. Most words are rare: the list then reads only these agents,
whatever its order. A word of many agents is found soon in any order, so the list is read in its order, and each text
compared. The index is one of trigrams, so it finds no word of one or two characters: for these each text is read once.
"""

from dataclasses import dataclass
from typing import Any, cast
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.sql.elements import UnaryExpression
from sqlalchemy.sql.operators import custom_op
from sqlalchemy.sql.visitors import replacement_traverse

from agents_app.database.quoting import quote_phrase
from agents_app.models import Agent
from agents_app.schemas.listing import AgentQuery

AnySelect = sa.Select[*tuple[Any, ...]]
Words = list[list[str]]
"""Words, each with the spellings in which it may be stored."""

# An agent is one of at most so many, or of many.
FEW = 1_000
TRIGRAM = 3
OF_ACCOUNT = Agent.account_id == sa.bindparam("account_id")
# SQLite has no statistics, and would read all agents of the account in their order. It uses no index on this.
ACCOUNT: Any = Agent.account_id
OF_ACCOUNT_BY_ID = UnaryExpression(ACCOUNT, operator=custom_op("+"), type_=ACCOUNT.type) == sa.bindparam("account_id")

# The index of SQLite: the migration add_agent_search_index makes it. Where a part is missing, texts are read.
INDEX = "tx_agents_search_text"
PARTS = (INDEX, *(f"{INDEX}_{part}" for part in ("rows", "insert", "delete", "update")))
HAS_INDEX = (
    sa.select(sa.func.count() == len(PARTS)).where(sa.column("name").in_(PARTS)).select_from(sa.table("sqlite_master"))
)
TRIGRAMS = sa.table(INDEX, sa.column(INDEX, sa.Text), sa.column("rowid", sa.Integer))
NUMBERED = sa.table(f"{INDEX}_rows", sa.column("number", sa.Integer), sa.column("id", sa.Uuid))


@dataclass(frozen=True)
class Found:
    """The agents that have the words of a query. `ids` is None if they are more than FEW, or there are no words."""

    ids: tuple[UUID, ...] | None = None
    is_on_sqlite: bool = False


ALL = Found()


def find(connection: Connection, account_id: UUID, query: AgentQuery) -> Found:
    """The agents of the account that have the words of a query. Sends nothing for a query without words."""
    words = query.words
    if not words:
        return ALL
    if connection.dialect.name == "sqlite":
        return few(connection, account_id, _on_sqlite(connection, words))
    return few(connection, account_id, sa.select(Agent.id).where(OF_ACCOUNT, *map(_has_word, words)))


def few(connection: Connection, account_id: UUID, ids: AnySelect) -> Found:
    """The agents of a statement that selects their ids, with the parameter `account_id`."""
    is_on_sqlite = connection.dialect.name == "sqlite"
    statement = ids if is_on_sqlite else _of_all(ids)
    found = tuple(connection.scalars(statement.limit(FEW + 1), {"account_id": account_id}))
    return Found(found, is_on_sqlite) if len(found) <= FEW else ALL


def narrowed(statement: AnySelect, query: AgentQuery, found: Found) -> AnySelect:
    """A statement for the agents of an account, with the condition that they have the words of a query."""
    conditions = list(map(_has_word, query.words))
    if found.ids is None:
        return statement.where(*conditions)
    if found.is_on_sqlite:
        statement = cast("AnySelect", replacement_traverse(statement, {}, _by_id))
    return statement.where(Agent.id.in_(found.ids), *conditions)


def _by_id(element: Any, **_options: Any) -> Any:
    return OF_ACCOUNT_BY_ID if element is OF_ACCOUNT else None


def _has_word(spellings: list[str]) -> sa.ColumnElement[bool]:
    return sa.or_(*(Agent.search_text.contains(spelling, autoescape=True) for spelling in spellings))


def _of_all(ids: AnySelect) -> AnySelect:
    # PostgreSQL plans such a part for all of its rows, and then prefers an index unless most agents match.
    # It reads no more of them than the limit allows.
    found = ids.cte("found").prefix_with("MATERIALIZED")
    return sa.select(found.c.id)


def _on_sqlite(connection: Connection, words: Words) -> AnySelect:
    statement = sa.select(Agent.id).where(*map(_has_word, words))
    indexed = [word for word in words if min(map(len, word)) >= TRIGRAM]
    if not indexed or not connection.scalar(HAS_INDEX):
        return statement.where(OF_ACCOUNT)
    numbered = TRIGRAMS.join(NUMBERED, NUMBERED.c.number == TRIGRAMS.c.rowid).join(Agent, Agent.id == NUMBERED.c.id)
    is_found = TRIGRAMS.c[INDEX].match(" AND ".join(map(_trigrams_of_word, indexed)))
    return statement.select_from(numbered).where(is_found, OF_ACCOUNT_BY_ID)


def _trigrams_of_word(spellings: list[str]) -> str:
    return f"({' OR '.join(map(_trigrams, spellings))})"


def _trigrams(text: str) -> str:
    """The trigrams of a text, all of which a row must have, in the language of FTS5."""
    parts = dict.fromkeys(text[start : start + TRIGRAM] for start in range(len(text) - TRIGRAM + 1))
    return "(" + " AND ".join(map(quote_phrase, parts)) + ")"
