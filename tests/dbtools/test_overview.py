"""What the page "System" shows of the schema: position, pending steps and differences."""

from concurrent.futures import ThreadPoolExecutor

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
        dbtools.read_overview(parse_url("postgresql://operator:geheim@127.0.0.1:1/console"))


def test_at_head_nothing_is_pending_and_nothing_differs(schema_url: str) -> None:
    overview = dbtools.read_overview(parse_url(schema_url))

    assert overview.position.is_at_head
    assert overview.position.current_name == overview.position.head_name
    assert (overview.pending, overview.drift) == ((), ())


def test_pending_steps_have_their_tables_and_sql(database_url: str) -> None:
    command.upgrade(console_config(database_url), GUIDE_REVISION)

    overview = dbtools.read_overview(parse_url(database_url))

    assert overview.position.current_name == "add_agents_table"
    first = overview.pending[0]
    assert (first.name, first.direction, first.warnings) == ("add_agent_versions", "upgrade", ())
    assert [(table.name, table.is_there, table.rows) for table in first.tables] == [
        ("agents", True, 0),
        ("agent_versions", False, 0),
    ]
    assert "CREATE TABLE agent_versions" in (first.sql or "")
    assert overview.drift is None


def test_each_difference_is_one_sentence(schema_url: str) -> None:
    run_sql(schema_url, "DROP INDEX ix_agents_created_by", "ALTER TABLE agents ADD COLUMN extra integer")

    overview = dbtools.read_overview(parse_url(schema_url))

    cause = "The steps agree with the models: the database was changed."
    assert sorted(overview.drift or ()) == [
        f"agents.extra: no model has this column. {cause}",
        f"agents: the index ix_agents_created_by on (created_by) is missing. {cause}",
    ]


def test_a_database_that_is_ahead_has_nothing_pending(schema_url: str) -> None:
    run_sql(schema_url, "UPDATE alembic_version SET version_num = 'ffffffffffff'")

    overview = dbtools.read_overview(parse_url(schema_url))

    position = overview.position
    assert (position.is_ahead, position.current, position.current_name) == (True, "ffffffffffff", None)
    assert (overview.pending, overview.drift) == ((), None)


def test_a_running_console_reads_it_on_its_own_connection(console: Flask) -> None:
    with console.app_context(), db.reading() as connection:
        overview = dbtools.read_overview(connection)

    assert (overview.pending, overview.drift) == ((), ())


def test_several_threads_can_read_it_at_once(database_url: str) -> None:
    command.upgrade(console_config(database_url), GUIDE_REVISION)

    with ThreadPoolExecutor(4) as threads:
        overviews = list(threads.map(dbtools.read_overview, [parse_url(database_url)] * 4))

    assert len(set(overviews)) == 1
    assert fetch_rows(database_url, "SELECT version_num FROM alembic_version") == [(GUIDE_REVISION,)]
