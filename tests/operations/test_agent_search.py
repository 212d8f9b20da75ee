"""A search finds the same agents with its index and without it, on both databases."""

import random
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask
from sqlalchemy import event

from agents_app.db import db, now
from agents_app.errors import InvalidInput
from agents_app.models import Agent
from agents_app.operations import agent_reads, agent_search
from agents_app.operations.agent_search import FEW, INDEX
from agents_app.operations.permissions import Actor
from agents_app.schemas import listing
from agents_app.values.text import fold_for_search
from tests.make import make_user

# Letters of several scripts, with and without case and marks, and what LIKE and FTS5 read in a way of their own.
LETTERS = "aAbBzİıßſKÅéе́жЖωΣςאبहिन्दी한国語ไทย😀%_/\\\"'*().-+^:{} \u0345\ufb03"  # noqa: RUF001
OTHER_INDEXES = "SELECT indexname FROM pg_indexes WHERE tablename = 'agents' AND left(indexname, 2) = 'ix'"
# The console has looked at each of them: a page reads those of another release in full.
COLUMNS = {"connection_type": "DB", "connection_config": {}, "examined_version": 1}
# PostgreSQL chooses by its statistics.
ON_SQLITE = pytest.mark.parametrize("console", ["sqlite"], indirect=True)


@pytest.fixture
def admin(app: Flask) -> Actor:
    """An admin of a new account."""
    return make_user(app)


def add(actor: Actor, *texts: str) -> list[uuid.UUID]:
    """Store agents with these texts to search, folded as the console folds them. Returns their ids."""
    rows = [
        {"id": uuid.uuid4(), "name": "x", "account_id": actor.account_id, "created_at": now(), "updated_at": now()}
        | {"search_text": f"\n{text.casefold()}\n{fold_for_search(text)}"}
        | COLUMNS
        for text in texts
    ]
    with db.transaction() as session:
        session.execute(sa.insert(Agent), rows)
    return [row["id"] for row in rows]


def found(actor: Actor, q: str, **asked: str) -> set[uuid.UUID]:
    """The agents that a search finds, by the list and by its page."""
    query = listing.parse({"q": q, "limit": "200", **asked})
    items = {item["id"] for item in agent_reads.listing(actor, query).items}
    page, counts = agent_reads.listing_with_counts(actor, query)
    assert {item["id"] for item in page.items} == items
    assert len(items) in (counts.matching, 200)
    return items


def words_of(chance: random.Random, texts: list[str]) -> Iterator[str]:
    """Words that some texts have, and others."""
    for _ in range(150):
        text = chance.choice(texts)
        start = chance.randrange(len(text))
        yield text[start : start + chance.randint(1, 6)]
        yield "".join(chance.choices(LETTERS, k=chance.randint(1, 4)))


def test_agents_of_another_account_are_not_found(app: Flask, admin: Actor) -> None:
    with app.app_context():
        add(make_user(app), "Orders of another account")
        (own,) = add(admin, "Orders")

        assert found(admin, "orders") == {own}


def test_a_search_without_words_asks_for_nothing(app: Flask, admin: Actor) -> None:
    with app.app_context(), db.reading() as connection:
        assert agent_search.find(connection, admin.account_id, listing.parse({})) == agent_search.ALL


def test_any_word_finds_what_a_comparison_of_the_texts_finds(app: Flask, admin: Actor) -> None:
    chance = random.Random(17)
    texts = ["".join(chance.choices(LETTERS, k=chance.randint(3, 30))) for _ in range(120)]
    with app.app_context():
        ids = add(admin, *texts)
        stored = {id_: f"\n{text.casefold()}\n{fold_for_search(text)}" for id_, text in zip(ids, texts, strict=True)}
        for q in words_of(chance, texts):
            try:
                words = listing.parse({"q": q}).words
            except InvalidInput:
                continue
            expected = {
                id_ for id_, text in stored.items() if all(any(spelling in text for spelling in word) for word in words)
            }
            assert found(admin, q) == expected, ascii(q)


def test_several_words_filters_and_every_order_find_the_same(app: Flask, admin: Actor) -> None:
    with app.app_context():
        both, _, _ = add(admin, "Продажи in 東京都", "Продажи", "東京都")

        for sort in listing.Sort:
            assert found(admin, "продажи 東京都", sort=sort, status="active") == {both}
            assert found(admin, "продажи 東京都", sort=sort, status="disabled") == set()


def test_a_changed_or_deleted_agent_is_found_by_its_new_text_only(app: Flask, admin: Actor) -> None:
    with app.app_context():
        changed, deleted = add(admin, "Before", "Before too")
        with db.transaction() as session:
            session.execute(sa.update(Agent).where(Agent.id == changed).values(search_text="\nafter"))
            session.execute(sa.delete(Agent).where(Agent.id == deleted))

        assert found(admin, "before") == set()
        assert found(admin, "after") == {changed}


def test_a_word_of_many_agents_finds_all_of_them(app: Flask, admin: Actor) -> None:
    with app.app_context():
        add(admin, *(f"Many {number}" for number in range(FEW + 1)))
        query = listing.parse({"q": "many", "limit": "200"})

        with db.reading() as connection:
            assert agent_search.find(connection, admin.account_id, query) == agent_search.ALL
        page, counts = agent_reads.listing_with_counts(admin, query)
        assert (len(page.items), counts.matching) == (200, FEW + 1)
        assert len(found(admin, f"many {FEW}")) == 1


def test_the_index_is_used(app: Flask, admin: Actor) -> None:
    with app.app_context(), db.engine.connect() as connection:
        words = listing.parse({"q": "orders"}).words
        is_sqlite = connection.dialect.name == "sqlite"
        if is_sqlite:
            statement = agent_search._on_sqlite(connection, words)
        else:
            connection.exec_driver_sql("SET LOCAL enable_seqscan = off")
            for name in connection.exec_driver_sql(OTHER_INDEXES).scalars().all():
                connection.exec_driver_sql(f"DROP INDEX {name}")
            has_words = map(agent_search._has_word, words)
            statement = agent_search._of_all(sa.select(Agent.id).where(agent_search.OF_ACCOUNT, *has_words))
        plan = explain(connection, statement, admin)
        connection.rollback()

    assert INDEX in plan
    if is_sqlite:
        assert "sqlite_autoindex_agents_1" in plan


@ON_SQLITE
def test_on_sqlite_the_list_reads_the_agents_that_were_found_by_their_ids(app: Flask, admin: Actor) -> None:
    with app.app_context(), db.engine.connect() as connection:
        query, some = listing.parse({"q": "orders"}), tuple(uuid.uuid4() for _ in range(50))
        agents = sa.select(Agent.id).where(agent_search.OF_ACCOUNT).order_by(Agent.updated_at.desc()).limit(20)
        statement = agent_search.narrowed(agents, query, agent_search.Found(some, is_on_sqlite=True))

        assert "sqlite_autoindex_agents_1" in explain(connection, statement, admin)


@ON_SQLITE
@pytest.mark.parametrize("read", [agent_reads.listing, agent_reads.listing_with_counts])
def test_on_sqlite_a_search_for_a_rare_word_reads_no_more_where_there_are_more_agents(
    app: Flask, admin: Actor, read: Callable[[Actor, listing.AgentQuery], object]
) -> None:
    with app.app_context():
        query = listing.parse({"q": "orders", "sort": "name"})
        # The counts of the tabs stop there.
        add(admin, "Orders", *["Others"] * (FEW + 1))
        some = steps_of(lambda: read(admin, query))
        add(admin, *["Others"] * 2 * FEW)

        assert steps_of(lambda: read(admin, query)) < some + 20


def steps_of(act: Callable[[], object]) -> int:
    """How many hundreds of steps SQLite takes for this act."""
    steps: list[None] = []

    def count(driver: Any, _record: object) -> None:
        driver.set_progress_handler(lambda: steps.append(None), 100)

    # Each connection that the pool opens for this counts.
    db.engine.dispose()
    event.listen(db.engine, "connect", count)
    try:
        act()
    finally:
        event.remove(db.engine, "connect", count)
        db.engine.dispose()
    assert steps
    return len(steps)


def explain(connection: sa.Connection, statement: sa.Select[*tuple[object, ...]], actor: Actor) -> str:
    """The plan of a statement about an account."""
    compiled = statement.params(account_id=actor.account_id).compile(
        dialect=connection.dialect, compile_kwargs={"literal_binds": True}
    )
    word = "EXPLAIN QUERY PLAN" if connection.dialect.name == "sqlite" else "EXPLAIN"
    rows = connection.exec_driver_sql(f"{word} {compiled}", execution_options={"no_parameters": True})
    return "\n".join(str(tuple(row)) for row in rows)
