"""Statements that no reader waits behind wait for other sessions for minutes, and say for which."""

import datetime as dt
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
from alembic import command
from alembic.util import CommandError
from psycopg2.extensions import set_wait_callback
from psycopg2.extras import wait_select

from agents_app import dbtools
from agents_app.dbtools.database.session_limits import COMMENTS, PATIENT
from agents_app.dbtools.database.waiting import describe_processes
from tests.dbtools.tools import Project, create_engine, fetch_rows, run_sql

INDEX = "op.create_index_concurrently('ix', 'busy', ['a'])"
DROP = "op.drop_index_concurrently('ix', 'busy')"
SHORT_LOCK = dbtools.Limits(table_timeout=0.001, attempts=1)
# The thread that reads for which sessions the index waits has read it.
IS_READ = "SELECT FROM pg_stat_activity WHERE query LIKE '%%pg_blocking_pids%%' AND state = 'idle'"
IS_BLOCKED = """
SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND now() - query_start > '20 ms'
AND datname = current_database()
"""


@pytest.fixture
def project(tmp_path: Path, postgres_url: str) -> Project:
    """A table with a row, and a folder of migrations."""
    run_sql(postgres_url, "CREATE TABLE busy (a integer)", "INSERT INTO busy VALUES (1)")
    return Project(tmp_path, postgres_url)


@contextmanager
def transaction_until(url: str, query: str, statement: str = "UPDATE busy SET a = 2") -> Iterator[None]:
    """A transaction of another session that has done `statement`, until `query` finds a row or the block ends."""
    begun, ended = threading.Event(), threading.Event()

    def hold() -> bool:
        with create_engine(url).connect() as connection, create_engine(url).connect() as observer:
            observer.execution_options(isolation_level="AUTOCOMMIT")
            connection.exec_driver_sql(statement)
            begun.set()
            while not ended.is_set():
                if observer.exec_driver_sql(f"SELECT 1 WHERE EXISTS ({query})").first():
                    return True
        return False

    # The callback of a migration is for the whole process, see `repeat_in_thread`.
    set_wait_callback(wait_select)
    try:
        with ThreadPoolExecutor(1) as other:
            was_met = other.submit(hold)
            begun.wait()
            try:
                yield
            finally:
                ended.set()
            assert was_met.result()
    finally:
        set_wait_callback(None)


def test_an_index_waits_for_an_older_transaction_and_names_it_once(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    project.revision("one", INDEX)

    with transaction_until(project.url, IS_READ):
        command.upgrade(project.config(SHORT_LOCK), "head")

    printed = capsys.readouterr().err
    assert printed.count("Waiting for process") == 1
    assert " to end its transaction." in printed
    assert fetch_rows(project.url, "SELECT indisvalid FROM pg_index WHERE indexrelid = 'ix'::regclass") == [(True,)]


@pytest.mark.parametrize(
    ("step", "statement"),
    [
        (DROP, "UPDATE busy SET a = 2"),
        ("op.validate_constraint('ck', 'busy')", "LOCK busy IN SHARE UPDATE EXCLUSIVE MODE"),
        (
            "with op.get_context().autocommit_block():\n    op.execute('REINDEX INDEX CONCURRENTLY ix')",
            "UPDATE busy SET a = 2",
        ),
    ],
)
def test_other_statements_that_nobody_waits_behind_wait_too(project: Project, step: str, statement: str) -> None:
    run_sql(
        project.url,
        "CREATE INDEX ix ON busy (a)",
        "ALTER TABLE busy ADD CONSTRAINT ck CHECK (a > 0) NOT VALID",
    )
    project.revision("one", step)

    with transaction_until(project.url, IS_BLOCKED, statement):
        command.upgrade(project.config(SHORT_LOCK), "head")

    assert fetch_rows(project.url, "SELECT version_num FROM alembic_version") == [("one",)]


def test_a_wait_that_never_ends_is_given_up_after_one_attempt(project: Project) -> None:
    project.revision("one", INDEX)

    with create_engine(project.url).connect() as other:
        other.exec_driver_sql("UPDATE busy SET a = 2")
        error = _error(project, dbtools.Limits(table_timeout=0.001, migration_timeout=0.05, retry_delay=0))

    assert error.startswith("Blocked by ")
    assert "Try again later." in error


def _error(project: Project, limits: dbtools.Limits) -> str:
    with pytest.raises(CommandError) as refusal:
        command.upgrade(project.config(limits), "head")
    assert "\n" not in str(refusal.value)
    return str(refusal.value)


@pytest.mark.parametrize(
    ("statement", "is_patient"),
    [
        ("CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS ix ON t (a)", True),
        ("/* x */ create index\n concurrently ix on t (a) -- x", True),
        ("DROP INDEX CONCURRENTLY IF EXISTS ix", True),
        ("REINDEX (CONCURRENTLY) TABLE t", True),
        ('ALTER TABLE ONLY s."a b" VALIDATE CONSTRAINT "ck a"', True),
        ("CREATE INDEX ix ON t (a)", False),
        ("ALTER TABLE t VALIDATE CONSTRAINT ck, ADD COLUMN a integer", False),
        ("ALTER TABLE t ADD CONSTRAINT ck CHECK (a > 0) NOT VALID", False),
        ("ALTER TABLE t ADD COLUMN validate integer", False),
    ],
)
def test_which_statements_wait_for_minutes(statement: str, is_patient: bool) -> None:
    assert bool(PATIENT.fullmatch(COMMENTS.sub(" ", statement))) == is_patient


def test_the_time_of_a_session_that_postgresql_hides_is_left_out() -> None:
    rows = [(1, "psql", "console", dt.timedelta()), (2, "", "postgres", None)]

    assert describe_processes(rows) == "process 1 (psql as console, for 0 s), process 2 (unnamed as postgres)"
