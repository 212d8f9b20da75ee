"""The step that folds the text for search. Old rows are found like new ones, and the step can be undone."""

import json
import uuid

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.migration import MigrationContext
from alembic.operations import Operations

from agents_app.db import db
from agents_app.operations import agent_reads, agents
from agents_app.schemas import listing
from tests.conftest import OpenConsole
from tests.dbtools.tools import console_config, create_engine, fetch_rows, run_sql
from tests.make import make_account, make_agent, make_user

BEFORE, FOLDED = "a5ecd374ab0b", "02e5abac5490"
NAMES = ["Cafe\u0301", "\u0130stanbul", "Stra\u00dfe", "Sales", "\u0141\u00f3d\u017a"]
WORDS = ["caf\u00e9", "cafe", "ISTANBUL", "strasse", "sales", "lodz"]
TABLE = sa.table("agents", sa.column("id", sa.Uuid()), sa.column("version", sa.Integer()), sa.column("search_text"))


def insert_old_agent(url: str, account_id: uuid.UUID, name: str) -> str:
    """Insert an agent as the release before wrote it, with a destination that is not in its search text."""
    agent_id = uuid.uuid4()
    config = json.dumps({"host": "D\u00e4ta.example.org", "dialect": "mysql", "database": "d", "username": "u"})
    is_sqlite = url.startswith("sqlite")
    ids = [one.hex if is_sqlite else str(one) for one in (agent_id, account_id)]
    columns = "id, account_id, name, connection_type, connection_config, created_at, name_key, search_text"
    values = f"'{ids[0]}', '{ids[1]}', '{name}', 'DB', '{config}', '2026-01-01 00:00:00', '{name.casefold()}'"
    run_sql(url, f"INSERT INTO agents ({columns}) VALUES ({values}, '{name.casefold()}')")
    return ids[0]


def stored_texts(url: str) -> list[tuple[str, str]]:
    """The columns that search and sort read, of each agent."""
    return [tuple(row) for row in fetch_rows(url, "SELECT name_key, search_text FROM agents ORDER BY id")]


def test_old_agents_are_found_and_stored_like_changed_ones(database_url: str, open_console: OpenConsole) -> None:
    command.upgrade(console_config(database_url), BEFORE)
    app = open_console(database_url)
    admin = make_user(app)
    for name in NAMES:
        insert_old_agent(database_url, admin.account_id, name)

    command.upgrade(console_config(database_url), FOLDED)

    after_the_step = stored_texts(database_url)
    command.upgrade(console_config(database_url), "head")
    with app.app_context():
        for word in WORDS:
            assert agent_reads.listing(admin, listing.parse({"q": f"{word} data.example"})).items, word
        for item in agent_reads.listing(admin, listing.parse({})).items:
            agents.update(admin, item["id"], {"system_instructions": "Be brief."})
    assert stored_texts(database_url) == after_the_step


def test_the_downgrade_stores_what_the_release_before_reads(database_url: str, open_console: OpenConsole) -> None:
    command.upgrade(console_config(database_url), BEFORE)
    account_id = make_account(open_console(database_url))
    for name in NAMES:
        insert_old_agent(database_url, account_id, name)
    before = stored_texts(database_url)

    command.upgrade(console_config(database_url), FOLDED)
    command.downgrade(console_config(database_url), BEFORE)

    after = stored_texts(database_url)
    assert [key for key, _ in after] == [key for key, _ in before]
    assert all(text.startswith(key) for key, text in after)


def test_a_second_run_fills_rows_that_were_written_after_the_first(
    database_url: str, open_console: OpenConsole
) -> None:
    command.upgrade(console_config(database_url), "head")
    app = open_console(database_url)
    admin = make_user(app)
    new = make_agent(app, admin, name="Caf\u00e9")
    kept = fetch_rows(database_url, "SELECT search_text FROM agents")
    insert_old_agent(database_url, admin.account_id, "\u0130stanbul")

    command.stamp(console_config(database_url), BEFORE)
    command.upgrade(console_config(database_url), FOLDED)

    with app.app_context(), db.reading() as connection:
        found = connection.execute(sa.text("SELECT search_text FROM agents")).scalars().all()
    assert kept[0][0] in found
    assert all(text.startswith("\n") for text in found)
    assert new


def test_a_row_that_changes_between_reading_and_filling_is_left_unchanged(postgres_url: str) -> None:
    command.upgrade(console_config(postgres_url), FOLDED)
    account = uuid.uuid4()
    run_sql(postgres_url, f"INSERT INTO accounts (id, name, created_at) VALUES ('{account}', 'A', now())")
    insert_old_agent(postgres_url, account, "Sales")

    def compute(row: sa.Row[object]) -> dict[str, str]:
        run_sql(postgres_url, f"UPDATE agents SET search_text = 'newer', version = {row.version + 1}")
        return {"search_text": "stale"}

    with create_engine(postgres_url).connect() as connection:
        operations = Operations(MigrationContext.configure(connection))
        with operations.get_context().begin_transaction(_per_migration=True):
            operations.fill_rows(TABLE, sa.true(), compute, "", TABLE.c.version)

    assert fetch_rows(postgres_url, "SELECT search_text FROM agents") == [("newer",)]


@pytest.mark.parametrize("name", ["", "a" + "\u0301\u0323" * 2_000])
def test_an_agent_with_any_name_survives_the_step_and_its_downgrade(
    database_url: str, open_console: OpenConsole, name: str
) -> None:
    command.upgrade(console_config(database_url), BEFORE)
    insert_old_agent(database_url, make_account(open_console(database_url)), name[:255])

    command.upgrade(console_config(database_url), FOLDED)
    command.downgrade(console_config(database_url), BEFORE)

    assert [key for key, _ in stored_texts(database_url)] == [name[:255].casefold()]
