"""Databases of another program and databases with another encoding are refused, and never changed."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.util import CommandError
from flask import Flask

from agents_app.cli.serve import check_for_first_start
from agents_app.database.url import parse_url
from agents_app.dbtools.backup.backups import create_backup, restore_backup
from agents_app.errors import Unavailable
from tests import postgres
from tests.conftest import OpenConsole
from tests.dbtools.conftest import FlaskDb
from tests.dbtools.tools import GUIDE_REVISION, console_config, fetch_rows, read_schema, run_sql
from tests.make import make_account

OWN_PLACE = "Give the console a database of its own or, on PostgreSQL, a schema of its own: DATABASE_SCHEMA="
VERSION = "CREATE TABLE alembic_version (version_num varchar(32) PRIMARY KEY)"
OTHER_PROGRAMS = {
    "an unknown revision": [VERSION, "INSERT INTO alembic_version VALUES ('deadbeef1234')"],
    "an unknown revision and tables": [
        VERSION,
        "INSERT INTO alembic_version VALUES ('deadbeef1234')",
        "CREATE TABLE users (id integer PRIMARY KEY, name text, email text)",
        "CREATE TABLE accounts (id integer PRIMARY KEY, name text)",
    ],
    "several rows": [VERSION, "INSERT INTO alembic_version VALUES ('deadbeef1234'), ('feedbeef1234')"],
    "an additional row": [
        VERSION,
        f"INSERT INTO alembic_version VALUES ('deadbeef1234'), ('{GUIDE_REVISION}')",
    ],
    "other columns": ["CREATE TABLE alembic_version (version text)", "INSERT INTO alembic_version VALUES ('1')"],
    "a view": ["CREATE VIEW alembic_version AS SELECT 'deadbeef1234' AS version_num"],
}
VERBS = ("status", "plan", "upgrade", "deploy", "current", "check", "downgrade", "backup", "stamp --purge head")


@pytest.mark.parametrize("kind", OTHER_PROGRAMS)
def test_every_command_names_an_alembic_version_of_another_program(
    database_url: str, flask_db: FlaskDb, kind: str
) -> None:
    run_sql(database_url, *OTHER_PROGRAMS[kind])
    before = fetch_rows(database_url, "SELECT * FROM alembic_version")

    for verb in VERBS:
        result = flask_db(database_url, *verb.split())
        assert result.exit_code == 1, verb
        assert "The table alembic_version is another program's: it" in result.stderr, verb
        assert OWN_PLACE in result.stderr, verb
        assert "newer release" not in result.output, verb
    assert fetch_rows(database_url, "SELECT * FROM alembic_version") == before
    assert "agents" not in read_schema(database_url)["tables"]


def test_a_console_does_not_start_on_a_database_of_another_program(
    database_url: str, open_console: OpenConsole
) -> None:
    run_sql(database_url, *OTHER_PROGRAMS["an unknown revision"])

    _refuses_to_start(open_console(database_url), "schema_unclear", "is another program's")


@pytest.mark.parametrize("done", [GUIDE_REVISION, "head"])
def test_the_tables_distinguish_a_newer_release_from_another_program(
    database_url: str, flask_db: FlaskDb, done: str
) -> None:
    command.upgrade(console_config(database_url), done)
    run_sql(database_url, "UPDATE alembic_version SET version_num = 'ffffffffffff'")

    assert "(of a newer release)" in flask_db(database_url, "status").output


@pytest.mark.parametrize("verb", ["upgrade", "deploy"])
def test_conflicting_tables_of_another_program_are_named_before_anything_is_created(
    database_url: str, flask_db: FlaskDb, verb: str
) -> None:
    run_sql(database_url, "CREATE TABLE users (id integer PRIMARY KEY, name text, email text)")

    error = flask_db(database_url, verb).stderr

    assert "backup" not in error.lower()
    assert "Tables of another program have the names of the console's: users lacks account_id, created_at" in error
    assert OWN_PLACE in error
    assert set(read_schema(database_url)["tables"]) == {"users"}
    assert "users lacks account_id" in flask_db(database_url, "status").output


def test_a_conflicting_table_is_named_also_if_a_later_step_needs_its_name(database_url: str, flask_db: FlaskDb) -> None:
    command.upgrade(console_config(database_url), GUIDE_REVISION)
    run_sql(database_url, "CREATE TABLE events (id integer PRIMARY KEY, what text)")

    assert "events lacks" in flask_db(database_url, "upgrade").stderr
    assert fetch_rows(database_url, "SELECT version_num FROM alembic_version") == [(GUIDE_REVISION,)]


@pytest.fixture(params=["LATIN1", "SQL_ASCII", "EUC_JP"])
def other_encoding_url(request: pytest.FixtureRequest, postgres_server: str) -> Iterator[str]:
    """An empty PostgreSQL database that stores text in another encoding than UTF-8."""
    how = f"template0 ENCODING '{request.param}' LC_COLLATE 'C' LC_CTYPE 'C'"
    with postgres.database(postgres_server, how) as url:
        yield url


def test_a_database_that_is_not_utf8_is_refused_before_the_first_table(
    other_encoding_url: str, flask_db: FlaskDb, open_console: OpenConsole
) -> None:
    remedy = "ENCODING 'UTF8' TEMPLATE template0"

    for verb in ("upgrade", "deploy"):
        result = flask_db(other_encoding_url, verb)
        assert result.exit_code == 1
        assert result.stderr.startswith("Error: The database stores text as ")
        assert remedy in result.stderr
        assert len(result.stderr.splitlines()) == 1
    assert read_schema(other_encoding_url)["tables"] == {}
    assert remedy in flask_db(other_encoding_url, "status").output
    assert flask_db(other_encoding_url, "status", "--check").exit_code == 1
    _refuses_to_start(open_console(other_encoding_url), "database_encoding", remedy)


def test_a_backup_of_another_encoding_can_be_restored_into_utf8(postgres_server: str, tmp_path: Path) -> None:
    with postgres.database(postgres_server, "template0 ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C'") as old:
        # As 0.1.0 left it.
        run_sql(old, "CREATE TABLE notes (text text)", "INSERT INTO notes VALUES ('Zoë')")
        file = create_backup(parse_url(old), tmp_path).file
        with pytest.raises(CommandError, match="needs UTF-8"):
            _restore_into_another(postgres_server, "LATIN1", file)

    assert _restore_into_another(postgres_server, "UTF8", file) == [("Zoë",)]


def _restore_into_another(server: str, encoding: str, file: Path) -> list[tuple[str]]:
    with postgres.database(server, f"template0 ENCODING '{encoding}' LC_COLLATE 'C' LC_CTYPE 'C'") as new:
        try:
            restore_backup(parse_url(new), file)
        except Unavailable as refusal:
            raise CommandError(refusal.detail) from refusal
        return fetch_rows(new, "SELECT text FROM notes")


def test_an_sqlite_file_in_utf16_is_refused(sqlite_url: str, flask_db: FlaskDb) -> None:
    run_sql(sqlite_url, "PRAGMA encoding = 'UTF-16'", "CREATE TABLE notes (text text)")

    error = flask_db(sqlite_url, "upgrade").stderr

    assert "The database stores text as UTF-16le, and the console needs UTF-8." in error


@pytest.mark.parametrize("how", ["environment", "options", "role"])
def test_the_encoding_of_the_client_has_no_effect(
    postgres_schema_url: str, open_console: OpenConsole, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    url = sa.make_url(postgres_schema_url)
    if how == "environment":
        monkeypatch.setenv("PGCLIENTENCODING", "latin1")
    elif how == "options":
        url = url.update_query_dict({"options": "-c client_encoding=latin1"})
    else:
        run_sql(postgres_schema_url, f"ALTER DATABASE {url.database} SET client_encoding = 'latin1'")
    app = open_console(url.render_as_string(hide_password=False))

    account = make_account(app, "İstanbul 株")

    # As bytes: the test's own connection is set to the other encoding too.
    query = f"SELECT encode(convert_to(name, 'UTF8'), 'hex') FROM accounts WHERE id = '{account}'"
    assert fetch_rows(postgres_schema_url, query) == [("İstanbul 株".encode().hex(),)]


def _refuses_to_start(app: Flask, code: str, expected: str) -> None:
    with app.app_context(), pytest.raises(Unavailable, match=expected) as refusal:
        check_for_first_start()
    assert refusal.value.code == code
    assert app.test_client().get("/readyz").json == {"status": code}
