"""PostgreSQL stops in the middle of a command: one line says so, what was committed stays, the next run goes on."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic import command

from agents_app.database.url import parse_url
from agents_app.dbtools.backup import backups
from tests import postgres
from tests.dbtools.tools import console_config, create_engine, fetch_rows, run_sql
from tests.project import shared_copy

BEFORE_THE_FILL = "d90b4f6a7c21"
ACCOUNT = "INSERT INTO accounts (id, name, created_at) VALUES ('00000000000000000000000000000001', 'A', now())"
AGENTS = """
INSERT INTO agents (id, name, connection_type, connection_config, account_id, created_at)
SELECT gen_random_uuid(), 'agent ' || number, 'DB', '{}', '00000000000000000000000000000001', now()
FROM generate_series(1, 250) AS number
"""
# The third hundred is never filled.
SLEEP = "CREATE FUNCTION sleep() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(600); RETURN NULL; END'"
IN_THE_FILL = """
CREATE TRIGGER sleep AFTER UPDATE ON agents FOR EACH ROW WHEN (new.name = 'agent 250') EXECUTE FUNCTION sleep()
"""
ORDERED = "UPDATE agents SET id = CAST(lpad(substr(name, 7), 32, '0') AS uuid)"
SLOW_TABLE = (
    "CREATE FUNCTION passes(integer) RETURNS boolean LANGUAGE sql AS 'SELECT true'",
    "CREATE TABLE slow (a integer CHECK (passes(a)))",
    "INSERT INTO slow VALUES (1)",
    "CREATE OR REPLACE FUNCTION passes(integer) RETURNS boolean LANGUAGE sql AS 'SELECT pg_sleep(600) IS NOT NULL'",
)
SLEEPING = "wait_event = 'PgSleep' AND pid <> pg_backend_pid()"
WAITING = "application_name = 'pg_dump' AND wait_event_type = 'Lock'"
PROGRESS = ("Done: ", "On the copy, up:", "Copying ", "The database test_")
UNTIL = """
DO $$ BEGIN
    WHILE NOT EXISTS (SELECT FROM pg_stat_activity WHERE {}) LOOP
        PERFORM pg_stat_clear_snapshot(), pg_sleep(0.05);
    END LOOP;
END $$
"""


@pytest.fixture
def url(cluster: postgres.Cluster) -> Iterator[str]:
    """The URL of a database on it with 250 agents that are to be filled, in the middle of which PostgreSQL sleeps."""
    with postgres.database(cluster.url) as made:
        command.upgrade(console_config(made), BEFORE_THE_FILL)
        run_sql(made, ACCOUNT, AGENTS, ORDERED, SLEEP, IN_THE_FILL)
        yield made


@pytest.mark.parametrize("words", ["flask db upgrade", "alembic upgrade head"])
@pytest.mark.parametrize("stop", ["immediate", "fast"])
def test_in_the_middle_of_a_fill_what_was_filled_stays(
    cluster: postgres.Cluster, url: str, words: str, stop: str
) -> None:
    told = _stopped(cluster, url, words, SLEEPING, stop)

    assert told.endswith("remain, the rest was undone. To continue the step, run the same command again.")
    assert fetch_rows(url, "SELECT count(*) FROM agents WHERE name_key <> ''") == [(200,)]
    run_sql(url, "DROP TRIGGER sleep ON agents")
    command.upgrade(console_config(url), "head")
    assert fetch_rows(url, "SELECT count(*) FROM agents WHERE name_key <> ''") == [(250,)]


def test_in_the_middle_of_a_rehearsal_nothing_was_touched(cluster: postgres.Cluster, url: str) -> None:
    told = _stopped(cluster, url, "flask db rehearse", SLEEPING)

    assert "The real database was not touched." in told
    assert fetch_rows(url, "SELECT count(*) FROM agents WHERE name_key <> ''") == [(0,)]


def test_in_the_middle_of_a_backup_no_file_is_left(cluster: postgres.Cluster, url: str, backup_folder: Path) -> None:
    with create_engine(url).connect() as other:
        other.exec_driver_sql("LOCK TABLE agents")
        told = _stopped(cluster, url, "flask db backup", WAITING)
        other.invalidate()

    assert "No backup was written to" in told
    assert list(backup_folder.iterdir()) == []


def test_in_the_middle_of_a_restore_nothing_was_changed(cluster: postgres.Cluster, url: str, tmp_path: Path) -> None:
    run_sql(url, *SLOW_TABLE)
    file = backups.create_backup(parse_url(url), tmp_path).file

    with postgres.database(cluster.url) as empty:
        told = _stopped(cluster, empty, f"flask db restore {file}", SLEEPING)

        assert "Nothing was changed." in told
        assert fetch_rows(empty, "SELECT tablename FROM pg_tables WHERE schemaname = 'public'") == []


def _stopped(cluster: postgres.Cluster, url: str, words: str, when: str, how: str = "immediate") -> str:
    """What a command prints that the server leaves alone, without what it says of its progress."""
    environment = {**os.environ, "DATABASE_URL": url, "PYTHONWARNINGS": "error"}
    line = [sys.executable, "-m", *words.split()]
    with subprocess.Popen(
        line, cwd=shared_copy(), env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as run:
        run_sql(url, "SET statement_timeout = '120s'", UNTIL.format(when))
        cluster.kill(how)
        printed, _ = run.communicate()
    cluster.start()
    told = [text for text in printed.splitlines() if not text.startswith(PROGRESS)]
    assert run.returncode != 0
    assert len(told) == 1, printed
    return told[0]
