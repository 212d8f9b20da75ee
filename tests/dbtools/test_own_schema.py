"""A console in a PostgreSQL schema of its own: no command reads or changes another console's tables beside it."""

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

ACCOUNT = "INSERT INTO accounts VALUES ('11111111-1111-1111-1111-111111111111', '{}', '2026-01-01 00:00:00Z')"
NAMES = "SELECT name FROM accounts"


def in_schema(url: str, schema: str = "app") -> str:
    """The same database, in a schema of its own."""
    return with_schema(parse_url(url), schema).render_as_string(hide_password=False)


@pytest.fixture(params=[GUIDE_REVISION, "head"])
def neighbour(request: pytest.FixtureRequest, postgres_url: str) -> Iterator[str]:
    """The URL of a console in `public`, at head or older, which is as it was when the test is over."""
    command.upgrade(console_config(postgres_url), request.param)
    run_sql(postgres_url, ACCOUNT.format("Neighbour"))
    before = _picture(postgres_url)
    yield postgres_url
    assert _picture(postgres_url) == before


def _picture(url: str) -> Any:
    return read_schema(url), [fetch_rows(url, f"SELECT * FROM {table}") for table in ("alembic_version", "accounts")]


def test_every_verb_works_beside_another_console(neighbour: str, flask_db: FlaskDb, tmp_path: Path) -> None:
    url = in_schema(neighbour)

    _done(flask_db(url, "upgrade", GUIDE_REVISION))
    run_sql(url, ACCOUNT.format("Own"))
    assert "Schema     app" in _done(flask_db(url, "status")).output
    assert "add_agent_versions" in _done(flask_db(url, "plan")).output
    _done(flask_db(url, "rehearse"))
    _done(flask_db(url, "deploy", "--yes"))
    _done(flask_db(url, "status", "--check"))
    _done(flask_db(url, "check"))
    run_sql(url, "INSERT INTO encryption_keys VALUES ('k1', 'x', '2026-01-01 00:00:00Z')")
    _done(flask_db(url, "downgrade", "base"))
    assert read_schema(url)["tables"] == {}
    _done(flask_db(url, "upgrade"))
    _done(flask_db(url, "restore-rows", str(next((tmp_path / "backups").glob("rows-*")))))
    assert fetch_rows(url, NAMES) == [("Own",)]
    _done(flask_db(url, "stamp", GUIDE_REVISION))
    assert fetch_rows(url, "SELECT version_num FROM app.alembic_version") == [(GUIDE_REVISION,)]


def test_a_backup_holds_the_schema_alone_and_comes_back_beside_the_other(neighbour: str, tmp_path: Path) -> None:
    url = parse_url(in_schema(neighbour))
    dbtools.upgrade_to_head(url)
    run_sql(in_schema(neighbour), ACCOUNT.format("Own"))

    file = create_backup(url, tmp_path).file
    run_sql(neighbour, "DROP SCHEMA app CASCADE", "UPDATE accounts SET name = 'Neighbour'")
    state = restore_backup(url, file)

    assert state.is_at_head
    assert fetch_rows(in_schema(neighbour), NAMES) == [("Own",)]
    assert fetch_rows(neighbour, NAMES) == [("Neighbour",)]


def test_a_backup_of_the_console_in_public_leaves_other_consoles_out(
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


def test_a_schema_that_is_missing_is_made_by_upgrade_and_named_by_what_only_looks(
    postgres_url: str, flask_db: FlaskDb
) -> None:
    url = in_schema(postgres_url)

    for verb in ("status", "plan", "current", "check"):
        assert "There is no schema app yet; flask db upgrade creates it." in flask_db(url, verb).stderr
    _done(flask_db(url, "upgrade", "+1"))

    assert fetch_rows(url, "SELECT schemaname FROM pg_tables WHERE tablename = 'users'") == [("app",)]


def test_where_the_role_may_make_no_schema_the_statement_is_named(postgres_url: str, flask_db: FlaskDb) -> None:
    run_sql(postgres_url, f"REVOKE CREATE ON DATABASE {parse_url(postgres_url).database} FROM CURRENT_USER")

    for verb in ("upgrade", "deploy"):
        told = flask_db(in_schema(postgres_url), verb).stderr
        assert f"Let an administrator run: CREATE SCHEMA app AUTHORIZATION {_role(postgres_url)};" in told


def test_a_schema_that_the_role_may_not_use_is_named_with_the_grant(postgres_url: str, flask_db: FlaskDb) -> None:
    run_sql(postgres_url, "CREATE SCHEMA app", "REVOKE ALL ON SCHEMA app FROM CURRENT_USER")

    told = flask_db(in_schema(postgres_url), "upgrade").stderr

    assert f"GRANT USAGE, CREATE ON SCHEMA app TO {_role(postgres_url)};" in told


def test_of_several_schemas_only_the_first_counts(neighbour: str) -> None:
    url = sa.make_url(neighbour).update_query_dict({"options": "-csearch_path=app,public -cwork_mem=5MB"})

    dbtools.upgrade_to_head(parse_url(url.render_as_string(hide_password=False)))

    assert fetch_rows(in_schema(neighbour), NAMES) == []
    assert fetch_rows(url.render_as_string(hide_password=False), "SHOW work_mem") == [("5MB",)]


def test_a_schema_called_like_the_role_comes_before_public(neighbour: str, flask_db: FlaskDb) -> None:
    # The server's own search path finds tables of `public` where those of the first schema are missing.
    run_sql(neighbour, "CREATE SCHEMA AUTHORIZATION CURRENT_USER")
    try:
        assert "Revision   none yet" in flask_db(neighbour, "status").output
        _done(flask_db(neighbour, "upgrade"))
        _done(flask_db(neighbour, "status", "--check"))
    finally:
        run_sql(neighbour, f"DROP SCHEMA {_role(neighbour)} CASCADE")


def test_a_running_console_sees_its_own_rows_and_its_own_schema(neighbour: str, open_console: OpenConsole) -> None:
    app = open_console(neighbour, DATABASE_SCHEMA="app")
    assert app.test_client().get("/readyz").json == {"status": "schema_behind"}
    dbtools.upgrade_to_head(app.config["MIGRATION_URL"])
    admin = make_user(app)

    with app.app_context():
        schema = system.overview(admin).schema

    assert schema.is_well
    assert fetch_rows(in_schema(neighbour), "SELECT email FROM app.users") == [(admin.email,)]


def test_a_script_makes_and_uses_the_schema(postgres_url: str, capsys: pytest.CaptureFixture[str]) -> None:
    command.upgrade(console_config(in_schema(postgres_url)), f"{GUIDE_REVISION}:a42c8e5f1b73", sql=True)

    script = capsys.readouterr().out

    assert "CREATE SCHEMA app;" in script
    assert "SET search_path TO app;" in script.partition("CREATE TABLE")[0]


def test_tables_types_and_helpers_of_another_schema_are_not_seen(
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


def test_a_migration_waits_for_that_of_another_console_and_then_goes_on(postgres_url: str, flask_db: FlaskDb) -> None:
    with create_engine(postgres_url).connect() as other:
        other.exec_driver_sql(f"SELECT pg_advisory_lock({MIGRATION_LOCK.key[0]}, {MIGRATION_LOCK.key[1]})")
        with pytest.raises(CommandError, match="Another migration is still running"):
            command.upgrade(console_config(in_schema(postgres_url)), "head")

    _done(flask_db(in_schema(postgres_url), "upgrade"))


def test_a_rehearsal_in_a_lent_database_leaves_it_as_it_was(
    postgres_server: str, neighbour: str, flask_db: FlaskDb
) -> None:
    _done(flask_db(in_schema(neighbour), "upgrade", GUIDE_REVISION))

    with postgres.database(postgres_server) as lent:
        _done(flask_db(in_schema(neighbour), "rehearse", "--scratch-url", lent))
        assert fetch_rows(lent, "SELECT to_regnamespace('app')") == [(None,)]


def _role(url: str) -> str:
    return str(fetch_rows(url, "SELECT current_user")[0][0])


def _done(result: Result) -> Result:
    assert result.exit_code == 0, result.output
    return result
