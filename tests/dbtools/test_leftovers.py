"""op.set_not_null and op.create_index_concurrently remove their unfinished objects, or report them."""

import re
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from sqlalchemy.engine import Connection

from agents_app.dbtools.database.leftovers import NOT_NULL_CHECK
from agents_app.dbtools.database.postgresql import MIGRATION_LOCK
from tests.dbtools.conftest import FlaskDb
from tests.dbtools.interrupted_steps import (
    FILL_WITH_SQL,
    HEAD,
    NOT_NULL_STEP,
    TERMINATE_MIGRATIONS,
    UNDONE,
    project_with_step,
    raise_error,
    run_before_statement,
    upgrade_error,
)
from tests.dbtools.tools import console_config, create_engine, fetch_rows, read_schema, run_sql

CHECK_EXISTS = f"SELECT 1 FROM pg_constraint WHERE conname = '{NOT_NULL_CHECK}'"


def test_rows_without_a_value_are_refused_before_the_check_is_added(
    schema_url: str, console_on: Any, tmp_path: Path
) -> None:
    use_the_console = console_on(schema_url)
    project, schema = project_with_step(tmp_path, schema_url, NOT_NULL_STEP), read_schema(schema_url)

    with run_before_statement(NOT_NULL_CHECK, raise_error(AssertionError)):
        refusal = upgrade_error(project)

    assert refusal.startswith("1 row of agents without a value in status_reason. Give each row a value, then run")
    assert refusal.endswith(UNDONE)
    assert read_schema(schema_url) == schema
    use_the_console()
    run_sql(schema_url, FILL_WITH_SQL)
    command.upgrade(project.config(), "head")


def test_duplicate_values_leave_no_invalid_index_behind(
    postgres_schema_url: str, console_on: Any, tmp_path: Path
) -> None:
    use_the_console = console_on(postgres_schema_url)
    use_the_console()
    step = "op.create_index_concurrently('uq', 'agents', ['description'], unique=True)"
    project, schema = project_with_step(tmp_path, postgres_schema_url, step), read_schema(postgres_schema_url)

    assert "could not create unique index" in upgrade_error(project)

    assert read_schema(postgres_schema_url) == schema
    use_the_console()


def test_a_constraint_that_cannot_be_removed_is_reported_with_the_statement_that_removes_it(
    postgres_schema_url: str, console_on: Any, tmp_path: Path
) -> None:
    use_the_console = console_on(postgres_schema_url)
    run_sql(postgres_schema_url, FILL_WITH_SQL)
    project = project_with_step(tmp_path, postgres_schema_url, NOT_NULL_STEP)

    with (
        create_engine(postgres_schema_url).connect() as reader,
        run_before_statement("VALIDATE", lambda: _read(reader)),
    ):
        refusal = upgrade_error(project)

    assert refusal.startswith("Blocked by process ")
    removal = re.search(r"To remove it at once: (.*?)\. ", refusal)
    assert removal
    run_sql(postgres_schema_url, removal[1])
    use_the_console()


def test_a_run_that_lost_its_connection_does_not_remove_objects_of_another_run(
    postgres_schema_url: str, console_on: Any, tmp_path: Path
) -> None:
    url = postgres_schema_url
    console_on(url)
    run_sql(url, FILL_WITH_SQL)
    project = project_with_step(tmp_path, url, NOT_NULL_STEP)
    seen: list[object] = []

    with create_engine(url).connect() as another:

        def take_lock() -> None:
            another.exec_driver_sql(TERMINATE_MIGRATIONS)
            another.exec_driver_sql("SELECT pg_advisory_lock(%s, %s)", MIGRATION_LOCK.key)

        def release_lock() -> None:
            seen.extend(fetch_rows(url, CHECK_EXISTS))
            another.exec_driver_sql("SELECT pg_advisory_unlock_all()")

        # The run that lost its connection tries to get the lock again: it fails once, then succeeds.
        with (
            run_before_statement("pg_try_advisory_lock", lambda: None, lambda: None, release_lock),
            run_before_statement("VALIDATE", take_lock),
        ):
            refusal = upgrade_error(project)

    assert seen == [(1,)]
    assert "may still exist" not in refusal
    assert fetch_rows(url, CHECK_EXISTS) == []


def test_a_step_that_was_blocked_at_its_end_does_not_check_the_rows_again(
    postgres_schema_url: str, console_on: Any, tmp_path: Path
) -> None:
    console_on(postgres_schema_url)
    run_sql(postgres_schema_url, FILL_WITH_SQL)
    project = project_with_step(tmp_path, postgres_schema_url, NOT_NULL_STEP)
    validations: list[str] = []

    with (
        create_engine(postgres_schema_url).connect() as reader,
        run_before_statement("VALIDATE", lambda: _read(reader), lambda: validations.append("again")),
        run_before_statement("SET NOT NULL", lambda: None, reader.rollback),
    ):
        command.upgrade(project.config(), "head")

    assert validations == []


def _read(reader: Connection) -> None:
    reader.exec_driver_sql("SELECT * FROM agents").close()


@pytest.mark.parametrize("verb", ["upgrade", "downgrade", "stamp"])
def test_the_next_run_first_removes_the_check_of_a_killed_run(
    postgres_schema_url: str, console_on: Any, verb: str, capsys: pytest.CaptureFixture[str]
) -> None:
    use_the_console = console_on(postgres_schema_url)
    run_sql(postgres_schema_url, f"ALTER TABLE agents ADD CONSTRAINT {NOT_NULL_CHECK} CHECK (name IS NULL) NOT VALID")

    getattr(command, verb)(console_config(postgres_schema_url), HEAD)

    assert f"The constraint {NOT_NULL_CHECK} on agents" in capsys.readouterr().err
    assert fetch_rows(postgres_schema_url, CHECK_EXISTS) == []
    use_the_console()


def test_status_reports_the_check_of_a_killed_run_and_flask_db_check_ignores_it(
    postgres_schema_url: str, flask_db: FlaskDb
) -> None:
    run_sql(
        postgres_schema_url, f"ALTER TABLE agents ADD CONSTRAINT {NOT_NULL_CHECK} CHECK (name IS NOT NULL) NOT VALID"
    )

    result = flask_db(postgres_schema_url, "status", "--check")

    assert result.exit_code == 1
    assert result.output.count("Wrong: ") == 1
    assert f"Do: ALTER TABLE agents DROP CONSTRAINT IF EXISTS {NOT_NULL_CHECK}; or flask db upgrade" in result.output
    command.check(console_config(postgres_schema_url))
