"""The index of searches: where a database cannot have it, and what it survives."""

import re
import sqlite3
import uuid
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext

from agents_app import dbtools
from agents_app.database.url import parse_url, with_schema
from agents_app.dbtools.backup.backups import create_backup, restore_backup
from agents_app.doctor import Result, search
from agents_app.doctor.check import Check
from agents_app.operations.agent_search import INDEX, PARTS
from tests import postgres
from tests.dbtools.conftest import FlaskDb
from tests.dbtools.test_busy_tables import NO_CONTRIB
from tests.dbtools.tools import console_config, create_engine, fetch_rows, run_sql

EXISTS = f"SELECT indexname FROM pg_indexes WHERE indexname = '{INDEX}'"
FORBID = "REVOKE CREATE ON DATABASE {} FROM CURRENT_USER"
ALLOW = "GRANT CREATE ON DATABASE {} TO CURRENT_USER"
TEXT = "orders продажи"
MATCHES = f"SELECT count(*) FROM {INDEX} WHERE {INDEX} MATCH '\"про\"'"
ACCOUNT = "INSERT INTO accounts (id, name, created_at) VALUES ('{}', 'Acme', '2026-01-01 00:00:00')"
AGENT = (
    "INSERT INTO agents (id, name, connection_type, connection_config, account_id, created_at, search_text) "
    + "VALUES ('{}', 'A', 'DB', '{{}}', '{}', '2026-01-01 00:00:00', '{}')"
)
PLACES = f"SELECT schemaname FROM pg_indexes WHERE indexname = '{INDEX}' ORDER BY 1"
# The owner of a schema may take away its own right.
FORBIDDEN_SCHEMA = (
    "CREATE SCHEMA ext",
    "CREATE EXTENSION pg_trgm SCHEMA ext",
    "REVOKE USAGE ON SCHEMA ext FROM CURRENT_USER",
)
OWNER = "0" * 31 + "1"


def require_contrib(server: str) -> None:
    if not postgres.has_extension(server, "pg_trgm"):
        pytest.skip(NO_CONTRIB)


def check(url: str) -> Check:
    """What `flask doctor` says of searches."""
    with create_engine(url).connect() as connection:
        (found,) = search.checks(connection)
    return found


def add_agents(url: str, count: int) -> None:
    """Add an account with agents."""
    run_sql(url, ACCOUNT.format(OWNER), *(AGENT.format(uuid.uuid4().hex, OWNER, TEXT) for _ in range(count)))


def test_a_role_that_may_not_create_the_extension_upgrades_and_the_doctor_says_what_to_do(
    postgres_server: str, postgres_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    require_contrib(postgres_server)
    run_sql(postgres_url, FORBID.format(parse_url(postgres_url).database))

    command.upgrade(console_config(postgres_url), "head")

    assert "was not created: this role may not create the extension pg_trgm." in capsys.readouterr().err
    assert fetch_rows(postgres_url, EXISTS) == []
    found = check(postgres_url)
    assert found.result is Result.WARNING
    # What it says makes the index.
    run_sql(postgres_url, ALLOW.format(parse_url(postgres_url).database))
    for statement in str(found.do).removeprefix("Let an administrator run: ").split(". Then run: "):
        run_alone(postgres_url, statement)
    assert check(postgres_url).result is Result.OK


def run_alone(url: str, statement: str) -> None:
    """Run a statement outside a transaction."""
    with create_engine(url).connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql(statement)


@pytest.fixture
def own_schema(postgres_server: str, postgres_url: str) -> str:
    """The URL of a console in a schema of its own, which needs quotes."""
    require_contrib(postgres_server)
    run_sql(postgres_url, 'CREATE SCHEMA "Own"')
    return with_schema(parse_url(postgres_url), "Own").render_as_string(hide_password=False)


def test_a_role_that_may_not_use_the_schema_of_the_extension_upgrades_and_the_doctor_says_what_to_do(
    postgres_url: str, own_schema: str, capsys: pytest.CaptureFixture[str]
) -> None:
    run_sql(postgres_url, *FORBIDDEN_SCHEMA)

    command.upgrade(console_config(own_schema), "head")

    why = "this role may not use the schema ext of the extension pg_trgm"
    assert f"was not created: {why}." in capsys.readouterr().err
    assert fetch_rows(postgres_url, EXISTS) == []
    found = check(own_schema)
    assert found.detail.startswith(f"Searches read every text, because {why}.")
    # What it says makes the index, in a session that does not know the schema.
    do_what_it_says(postgres_url, found)
    assert check(own_schema).result is Result.OK
    # The index works without the right, and the doctor does not call what it may not use.
    run_sql(postgres_url, FORBIDDEN_SCHEMA[-1])
    found = check(own_schema)
    assert (found.result, found.detail.startswith("Searches use an index.")) == (Result.WARNING, True)
    do_what_it_says(postgres_url, found)
    assert check(own_schema).result is Result.OK


def do_what_it_says(url: str, found: Check) -> None:
    """Run what the doctor prints, each statement in a session of its own."""
    for statement in re.split(r"[.;] Then run: |;$", re.sub("^(Let an administrator run|Run): ", "", str(found.do))):
        if statement:
            run_alone(url, statement)


@pytest.mark.parametrize("is_present", [True, False])
def test_what_the_doctor_says_of_a_console_in_a_schema_of_its_own_does_not_reach_another_console(
    is_present: bool, postgres_url: str, own_schema: str
) -> None:
    for url in (postgres_url, own_schema):
        command.upgrade(console_config(url), "head")
    run_sql(own_schema, f"DROP INDEX {INDEX}")
    if not is_present:
        run_sql(own_schema, "DROP EXTENSION pg_trgm CASCADE")
    before = fetch_rows(postgres_url, PLACES)

    do_what_it_says(postgres_url, check(own_schema))

    assert check(own_schema).result is Result.OK
    assert fetch_rows(postgres_url, PLACES) == [("Own",), *before]


def test_the_status_names_an_invalid_index_with_its_schema(
    postgres_server: str, postgres_url: str, own_schema: str, flask_db: FlaskDb
) -> None:
    command.upgrade(console_config(own_schema), "head")
    superuser = parse_url(postgres_url).set(username="postgres").render_as_string(hide_password=False)
    run_sql(superuser, f"""UPDATE pg_index SET indisvalid = false WHERE indexrelid = '"Own".{INDEX}'::regclass""")

    assert f'Do: DROP INDEX CONCURRENTLY "Own".{INDEX};' in flask_db(own_schema, "status").output


def test_an_invalid_or_missing_index_is_reported(postgres_server: str, postgres_url: str) -> None:
    require_contrib(postgres_server)
    command.upgrade(console_config(postgres_url), "head")
    run_sql(postgres_url, f"DROP INDEX {INDEX}")

    found = check(postgres_url)

    assert "their index is not complete" in found.detail
    assert f"CREATE INDEX CONCURRENTLY {INDEX}" in str(found.do)


def test_a_database_with_the_character_type_c_has_the_index_and_the_doctor_says_for_which_words(
    postgres_server: str,
) -> None:
    require_contrib(postgres_server)
    name = f"test_{uuid.uuid4().hex}"
    options = "TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C'"
    postgres._execute(postgres_server, f"CREATE DATABASE {name} {options}")
    url = parse_url(postgres_server).set(database=name).render_as_string(hide_password=False)
    try:
        command.upgrade(console_config(url), "head")
        found = check(url)
    finally:
        postgres._execute(postgres_server, f"DROP DATABASE {name}")

    assert found.result is Result.WARNING
    assert "other letters than those of ASCII" in found.detail


def test_the_operator_class_is_found_in_another_schema(postgres_server: str, postgres_url: str) -> None:
    require_contrib(postgres_server)
    run_sql(postgres_url, "CREATE SCHEMA tools", "CREATE EXTENSION pg_trgm SCHEMA tools", "CREATE SCHEMA own")
    url = parse_url(postgres_url).update_query_dict({"options": "-csearch_path=own"})
    own = url.render_as_string(hide_password=False)

    command.upgrade(console_config(own), "head")

    assert fetch_rows(postgres_url, f"{EXISTS} AND schemaname = 'own'") == [(INDEX,)]
    assert check(own).result is Result.OK


@pytest.mark.parametrize("is_allowed", [True, False])
def test_a_backup_is_restored_without_the_index_where_the_extension_may_not_be_created(
    is_allowed: bool, postgres_server: str, postgres_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    require_contrib(postgres_server)
    command.upgrade(console_config(postgres_url), "head")
    add_agents(postgres_url, 2)
    file = create_backup(parse_url(postgres_url), tmp_path).file

    with postgres.database(postgres_server) as other:
        if not is_allowed:
            run_sql(other, FORBID.format(parse_url(other).database))
        restore_backup(parse_url(other), file)

        assert fetch_rows(other, "SELECT count(*) FROM agents") == [(2,)]
        assert fetch_rows(other, EXISTS) == ([(INDEX,)] if is_allowed else [])
        assert (check(other).result is Result.OK) is is_allowed
    assert (f"Skipped the index {INDEX}" in capsys.readouterr().err) != is_allowed


def test_a_backup_is_restored_with_the_index_where_the_extension_has_another_schema(
    postgres_server: str, postgres_url: str, tmp_path: Path
) -> None:
    require_contrib(postgres_server)
    command.upgrade(console_config(postgres_url), "head")
    file = create_backup(parse_url(postgres_url), tmp_path).file

    with postgres.database(postgres_server) as other:
        run_sql(other, 'CREATE SCHEMA "Other tools"', 'CREATE EXTENSION pg_trgm SCHEMA "Other tools"')
        restore_backup(parse_url(other), file)

        assert fetch_rows(other, EXISTS) == [(INDEX,)]
        assert check(other).result is Result.OK


@pytest.mark.parametrize("is_allowed", [True, False])
def test_a_restore_creates_the_extension_that_the_backup_of_a_schema_does_not_have(
    is_allowed: bool, postgres_server: str, postgres_url: str, own_schema: str, tmp_path: Path
) -> None:
    run_sql(postgres_url, *FORBIDDEN_SCHEMA[:2])
    command.upgrade(console_config(own_schema), "head")
    add_agents(own_schema, 2)
    file = create_backup(parse_url(own_schema), tmp_path).file

    with postgres.database(postgres_server) as other:
        run_sql(other, 'CREATE SCHEMA "Own"')
        if not is_allowed:
            run_sql(other, FORBID.format(parse_url(other).database))
        target = with_schema(parse_url(other), "Own")
        restore_backup(target, file)

        assert fetch_rows(other, 'SELECT count(*) FROM "Own".agents') == [(2,)]
        assert fetch_rows(other, EXISTS) == ([(INDEX,)] if is_allowed else [])
        assert (check(target.render_as_string(hide_password=False)).result is Result.OK) is is_allowed


def test_a_backup_is_restored_without_the_index_where_the_role_may_not_use_the_schema_of_the_extension(
    postgres_server: str, postgres_url: str, tmp_path: Path
) -> None:
    require_contrib(postgres_server)
    command.upgrade(console_config(postgres_url), "head")
    file = create_backup(parse_url(postgres_url), tmp_path).file

    with postgres.database(postgres_server) as other:
        run_sql(other, *FORBIDDEN_SCHEMA)
        restore_backup(parse_url(other), file)

        assert fetch_rows(other, EXISTS) == []
        do_what_it_says(other, check(other))
        assert check(other).result is Result.OK


def test_rows_of_before_the_step_are_in_the_index_of_sqlite(sqlite_url: str) -> None:
    config = console_config(sqlite_url)
    command.upgrade(config, "d4a92b7c1e05")
    add_agents(sqlite_url, 3)

    for _ in range(2):
        command.upgrade(config, "c3f7a92e5d18")
        assert fetch_rows(sqlite_url, MATCHES) == [(3,)]
        assert check(sqlite_url).result is Result.OK
        command.downgrade(config, "-1")
        assert fetch_rows(sqlite_url, f"SELECT name FROM sqlite_master WHERE name LIKE '{INDEX}%'") == []


def test_the_index_of_sqlite_survives_a_rebuild_of_its_table_a_vacuum_and_a_restore(
    sqlite_url: str, tmp_path: Path
) -> None:
    command.upgrade(console_config(sqlite_url), "head")
    add_agents(sqlite_url, 4)
    run_sql(sqlite_url, "DELETE FROM agents WHERE id = (SELECT min(id) FROM agents)")
    rebuild(sqlite_url)
    with sqlite3.connect(str(parse_url(sqlite_url).database)) as raw:
        raw.execute("VACUUM")

    run_sql(sqlite_url, AGENT.format(uuid.uuid4().hex, OWNER, TEXT))
    run_sql(sqlite_url, "UPDATE agents SET search_text = 'other' WHERE id = (SELECT min(id) FROM agents)")

    assert check(sqlite_url).result is Result.OK
    assert numbered(sqlite_url) == texts(sqlite_url)
    restored = f"sqlite:///{tmp_path / 'restored.db'}"
    restore_backup(parse_url(restored), create_backup(parse_url(sqlite_url), tmp_path).file)
    assert check(restored).result is Result.OK
    assert numbered(restored) == texts(sqlite_url)


def rebuild(url: str) -> None:
    """Rebuild the table of agents, as a step on SQLite does."""
    assert dbtools
    with create_engine(url).begin() as connection:
        operations = Operations(MigrationContext.configure(connection))
        with operations.batch_alter_table("agents", recreate="always") as batch:
            batch.alter_column("owner", existing_type=sa.String(255), nullable=True)


def numbered(url: str) -> list[tuple[str, ...]]:
    """The ids of the agents that the index finds by the word of TEXT."""
    found = f"FROM {INDEX} JOIN {INDEX}_rows ON number = {INDEX}.rowid WHERE {INDEX} MATCH '\"про\"'"
    return fetch_rows(url, f"SELECT id {found} ORDER BY id")


def texts(url: str) -> list[tuple[str, ...]]:
    """The ids of the agents whose texts have the word of TEXT."""
    return fetch_rows(url, "SELECT id FROM agents WHERE search_text LIKE '%продажи%' ORDER BY id")


@pytest.mark.parametrize("part", PARTS[2:])
def test_the_doctor_says_if_a_part_of_the_index_of_sqlite_is_missing(part: str, sqlite_url: str) -> None:
    command.upgrade(console_config(sqlite_url), "head")
    run_sql(sqlite_url, f"DROP TRIGGER {part}")

    assert check(sqlite_url).result is Result.WARNING


def test_autogenerate_sees_no_difference(schema_url: str, flask_db: FlaskDb) -> None:
    result = flask_db(schema_url, "check")

    assert (result.exit_code, "No new upgrade operations detected." in result.output) == (0, True), result.output
