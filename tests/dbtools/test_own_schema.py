"""A console in a PostgreSQL schema of its own: no command reads or changes the tables of another console."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.util import CommandError
from click.testing import Result

from agents_app import dbtools
from agents_app.database.url import parse_url, with_schema
from agents_app.dbtools.backup.backups import create_backup, restore_backup
from agents_app.dbtools.database.postgresql import MIGRATION_LOCK
from agents_app.operations import system
from tests import postgres
from tests.conftest import OpenConsole
from tests.dbtools.conftest import FlaskDb
from tests.dbtools.tools import (
    GUIDE_REVISION,
    Project,
    console_config,
    create_engine,
    fetch_rows,
    read_schema,
    run_sql,
)
from tests.make import make_user

pytestmark = pytest.mark.long

ACCOUNT = "INSERT INTO accounts VALUES ('11111111-1111-1111-1111-111111111111', '{}', '2026-01-01 00:00:00Z')"
NAMES = "SELECT name FROM accounts"


def in_schema(url: str, schema: str = "app") -> str:
    """The URL of the same database with a schema of its own."""
    return with_schema(parse_url(url), schema).render_as_string(hide_password=False)


@pytest.fixture(params=[GUIDE_REVISION, "head"])
def neighbour(request: pytest.FixtureRequest, postgres_url: str) -> Iterator[str]:
    """The URL of a console in `public`, at head or older. The test must leave it unchanged."""
    command.upgrade(console_config(postgres_url), request.param)
    run_sql(postgres_url, ACCOUNT.format("Neighbour"))
    before = _content(postgres_url)
    yield postgres_url
    assert _content(postgres_url) == before


def _content(url: str) -> Any:
    return read_schema(url), [fetch_rows(url, f"SELECT * FROM {table}") for table in ("alembic_version", "accounts")]


def test_every_command_works_next_to_another_console(neighbour: str, flask_db: FlaskDb, tmp_path: Path) -> None:
    url = in_schema(neighbour)

    _succeeds(flask_db(url, "upgrade", GUIDE_REVISION))
    run_sql(url, ACCOUNT.format("Own"))
    assert "Schema     app" in _succeeds(flask_db(url, "status")).output
    assert "add_agent_versions" in _succeeds(flask_db(url, "plan")).output
    _succeeds(flask_db(url, "rehearse"))
    _succeeds(flask_db(url, "deploy", "--yes"))
    _succeeds(flask_db(url, "status", "--check"))
    _succeeds(flask_db(url, "check"))
    run_sql(url, "INSERT INTO encryption_keys VALUES ('k1', 'x', '2026-01-01 00:00:00Z')")
    _succeeds(flask_db(url, "downgrade", "base"))
    assert read_schema(url)["tables"] == {}
    _succeeds(flask_db(url, "upgrade"))
    _succeeds(flask_db(url, "restore-rows", str(next((tmp_path / "backups").glob("rows-*")))))
    assert fetch_rows(url, NAMES) == [("Own",)]
    _succeeds(flask_db(url, "stamp", GUIDE_REVISION))
    assert fetch_rows(url, "SELECT version_num FROM app.alembic_version") == [(GUIDE_REVISION,)]


def test_a_backup_contains_only_the_schema_and_is_restored_next_to_the_other_one(
    neighbour: str, tmp_path: Path
) -> None:
    url = parse_url(in_schema(neighbour))
    dbtools.upgrade_to_head(url)
    run_sql(in_schema(neighbour), ACCOUNT.format("Own"))

    file = create_backup(url, tmp_path).file
    run_sql(neighbour, "DROP SCHEMA app CASCADE", "UPDATE accounts SET name = 'Neighbour'")
    position = restore_backup(url, file)

    assert position.is_at_head
    assert fetch_rows(in_schema(neighbour), NAMES) == [("Own",)]
    assert fetch_rows(neighbour, NAMES) == [("Neighbour",)]


def test_a_backup_of_the_console_in_public_does_not_contain_other_consoles(
    postgres_server: str, postgres_schema_url: str, tmp_path: Path
) -> None:
    dbtools.upgrade_to_head(parse_url(in_schema(postgres_schema_url)))
    run_sql(postgres_schema_url, "CREATE SCHEMA reports", "CREATE TABLE reports.sales AS SELECT 1 AS a")

    file = create_backup(parse_url(postgres_schema_url), tmp_path).file

    with postgres.database(postgres_server) as other:
        restore_backup(parse_url(other), file)
        assert fetch_rows(other, "SELECT a FROM reports.sales") == [(1,)]
        assert fetch_rows(other, "SELECT to_regnamespace('app')") == [(None,)]


@pytest.mark.parametrize("own", ["other", None])
def test_a_backup_of_another_schema_is_refused_in_one_line(
    postgres_server: str, postgres_url: str, tmp_path: Path, own: str | None
) -> None:
    dbtools.upgrade_to_head(parse_url(in_schema(postgres_url)))
    file = create_backup(parse_url(in_schema(postgres_url)), tmp_path).file

    with postgres.database(postgres_server) as empty:
        url = in_schema(empty, own) if own else empty
        with pytest.raises(CommandError, match=r"in the schema app, and this console uses .* DATABASE_SCHEMA=app,"):
            restore_backup(parse_url(url), file)
        assert fetch_rows(empty, "SELECT to_regnamespace('app'), to_regnamespace('other')") == [(None, None)]


def test_upgrade_creates_a_missing_schema_and_read_only_commands_name_it(postgres_url: str, flask_db: FlaskDb) -> None:
    url = in_schema(postgres_url)

    for verb in ("status", "plan", "current", "check"):
        assert "There is no schema app yet; flask db upgrade creates it." in flask_db(url, verb).stderr
    _succeeds(flask_db(url, "upgrade", "+1"))

    assert fetch_rows(url, "SELECT schemaname FROM pg_tables WHERE tablename = 'users'") == [("app",)]


def test_a_role_that_may_not_create_the_schema_gets_the_statement(postgres_url: str, flask_db: FlaskDb) -> None:
    run_sql(postgres_url, f"REVOKE CREATE ON DATABASE {parse_url(postgres_url).database} FROM CURRENT_USER")

    for verb in ("upgrade", "deploy"):
        error = flask_db(in_schema(postgres_url), verb).stderr
        assert f"Let an administrator run: CREATE SCHEMA app AUTHORIZATION {_role(postgres_url)};" in error


def test_a_role_that_may_not_use_the_schema_gets_the_grant_statement(postgres_url: str, flask_db: FlaskDb) -> None:
    run_sql(postgres_url, "CREATE SCHEMA app", "REVOKE ALL ON SCHEMA app FROM CURRENT_USER")

    error = flask_db(in_schema(postgres_url), "upgrade").stderr

    assert f"GRANT USAGE, CREATE ON SCHEMA app TO {_role(postgres_url)};" in error


def test_of_several_schemas_only_the_first_is_used(neighbour: str) -> None:
    url = sa.make_url(neighbour).update_query_dict({"options": "-csearch_path=app,public -cwork_mem=5MB"})

    dbtools.upgrade_to_head(parse_url(url.render_as_string(hide_password=False)))

    assert fetch_rows(in_schema(neighbour), NAMES) == []
    assert fetch_rows(url.render_as_string(hide_password=False), "SHOW work_mem") == [("5MB",)]


def test_a_schema_with_the_name_of_the_role_comes_before_public(neighbour: str, flask_db: FlaskDb) -> None:
    # The default search path of the server finds tables of `public` if the first schema has none of that name.
    run_sql(neighbour, "CREATE SCHEMA AUTHORIZATION CURRENT_USER")
    try:
        assert "Revision   none yet" in flask_db(neighbour, "status").output
        _succeeds(flask_db(neighbour, "upgrade"))
        _succeeds(flask_db(neighbour, "status", "--check"))
    finally:
        run_sql(neighbour, f"DROP SCHEMA {_role(neighbour)} CASCADE")


def test_a_running_console_sees_its_own_rows_and_its_own_schema(neighbour: str, open_console: OpenConsole) -> None:
    app = open_console(neighbour, DATABASE_SCHEMA="app")
    assert app.test_client().get("/readyz").json == {"status": "schema_behind"}
    dbtools.upgrade_to_head(app.config["MIGRATION_URL"])
    admin = make_user(app)

    with app.app_context():
        schema = system.overview(admin).schema

    assert (schema.pending, schema.drift) == ((), ())
    assert fetch_rows(in_schema(neighbour), "SELECT email FROM app.users") == [(admin.email,)]


def test_a_script_creates_and_uses_the_schema(postgres_url: str, capsys: pytest.CaptureFixture[str]) -> None:
    command.upgrade(console_config(in_schema(postgres_url)), f"{GUIDE_REVISION}:a42c8e5f1b73", sql=True)

    script = capsys.readouterr().out

    assert "CREATE SCHEMA app;" in script
    assert "SET search_path TO app;" in script.partition("CREATE TABLE")[0]


def test_tables_types_and_constraints_of_another_schema_are_ignored(
    postgres_url: str, tmp_path: Path, flask_db: FlaskDb
) -> None:
    run_sql(
        postgres_url,
        "CREATE TYPE mood AS ENUM ('bad')",
        "CREATE TABLE half (mood mood CONSTRAINT ck_console_not_null CHECK (mood IS NOT NULL))",
    )
    project = Project(tmp_path, in_schema(postgres_url))
    project.revision(
        "one", "op.create_table('half', sa.Column('mood', sa.Enum('good', name='mood')))", "op.drop_table('half')"
    )
    project.revision("two", "op.require_tables('half')\nop.execute(\"INSERT INTO half VALUES ('good')\")")

    run_sql(postgres_url, "CREATE SCHEMA app")
    command.upgrade(project.config(), "head")

    assert fetch_rows(project.url, "SELECT mood FROM app.half") == [("good",)]
    assert fetch_rows(postgres_url, "SELECT mood FROM half") == []
    assert fetch_rows(postgres_url, "SELECT count(*) FROM pg_constraint WHERE conname = 'ck_console_not_null'") == [
        (1,)
    ]


def test_a_migration_waits_for_the_migration_of_another_console(postgres_url: str, flask_db: FlaskDb) -> None:
    with create_engine(postgres_url).connect() as other:
        other.exec_driver_sql(f"SELECT pg_advisory_lock({MIGRATION_LOCK.key[0]}, {MIGRATION_LOCK.key[1]})")
        with pytest.raises(CommandError, match="Another migration is still running"):
            command.upgrade(console_config(in_schema(postgres_url)), "head")

    _succeeds(flask_db(in_schema(postgres_url), "upgrade"))


def test_a_rehearsal_leaves_the_given_scratch_database_unchanged(
    postgres_server: str, neighbour: str, flask_db: FlaskDb
) -> None:
    _succeeds(flask_db(in_schema(neighbour), "upgrade", GUIDE_REVISION))

    with postgres.database(postgres_server) as scratch_url:
        _succeeds(flask_db(in_schema(neighbour), "rehearse", "--scratch-url", scratch_url))
        assert fetch_rows(scratch_url, "SELECT to_regnamespace('app')") == [(None,)]


def _role(url: str) -> str:
    return str(fetch_rows(url, "SELECT current_user")[0][0])


def _succeeds(result: Result) -> Result:
    assert result.exit_code == 0, result.output
    return result
