"""PostgreSQL stops during a command: one line reports it, committed changes remain, and the next run continues."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic import command

from agents_app.database.url import parse_url
from agents_app.dbtools.backup import backups
from tests import postgres
from tests.dbtools.tools import console_config, create_engine, fetch_rows, run_sql
from tests.fork_server import LANGUAGE, programs
from tests.project import shared_copy

pytestmark = pytest.mark.long

REVISION_BEFORE_FILL = "d90b4f6a7c21"
ACCOUNT = "INSERT INTO accounts (id, name, created_at) VALUES ('00000000000000000000000000000001', 'A', now())"
AGENTS = """
INSERT INTO agents (id, name, connection_type, connection_config, account_id, created_at)
SELECT gen_random_uuid(), 'agent ' || number, 'DB', '{}', '00000000000000000000000000000001', now()
FROM generate_series(1, 250) AS number
"""
# The third batch of a hundred rows is never filled.
SLEEP = "CREATE FUNCTION sleep() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(600); RETURN NULL; END'"
SLEEP_IN_FILL = """
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
WAIT_UNTIL = """
DO $$ BEGIN
    WHILE NOT EXISTS (SELECT FROM pg_stat_activity WHERE {}) LOOP
        PERFORM pg_stat_clear_snapshot(), pg_sleep(0.05);
    END LOOP;
END $$
"""


@pytest.fixture
def url(cluster: postgres.Cluster) -> Iterator[str]:
    """The URL of a database with 250 agents. A step that fills them sleeps before its end."""
    with postgres.database(cluster.url) as database_url:
        command.upgrade(console_config(database_url), REVISION_BEFORE_FILL)
        run_sql(database_url, ACCOUNT, AGENTS, ORDERED, SLEEP, SLEEP_IN_FILL)
        yield database_url


@pytest.mark.parametrize("words", ["flask db upgrade", "alembic upgrade head"])
@pytest.mark.parametrize("stop", ["immediate", "fast"])
def test_rows_that_were_filled_before_the_server_stopped_remain(
    cluster: postgres.Cluster, url: str, words: str, stop: str
) -> None:
    line = _stop_during(cluster, url, words, SLEEPING, stop)

    assert line.endswith("remain, the rest was undone. To continue the step, run the same command again.")
    assert fetch_rows(url, "SELECT count(*) FROM agents WHERE name_key <> ''") == [(200,)]
    run_sql(url, "DROP TRIGGER sleep ON agents")
    command.upgrade(console_config(url), "head")
    assert fetch_rows(url, "SELECT count(*) FROM agents WHERE name_key <> ''") == [(250,)]


def test_a_rehearsal_does_not_change_the_database_if_the_server_stops(cluster: postgres.Cluster, url: str) -> None:
    line = _stop_during(cluster, url, "flask db rehearse", SLEEPING)

    assert "The real database was not touched." in line
    assert fetch_rows(url, "SELECT count(*) FROM agents WHERE name_key <> ''") == [(0,)]


def test_a_backup_leaves_no_file_if_the_server_stops(cluster: postgres.Cluster, url: str, backup_folder: Path) -> None:
    with create_engine(url).connect() as other:
        other.exec_driver_sql("LOCK TABLE agents")
        line = _stop_during(cluster, url, "flask db backup", WAITING)
        other.invalidate()

    assert "No backup was written to" in line
    assert list(backup_folder.iterdir()) == []


def test_a_restore_changes_nothing_if_the_server_stops(cluster: postgres.Cluster, url: str, tmp_path: Path) -> None:
    run_sql(url, *SLOW_TABLE)
    file = backups.create_backup(parse_url(url), tmp_path).file

    with postgres.database(cluster.url) as empty:
        line = _stop_during(cluster, empty, f"flask db restore {file}", SLEEPING)

        assert "Nothing was changed." in line
        assert fetch_rows(empty, "SELECT tablename FROM pg_tables WHERE schemaname = 'public'") == []


def _stop_during(cluster: postgres.Cluster, url: str, words: str, when: str, how: str = "immediate") -> str:
    """Stop the server during a command. Return the command's only line of output except progress."""
    environment = {
        **os.environ,
        "DATABASE_URL": url,
        "PYTHONWARNINGS": "error",
        "LANG": LANGUAGE,
        "MIGRATION_BATCH": "100",
    }
    line = [str(programs() / "python"), "-m", *words.split()]
    with subprocess.Popen(
        line, cwd=shared_copy(), env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as run:
        run_sql(url, "SET statement_timeout = '120s'", WAIT_UNTIL.format(when))
        cluster.kill(how)
        output, _ = run.communicate()
    cluster.start()
    lines = [line for line in output.splitlines() if not line.startswith(PROGRESS)]
    assert run.returncode != 0
    assert len(lines) == 1, output
    return lines[0]
