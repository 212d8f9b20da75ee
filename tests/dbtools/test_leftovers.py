"""What op.set_not_null and an index made CONCURRENTLY leave: nothing where it can be helped, else it is named."""

import re
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from sqlalchemy.engine import Connection

from agents_app.dbtools.database.leftovers import NOT_NULL_CHECK
from agents_app.dbtools.database.postgresql import MIGRATION_LOCK
from tests.dbtools.conftest import FlaskDb
from tests.dbtools.stopping import (
    AS_IT_WAS,
    END_MIGRATIONS,
    FILLED,
    HEAD,
    NOT_NULL,
    project_with,
    raising,
    refusal_of,
    right_before,
)
from tests.dbtools.tools import console_config, create_engine, fetch_rows, read_schema, run_sql

HELPER_IS_LEFT = f"SELECT 1 FROM pg_constraint WHERE conname = '{NOT_NULL_CHECK}'"


def test_rows_without_a_value_are_refused_before_anything_is_in_the_way(
    schema_url: str, console_on: Any, tmp_path: Path
) -> None:
    use_the_console = console_on(schema_url)
    project, schema = project_with(tmp_path, schema_url, NOT_NULL), read_schema(schema_url)

    with right_before(NOT_NULL_CHECK, raising(AssertionError)):
        refusal = refusal_of(project)

    assert refusal.startswith("1 row of agents without status_reason: give each a value, then type the same command")
    assert refusal.endswith(AS_IT_WAS)
    assert read_schema(schema_url) == schema
    use_the_console()
    run_sql(schema_url, FILLED)
    command.upgrade(project.config(), "head")


def test_rows_that_are_not_unique_leave_no_index_behind(
    postgres_schema_url: str, console_on: Any, tmp_path: Path
) -> None:
    use_the_console = console_on(postgres_schema_url)
    use_the_console()
    step = "op.create_index_concurrently('uq', 'agents', ['description'], unique=True)"
    project, schema = project_with(tmp_path, postgres_schema_url, step), read_schema(postgres_schema_url)

    assert "could not create unique index" in refusal_of(project)

    assert read_schema(postgres_schema_url) == schema
    use_the_console()


def test_a_constraint_that_cannot_be_removed_is_named_with_what_removes_it(
    postgres_schema_url: str, console_on: Any, tmp_path: Path
) -> None:
    use_the_console = console_on(postgres_schema_url)
    run_sql(postgres_schema_url, FILLED)
    project = project_with(tmp_path, postgres_schema_url, NOT_NULL)

    with create_engine(postgres_schema_url).connect() as reader, right_before("VALIDATE", lambda: _read(reader)):
        refusal = refusal_of(project)

    assert refusal.startswith("Blocked by process ")
    removal = re.search(r"To remove it at once: (.*?)\. ", refusal)
    assert removal
    run_sql(postgres_schema_url, removal[1])
    use_the_console()


def test_a_run_that_lost_its_connection_does_not_remove_what_another_run_works_with(
    postgres_schema_url: str, console_on: Any, tmp_path: Path
) -> None:
    url = postgres_schema_url
    console_on(url)
    run_sql(url, FILLED)
    project = project_with(tmp_path, url, NOT_NULL)
    seen: list[object] = []

    with create_engine(url).connect() as another:

        def take_the_turn() -> None:
            another.exec_driver_sql(END_MIGRATIONS)
            another.exec_driver_sql("SELECT pg_advisory_lock(%s, %s)", MIGRATION_LOCK.key)

        def end_the_turn() -> None:
            seen.extend(fetch_rows(url, HELPER_IS_LEFT))
            another.exec_driver_sql("SELECT pg_advisory_unlock_all()")

        # The run that lost its connection asks for its turn again, in vain, and once more.
        with (
            right_before("pg_try_advisory_lock", lambda: None, lambda: None, end_the_turn),
            right_before("VALIDATE", take_the_turn),
        ):
            refusal = refusal_of(project)

    assert seen == [(1,)]
    assert "may be left" not in refusal
    assert fetch_rows(url, HELPER_IS_LEFT) == []


def test_a_step_that_was_locked_out_at_its_end_does_not_look_at_the_rows_again(
    postgres_schema_url: str, console_on: Any, tmp_path: Path
) -> None:
    console_on(postgres_schema_url)
    run_sql(postgres_schema_url, FILLED)
    project = project_with(tmp_path, postgres_schema_url, NOT_NULL)
    looks: list[str] = []

    with (
        create_engine(postgres_schema_url).connect() as reader,
        right_before("VALIDATE", lambda: _read(reader), lambda: looks.append("again")),
        right_before("SET NOT NULL", lambda: None, reader.rollback),
    ):
        command.upgrade(project.config(), "head")

    assert looks == []


def _read(reader: Connection) -> None:
    reader.exec_driver_sql("SELECT * FROM agents").close()


@pytest.mark.parametrize("verb", ["upgrade", "downgrade", "stamp"])
def test_the_next_run_removes_first_what_one_that_was_killed_left(
    postgres_schema_url: str, console_on: Any, verb: str, capsys: pytest.CaptureFixture[str]
) -> None:
    use_the_console = console_on(postgres_schema_url)
    run_sql(postgres_schema_url, f"ALTER TABLE agents ADD CONSTRAINT {NOT_NULL_CHECK} CHECK (name IS NULL) NOT VALID")

    getattr(command, verb)(console_config(postgres_schema_url), HEAD)

    assert f"The constraint {NOT_NULL_CHECK} on agents" in capsys.readouterr().err
    assert fetch_rows(postgres_schema_url, HELPER_IS_LEFT) == []
    use_the_console()


def test_what_a_killed_run_left_is_named_by_status_and_is_no_difference(
    postgres_schema_url: str, flask_db: FlaskDb
) -> None:
    run_sql(
        postgres_schema_url, f"ALTER TABLE agents ADD CONSTRAINT {NOT_NULL_CHECK} CHECK (name IS NOT NULL) NOT VALID"
    )

    told = flask_db(postgres_schema_url, "status", "--check")

    assert told.exit_code == 1
    assert told.output.count("Wrong: ") == 1
    assert f"Do: ALTER TABLE agents DROP CONSTRAINT IF EXISTS {NOT_NULL_CHECK}; or flask db upgrade" in told.output
    command.check(console_config(postgres_schema_url))
