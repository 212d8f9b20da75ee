"""What the page "Database" is told: where the schema is, what is pending, what differs."""

import threading

import pytest
import sqlalchemy as sa
from alembic import command
from flask import Flask

from agents_app import dbtools
from agents_app.database.url import parse_url
from agents_app.db import db
from tests.dbtools.tools import GUIDE_REVISION, console_config, fetch_rows, run_sql


def test_a_database_that_cannot_be_reached_raises() -> None:
    with pytest.raises(sa.exc.OperationalError):
        dbtools.overview(parse_url("postgresql://operator:geheim@127.0.0.1:1/console"))


def test_at_head_there_is_nothing_to_do(schema_url: str) -> None:
    found = dbtools.overview(parse_url(schema_url))

    assert found.current == found.head
    assert found.current_name == found.head_name
    assert (found.pending, found.drift, found.is_ahead) == ((), (), False)
    assert found.is_well


def test_pending_steps_come_with_their_tables_and_sql(database_url: str) -> None:
    command.upgrade(console_config(database_url), GUIDE_REVISION)

    found = dbtools.overview(parse_url(database_url))

    assert found.current_name == "add_agents_table"
    first = found.pending[0]
    assert (first.name, first.direction, first.findings) == ("add_agent_versions", "upgrade", ())
    assert [(table.name, table.is_there, table.rows) for table in first.tables] == [
        ("agents", True, 0),
        ("agent_versions", False, 0),
    ]
    assert "CREATE TABLE agent_versions" in (first.sql or "")
    assert found.drift is None
    assert not found.is_well


def test_differences_are_told_in_words(schema_url: str) -> None:
    run_sql(schema_url, "DROP INDEX ix_agents_created_by", "ALTER TABLE agents ADD COLUMN extra integer")

    found = dbtools.overview(parse_url(schema_url))

    assert sorted(found.drift or ()) == [
        "agents.extra: no model has this column.",
        "agents: the index ix_agents_created_by on (created_by) is missing.",
    ]
    assert not found.is_well


def test_a_database_ahead_has_nothing_pending(schema_url: str) -> None:
    run_sql(schema_url, "UPDATE alembic_version SET version_num = 'ffffffffffff'")

    found = dbtools.overview(parse_url(schema_url))

    assert (found.is_ahead, found.current, found.current_name) == (True, "ffffffffffff", None)
    assert (found.pending, found.drift) == ((), None)


def test_a_running_console_asks_on_its_own_connection(console: Flask) -> None:
    with console.app_context(), db.reading() as connection:
        assert dbtools.overview(connection).is_well


def test_several_may_ask_at_once(database_url: str) -> None:
    command.upgrade(console_config(database_url), GUIDE_REVISION)
    told = []
    asking = [threading.Thread(target=lambda: told.append(dbtools.overview(parse_url(database_url)))) for _ in range(4)]
    for thread in asking:
        thread.start()
    for thread in asking:
        thread.join()

    assert len(told) == 4
    assert len(set(told)) == 1
    assert fetch_rows(database_url, "SELECT version_num FROM alembic_version") == [(GUIDE_REVISION,)]
