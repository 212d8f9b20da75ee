"""The position of a database among the steps, which `/readyz`, `flask serve` and `flask prepare` read."""

import pytest
from alembic import command
from sqlalchemy import event
from sqlalchemy.engine import Engine

from agents_app.database.url import parse_url
from agents_app.dbtools import Position, read_position, upgrade_to_head
from agents_app.errors import Unavailable
from tests.dbtools.conftest import FlaskDb
from tests.dbtools.tools import GUIDE_REVISION, console_config, create_engine, run_sql


def test_in_an_empty_database_every_step_is_pending(database_url: str) -> None:
    position = _position(database_url)

    assert position.current is None
    assert [step.name for step in position.pending[:2]] == ["add_accounts_and_users", "add_agents_table"]
    assert not position.is_at_head
    assert not position.is_ahead


def test_between_two_steps_the_later_ones_are_pending(database_url: str) -> None:
    command.upgrade(console_config(database_url), GUIDE_REVISION)

    position = _position(database_url)

    assert position.current == GUIDE_REVISION
    assert GUIDE_REVISION not in [step.revision for step in position.pending]
    assert position.pending[-1].revision == position.head


def test_at_head_nothing_is_pending(schema_url: str) -> None:
    position = _position(schema_url)

    assert position.is_at_head
    assert position.pending == ()


def test_after_a_newer_release_the_database_is_ahead_and_nothing_is_pending(schema_url: str) -> None:
    run_sql(schema_url, "UPDATE alembic_version SET version_num = 'ffffffffffff'")

    position = _position(schema_url)

    assert position.is_ahead
    assert not position.is_at_head
    assert position.pending == ()


def test_after_a_downgrade_to_base_there_is_no_current_step(schema_url: str) -> None:
    run_sql(schema_url, "DELETE FROM alembic_version")

    assert _position(schema_url).current is None


@pytest.mark.parametrize("words", [("status",), ("plan",), ("deploy", "--dry-run")], ids=" ".join)
def test_a_command_reads_the_position_once(schema_url: str, flask_db: FlaskDb, words: tuple[str, ...]) -> None:
    statements: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        statements.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    try:
        assert flask_db(schema_url, *words).exit_code == 0
    finally:
        event.remove(Engine, "before_cursor_execute", note)

    assert len([text for text in statements if text.startswith("SELECT alembic_version.version_num")]) == 1


def test_upgrade_to_head_reports_the_cause() -> None:
    with pytest.raises(Unavailable, match="Connection refused"):
        upgrade_to_head(parse_url("postgresql://operator:geheim@127.0.0.1:1/console"))


def test_a_second_upgrade_to_head_changes_nothing(database_url: str) -> None:
    upgrade_to_head(parse_url(database_url))
    upgrade_to_head(parse_url(database_url))

    assert _position(database_url).is_at_head


def _position(url: str) -> Position:
    with create_engine(url).connect() as connection:
        return read_position(connection)
