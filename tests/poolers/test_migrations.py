"""Migrations, backups and other commands that need their own session, through PgBouncer."""

from contextlib import closing
from pathlib import Path

import pytest

from agents_app import dbtools
from agents_app.database.url import parse_url
from agents_app.errors import Unavailable
from tests import pgbouncer
from tests.conftest import OpenConsole
from tests.dbtools.conftest import FlaskDb, backup_folder, flask_db
from tests.make import make_agent, make_user
from tests.poolers.conftest import LOCKS, MODES, SETTINGS, StartPooler, connect, query_rows, with_options

pytestmark = pytest.mark.long

__all__ = ["backup_folder", "flask_db"]

EARLIER_REVISION = "e7c49a1056bf"
SESSION_COMMANDS = [
    ["upgrade"],
    ["downgrade", "-1"],
    ["stamp", "head"],
    ["deploy", "--yes"],
    ["deploy", "--yes", "--no-backup"],
    ["backup"],
    ["restore", "FILE"],
    ["restore-rows", "ROWS"],
    ["rehearse"],
]
READ_COMMANDS = [["status"], ["check"], ["plan"], ["current"], ["history"], ["heads"], ["deploy", "--dry-run"]]
ADVICE = "Set MIGRATION_DATABASE_URL to the server's own address."


@pytest.mark.parametrize("words", SESSION_COMMANDS, ids=" ".join)
def test_a_command_that_needs_a_session_is_refused_in_transaction_mode_in_one_line(
    postgres_schema_url: str,
    postgres_url: str,
    start_pooler: StartPooler,
    flask_db: FlaskDb,
    tmp_path: Path,
    words: list[str],
) -> None:
    assert flask_db(postgres_schema_url, "backup", str(tmp_path / "FILE")).exit_code == 0
    (tmp_path / "ROWS").write_text("")
    arguments = [str(tmp_path / word) if word in ("FILE", "ROWS") else word for word in words]
    pooler = start_pooler("transaction", server_reset_query="")
    if words[0] in ("deploy", "rehearse"):
        flask_db(postgres_schema_url, "downgrade", EARLIER_REVISION)
    target = postgres_url if words[0] == "restore" else postgres_schema_url
    before = query_rows(target, SETTINGS)

    result = flask_db(pooler.url(target), *arguments)

    lines = [line for line in result.output.splitlines() if "transaction mode" in line]
    assert result.exit_code == 1
    assert len(lines) == 1
    assert ADVICE in lines[0]
    assert query_rows(pooler.url(target), SETTINGS) == before
    assert query_rows(target, LOCKS) == [(0,)]


@pytest.mark.parametrize("words", READ_COMMANDS, ids=" ".join)
def test_a_command_that_only_reads_works_in_transaction_mode(
    postgres_schema_url: str, start_pooler: StartPooler, flask_db: FlaskDb, words: list[str]
) -> None:
    direct = flask_db(postgres_schema_url, *words)
    pooled = flask_db(start_pooler("transaction").url(postgres_schema_url), *words)

    assert pooled.exit_code == 0
    # The output of these two contains the URL.
    assert words[0] in ("status", "deploy") or pooled.output == direct.output


def test_a_command_that_only_reads_uses_the_schema_in_the_options(
    postgres_schema_url: str, pooler: pgbouncer.Pooler, flask_db: FlaskDb
) -> None:
    with closing(connect(postgres_schema_url)) as other:
        other.cursor().execute("CREATE SCHEMA app")
        other.commit()

    result = flask_db(with_options(pooler.url(postgres_schema_url), "-csearch_path=app"), "plan")

    assert "add_agents_table" in result.output


@pytest.mark.parametrize("size", ["1", "20"])
def test_migrations_in_session_mode_leave_no_settings_or_locks(
    postgres_url: str, start_pooler: StartPooler, flask_db: FlaskDb, size: str
) -> None:
    pooler = start_pooler("session", server_reset_query="", default_pool_size=size)
    with closing(connect(postgres_url)) as other:
        other.cursor().execute("CREATE SCHEMA app")
        other.commit()
    before = query_rows(postgres_url, SETTINGS)
    url = with_options(pooler.url(postgres_url), "-csearch_path=app")

    steps = [flask_db(url, *words) for words in (["upgrade"], ["downgrade", "-1"], ["upgrade"], ["check"])]

    assert [step.exit_code for step in steps] == [0, 0, 0, 0]
    assert query_rows(
        postgres_url, "SELECT DISTINCT schemaname FROM pg_tables WHERE schemaname IN ('app', 'public')"
    ) == [("app",)]
    assert query_rows(pooler.url(postgres_url), SETTINGS) == before
    assert query_rows(postgres_url, LOCKS) == [(0,)]


def test_a_failed_migration_in_session_mode_leaves_no_settings_or_locks(
    postgres_schema_url: str, start_pooler: StartPooler, flask_db: FlaskDb
) -> None:
    pooler = start_pooler("session", server_reset_query="")
    before = query_rows(postgres_schema_url, SETTINGS)
    with closing(connect(postgres_schema_url)) as other:
        other.cursor().execute("DROP TABLE invitations")
        other.commit()

    # The step that made the table is on the way.
    failed = flask_db(pooler.url(postgres_schema_url), "downgrade", "18ad6f3c902e")

    assert failed.exit_code == 1
    assert query_rows(pooler.url(postgres_schema_url), SETTINGS) == before
    assert query_rows(postgres_schema_url, LOCKS) == [(0,)]


def test_a_backup_in_session_mode_is_complete_and_can_be_restored(
    postgres_schema_url: str,
    postgres_url: str,
    start_pooler: StartPooler,
    flask_db: FlaskDb,
    open_console: OpenConsole,
    tmp_path: Path,
) -> None:
    pooler = start_pooler("session")
    app = open_console(postgres_schema_url)
    agent_id = make_agent(app, make_user(app))
    file = str(tmp_path / "kept.dump")

    written = flask_db(with_options(pooler.url(postgres_schema_url), "-csearch_path=public"), "backup", file)
    restored = flask_db(with_options(pooler.url(postgres_url), "-csearch_path=public"), "restore", file)

    assert (written.exit_code, restored.exit_code) == (0, 0)
    assert query_rows(postgres_url, "SELECT id FROM agents") == [(str(agent_id),)]


@pytest.mark.parametrize("mode", MODES)
def test_a_migration_that_the_program_starts_is_refused_in_transaction_mode(
    postgres_schema_url: str, start_pooler: StartPooler, mode: str
) -> None:
    url = parse_url(start_pooler(mode).url(postgres_schema_url))

    if mode == "session":
        dbtools.upgrade_to_head(url)
    else:
        with pytest.raises(Unavailable, match="MIGRATION_DATABASE_URL"):
            dbtools.upgrade_to_head(url)
