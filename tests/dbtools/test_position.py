"""Where a database is, as `/readyz`, `flask serve` and `flask prepare` ask."""

import pytest
from alembic import command

from agents_app.database.url import parse_url
from agents_app.dbtools import SchemaState, schema_state, upgrade_to_head
from agents_app.errors import Unavailable
from tests.dbtools.tools import GUIDE_REVISION, console_config, create_engine, run_sql


def test_an_empty_database_has_every_step_before_it(database_url: str) -> None:
    state = _state(database_url)

    assert state.current is None
    assert [step.name for step in state.pending[:2]] == ["add_accounts_and_users", "add_agents_table"]
    assert not state.is_at_head
    assert not state.is_ahead


def test_a_database_on_the_way_names_what_is_pending(database_url: str) -> None:
    command.upgrade(console_config(database_url), GUIDE_REVISION)

    state = _state(database_url)

    assert state.current == GUIDE_REVISION
    assert GUIDE_REVISION not in [step.revision for step in state.pending]
    assert state.pending[-1].revision == state.head


def test_a_database_at_head_has_nothing_pending(schema_url: str) -> None:
    state = _state(schema_url)

    assert state.is_at_head
    assert state.pending == ()


def test_a_database_of_a_newer_release_is_ahead_and_has_nothing_pending(schema_url: str) -> None:
    run_sql(schema_url, "UPDATE alembic_version SET version_num = 'ffffffffffff'")

    state = _state(schema_url)

    assert state.is_ahead
    assert not state.is_at_head
    assert state.pending == ()


def test_a_database_taken_back_to_base_is_behind(schema_url: str) -> None:
    run_sql(schema_url, "DELETE FROM alembic_version")

    assert _state(schema_url).current is None


def test_upgrade_to_head_says_what_is_wrong() -> None:
    with pytest.raises(Unavailable, match="Connection refused"):
        upgrade_to_head(parse_url("postgresql://operator:geheim@127.0.0.1:1/console"))


def test_upgrade_to_head_twice_is_once(database_url: str) -> None:
    upgrade_to_head(parse_url(database_url))
    upgrade_to_head(parse_url(database_url))

    assert _state(database_url).is_at_head


def _state(url: str) -> SchemaState:
    with create_engine(url).connect() as connection:
        return schema_state(connection)
