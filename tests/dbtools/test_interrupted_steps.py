"""Steps of every kind are interrupted: the message is true, the running release works, and the advice works."""

import os
import re
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from alembic import command

from agents_app import dbtools
from agents_app.database.url import parse_url
from agents_app.dbtools.database.leftovers import NOT_NULL_CHECK
from tests import postgres
from tests.dbtools.conftest import FlaskDb
from tests.dbtools.interrupted_steps import (
    FILL_STEP,
    FILL_WITH_SQL,
    HEAD,
    NOT_NULL_STEP,
    PARTLY_COMMITTED,
    TERMINATE_MIGRATIONS,
    UNDONE,
    project_with_step,
    raise_error,
    run_before_statement,
    upgrade_error,
)
from tests.dbtools.tools import create_engine, fetch_rows, read_schema, run_sql

pytestmark = pytest.mark.long

CHECK = "op.create_check_constraint(op.f('ck'), 'agents', \"name <> 'x'\", postgresql_not_valid=True)"


class InterruptedStep(NamedTuple):
    """SQL that runs before the step, the step, a word of the statement that it is interrupted at, and the message."""

    before: str
    step: str
    interrupted_at: str
    outcome: str


STEPS = {
    "not null": InterruptedStep(FILL_WITH_SQL, NOT_NULL_STEP, "VALIDATE", PARTLY_COMMITTED),
    "not null, at its end": InterruptedStep(FILL_WITH_SQL, NOT_NULL_STEP, "SET NOT NULL", PARTLY_COMMITTED),
    "fill": InterruptedStep("SELECT 1", FILL_STEP, "UPDATE agents", PARTLY_COMMITTED),
    "index": InterruptedStep(
        "SELECT 1", "op.create_index_concurrently('ix', 'agents', ['name'])", "CREATE INDEX", PARTLY_COMMITTED
    ),
    "no index": InterruptedStep(
        "SELECT 1", "op.drop_index_concurrently('ix_agents_created_by', 'agents')", "DROP INDEX", PARTLY_COMMITTED
    ),
    "label": InterruptedStep("SELECT 1", "op.add_enum_value('connectiontype', 'MAIL')", "ADD VALUE", PARTLY_COMMITTED),
    "check": InterruptedStep("SELECT 1", CHECK, "ADD CONSTRAINT ck", UNDONE),
    "validation": InterruptedStep(
        "ALTER TABLE agents ADD CONSTRAINT ck CHECK (name <> 'x') NOT VALID",
        "op.validate_constraint('ck', 'agents')",
        "VALIDATE",
        PARTLY_COMMITTED,
    ),
    "validation, at its end": InterruptedStep(
        "ALTER TABLE agents ADD CONSTRAINT ck CHECK (name <> 'x') NOT VALID",
        "op.validate_constraint('ck', 'agents')",
        "UPDATE alembic_version",
        PARTLY_COMMITTED,
    ),
    "column": InterruptedStep(
        "SELECT 1", "op.add_column('agents', sa.Column('b', sa.Integer()))", "ADD COLUMN", UNDONE
    ),
    "label, at its end": InterruptedStep(
        "SELECT 1", "op.add_enum_value('connectiontype', 'MAIL')", "UPDATE alembic_version", PARTLY_COMMITTED
    ),
}
SQLITE_STEPS = {
    "not null": (NOT_NULL_STEP, "INSERT INTO _alembic_tmp_agents"),
    "fill": (FILL_STEP, "UPDATE agents"),
    "index": ("op.create_index_concurrently('ix', 'agents', ['name'])", "CREATE INDEX"),
    "label": ("op.add_enum_value('connectiontype', 'MAIL')", "INSERT INTO _alembic_tmp_agents"),
    "column": ("op.add_column('agents', sa.Column('b', sa.Integer()))", "ADD COLUMN"),
}


@pytest.fixture
def own_url(cluster: postgres.Cluster) -> Iterator[str]:
    """The URL of a database with every table on a server that the test can stop."""
    with postgres.database(cluster.url) as url:
        dbtools.upgrade_to_head(parse_url(url))
        yield url


@pytest.mark.parametrize("kind", STEPS)
@pytest.mark.parametrize("cause", ["interrupted", "disconnected"])
def test_after_an_interrupted_step_the_console_works_and_the_same_command_completes_it(
    postgres_schema_url: str, console_on: Any, tmp_path: Path, kind: str, cause: str
) -> None:
    url, (before, step, word, outcome) = postgres_schema_url, STEPS[kind]
    use_the_console = console_on(url)
    run_sql(url, before)
    project, schema = project_with_step(tmp_path, url, step), read_schema(url)

    actions: dict[str, Callable[[], object]] = {
        "interrupted": raise_error(KeyboardInterrupt),
        "disconnected": lambda: fetch_rows(url, TERMINATE_MIGRATIONS),
    }
    with run_before_statement(word, actions[cause]):
        refusal = upgrade_error(project)

    assert outcome in refusal
    assert "may still exist" not in refusal
    assert (read_schema(url) == schema) == (kind not in ("label, at its end", "validation, at its end"))
    use_the_console()
    run_sql(url, FILL_WITH_SQL)
    command.upgrade(project.config(), "head")
    assert fetch_rows(url, "SELECT version_num FROM alembic_version") == [("next",)]


@pytest.mark.parametrize("kind", STEPS)
def test_after_the_server_stopped_leftover_objects_are_reported_and_the_advice_works(
    cluster: postgres.Cluster, own_url: str, console_on: Any, flask_db: FlaskDb, tmp_path: Path, kind: str
) -> None:
    before, step, word, outcome = STEPS[kind]
    use_the_console = console_on(own_url)
    run_sql(own_url, before)
    project = project_with_step(tmp_path, own_url, step)

    with run_before_statement(word, cluster.kill):
        refusal = upgrade_error(project)
    cluster.start()

    assert outcome in refusal
    removal = re.search(r"To remove it at once: (.*?)\. ", refusal)
    assert (removal is not None) == (kind in ("not null", "not null, at its end", "index"))
    if kind.startswith("not null"):
        output = flask_db(own_url, "status").output
        assert f"ALTER TABLE agents DROP CONSTRAINT IF EXISTS {NOT_NULL_CHECK}; or flask db upgrade" in output
    if removal:
        with create_engine(own_url).execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
            connection.exec_driver_sql(removal[1])
    use_the_console()
    run_sql(own_url, FILL_WITH_SQL)
    command.upgrade(project.config(), "head")


@pytest.mark.parametrize("kind", SQLITE_STEPS)
def test_on_sqlite_an_interrupted_step_is_undone(
    sqlite_schema_url: str, console_on: Any, tmp_path: Path, kind: str
) -> None:
    url, (step, word) = sqlite_schema_url, SQLITE_STEPS[kind]
    use_the_console = console_on(url)
    if kind == "not null":
        run_sql(url, FILL_WITH_SQL)
    project, schema = project_with_step(tmp_path, url, step), read_schema(url)

    with run_before_statement(word, raise_error(KeyboardInterrupt)):
        assert f"Interrupted. The step upgrade {HEAD} -> next, next {UNDONE}" in upgrade_error(project)

    assert read_schema(url) == schema
    use_the_console()
    run_sql(url, FILL_WITH_SQL)
    command.upgrade(project.config(), "head")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_cancels_the_running_statement(
    postgres_schema_url: str, console_on: Any, tmp_path: Path, number: signal.Signals
) -> None:
    use_the_console = console_on(postgres_schema_url)
    project = project_with_step(tmp_path, postgres_schema_url, "op.execute('SELECT pg_sleep(600)')")
    waiting = "SELECT 1 FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep%%' AND datname = current_database()"

    def signal_when_it_waits() -> None:
        while not fetch_rows(postgres_schema_url, waiting):
            pass
        os.kill(os.getpid(), number)

    sender = threading.Thread(target=signal_when_it_waits)
    sender.start()
    refusal = upgrade_error(project)
    sender.join()

    assert refusal == f"Interrupted. The step upgrade {HEAD} -> next, next was undone."
    use_the_console()


def test_the_message_says_that_other_changes_of_the_step_must_be_undone_by_hand(
    postgres_schema_url: str, tmp_path: Path
) -> None:
    run_sql(postgres_schema_url, FILL_WITH_SQL)
    step = f"op.add_column('agents', sa.Column('b', sa.Integer()))\n{NOT_NULL_STEP}"
    project = project_with_step(tmp_path, postgres_schema_url, step)

    with run_before_statement("VALIDATE", raise_error(KeyboardInterrupt)):
        refusal = upgrade_error(project)

    assert "The step also contains other operations than op.set_not_null. Undo them manually" in refusal
    run_sql(postgres_schema_url, "ALTER TABLE agents DROP COLUMN b")
    command.upgrade(project.config(), "head")


def test_values_that_another_session_writes_during_a_fill_are_kept(
    postgres_schema_url: str, console_on: Any, tmp_path: Path
) -> None:
    console_on(postgres_schema_url)
    project = project_with_step(tmp_path, postgres_schema_url, FILL_STEP)

    with run_before_statement(
        "UPDATE agents", lambda: run_sql(postgres_schema_url, "UPDATE agents SET status_reason = 'newer'")
    ):
        command.upgrade(project.config(), "head")

    assert fetch_rows(postgres_schema_url, "SELECT DISTINCT status_reason FROM agents") == [("newer",)]
