"""A step of each kind that is stopped: what is said of it is so, the running release works, and the advice works."""

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
from tests.dbtools.stopping import (
    AS_IT_WAS,
    END_MIGRATIONS,
    FILL,
    FILLED,
    HEAD,
    NOT_NULL,
    ON_ITS_WAY,
    project_with,
    raising,
    refusal_of,
    right_before,
)
from tests.dbtools.tools import create_engine, fetch_rows, read_schema, run_sql

CHECK = "op.create_check_constraint(op.f('ck'), 'agents', \"name <> 'x'\", postgresql_not_valid=True)"


class Kind(NamedTuple):
    """A kind of step: what must be so before, what it does, the statement before which it is stopped, what is said."""

    before: str
    step: str
    stopped_at: str
    outcome: str


KINDS = {
    "not null": Kind(FILLED, NOT_NULL, "VALIDATE", ON_ITS_WAY),
    "not null, at its end": Kind(FILLED, NOT_NULL, "SET NOT NULL", ON_ITS_WAY),
    "fill": Kind("SELECT 1", FILL, "UPDATE agents", ON_ITS_WAY),
    "index": Kind("SELECT 1", "op.create_index_concurrently('ix', 'agents', ['name'])", "CREATE INDEX", ON_ITS_WAY),
    "no index": Kind(
        "SELECT 1", "op.drop_index_concurrently('ix_agents_created_by', 'agents')", "DROP INDEX", ON_ITS_WAY
    ),
    "label": Kind("SELECT 1", "op.add_enum_value('connectiontype', 'MAIL')", "ADD VALUE", ON_ITS_WAY),
    "check": Kind("SELECT 1", CHECK, "ADD CONSTRAINT ck", AS_IT_WAS),
    "validation": Kind(
        "ALTER TABLE agents ADD CONSTRAINT ck CHECK (name <> 'x') NOT VALID",
        "op.validate_constraint('ck', 'agents')",
        "VALIDATE",
        AS_IT_WAS,
    ),
    "column": Kind("SELECT 1", "op.add_column('agents', sa.Column('b', sa.Integer()))", "ADD COLUMN", AS_IT_WAS),
    "label, at its end": Kind(
        "SELECT 1", "op.add_enum_value('connectiontype', 'MAIL')", "UPDATE alembic_version", ON_ITS_WAY
    ),
}
ON_SQLITE = {
    "not null": (NOT_NULL, "INSERT INTO _alembic_tmp_agents"),
    "fill": (FILL, "UPDATE agents"),
    "index": ("op.create_index_concurrently('ix', 'agents', ['name'])", "CREATE INDEX"),
    "label": ("op.add_enum_value('connectiontype', 'MAIL')", "INSERT INTO _alembic_tmp_agents"),
    "column": ("op.add_column('agents', sa.Column('b', sa.Integer()))", "ADD COLUMN"),
}


@pytest.fixture
def own_url(cluster: postgres.Cluster) -> Iterator[str]:
    """The URL of a database with every table on that server."""
    with postgres.database(cluster.url) as url:
        dbtools.upgrade_to_head(parse_url(url))
        yield url


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("how", ["interrupted", "cut off"])
def test_after_a_step_that_was_stopped_the_console_works_and_the_same_command_completes_it(
    postgres_schema_url: str, console_on: Any, tmp_path: Path, kind: str, how: str
) -> None:
    url, (before, step, word, outcome) = postgres_schema_url, KINDS[kind]
    use_the_console = console_on(url)
    run_sql(url, before)
    project, schema = project_with(tmp_path, url, step), read_schema(url)

    ways: dict[str, Callable[[], object]] = {
        "interrupted": raising(KeyboardInterrupt),
        "cut off": lambda: fetch_rows(url, END_MIGRATIONS),
    }
    with right_before(word, ways[how]):
        refusal = refusal_of(project)

    assert outcome in refusal
    assert "may be left" not in refusal
    assert (read_schema(url) == schema) == (kind != "label, at its end")
    use_the_console()
    run_sql(url, FILLED)
    command.upgrade(project.config(), "head")
    assert fetch_rows(url, "SELECT version_num FROM alembic_version") == [("next",)]


@pytest.mark.parametrize("kind", KINDS)
def test_after_a_stop_of_the_server_what_may_be_left_is_said_and_the_advice_works(
    cluster: postgres.Cluster, own_url: str, console_on: Any, flask_db: FlaskDb, tmp_path: Path, kind: str
) -> None:
    before, step, word, outcome = KINDS[kind]
    use_the_console = console_on(own_url)
    run_sql(own_url, before)
    project = project_with(tmp_path, own_url, step)

    with right_before(word, cluster.kill):
        refusal = refusal_of(project)
    cluster.start()

    assert outcome in refusal
    removal = re.search(r"To remove it at once: (.*?)\. ", refusal)
    assert (removal is not None) == (kind in ("not null", "not null, at its end", "index"))
    if kind.startswith("not null"):
        told = flask_db(own_url, "status").output
        assert f"ALTER TABLE agents DROP CONSTRAINT IF EXISTS {NOT_NULL_CHECK}; or flask db upgrade" in told
    if removal:
        with create_engine(own_url).execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
            connection.exec_driver_sql(removal[1])
    use_the_console()
    run_sql(own_url, FILLED)
    command.upgrade(project.config(), "head")


@pytest.mark.parametrize("kind", ON_SQLITE)
def test_on_sqlite_a_step_that_was_stopped_is_undone(
    sqlite_schema_url: str, console_on: Any, tmp_path: Path, kind: str
) -> None:
    url, (step, word) = sqlite_schema_url, ON_SQLITE[kind]
    use_the_console = console_on(url)
    if kind == "not null":
        run_sql(url, FILLED)
    project, schema = project_with(tmp_path, url, step), read_schema(url)

    with right_before(word, raising(KeyboardInterrupt)):
        assert f"Interrupted. The step upgrade {HEAD} -> next, next {AS_IT_WAS}" in refusal_of(project)

    assert read_schema(url) == schema
    use_the_console()
    run_sql(url, FILLED)
    command.upgrade(project.config(), "head")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_ends_the_statement_that_is_running(
    postgres_schema_url: str, console_on: Any, tmp_path: Path, number: signal.Signals
) -> None:
    use_the_console = console_on(postgres_schema_url)
    project = project_with(tmp_path, postgres_schema_url, "op.execute('SELECT pg_sleep(600)')")
    waiting = "SELECT 1 FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep%%' AND datname = current_database()"

    def signal_when_it_waits() -> None:
        while not fetch_rows(postgres_schema_url, waiting):
            pass
        os.kill(os.getpid(), number)

    sender = threading.Thread(target=signal_when_it_waits)
    sender.start()
    refusal = refusal_of(project)
    sender.join()

    assert refusal == f"Interrupted. The step upgrade {HEAD} -> next, next was undone."
    use_the_console()


def test_a_step_that_does_other_things_besides_says_that_they_are_to_be_undone_by_hand(
    postgres_schema_url: str, tmp_path: Path
) -> None:
    run_sql(postgres_schema_url, FILLED)
    step = f"op.add_column('agents', sa.Column('b', sa.Integer()))\n{NOT_NULL}"
    project = project_with(tmp_path, postgres_schema_url, step)

    with right_before("VALIDATE", raising(KeyboardInterrupt)):
        refusal = refusal_of(project)

    assert "It does other things besides op.set_not_null: undo those by hand" in refusal
    run_sql(postgres_schema_url, "ALTER TABLE agents DROP COLUMN b")
    command.upgrade(project.config(), "head")


def test_what_another_filled_in_the_middle_of_a_fill_is_kept(
    postgres_schema_url: str, console_on: Any, tmp_path: Path
) -> None:
    console_on(postgres_schema_url)
    project = project_with(tmp_path, postgres_schema_url, FILL)

    with right_before(
        "UPDATE agents", lambda: run_sql(postgres_schema_url, "UPDATE agents SET status_reason = 'newer'")
    ):
        command.upgrade(project.config(), "head")

    assert fetch_rows(postgres_schema_url, "SELECT DISTINCT status_reason FROM agents") == [("newer",)]
