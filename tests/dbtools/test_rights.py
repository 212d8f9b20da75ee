"""What a role may not do is refused with the cause and the statement to run, and no password is shown."""

import json
import uuid
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic import command
from click.testing import Result

from agents_app.database.url import parse_url
from agents_app.dbtools.database.advice import advice_for
from agents_app.errors import Unavailable
from tests.conftest import OpenConsole
from tests.dbtools.conftest import FlaskDb
from tests.dbtools.interrupted_steps import project_with_step
from tests.dbtools.tools import GUIDE_REVISION, console_config, fetch_rows, run_sql
from tests.make import make_account

COMMANDS = (
    ("status",),
    ("plan",),
    ("deploy",),
    ("upgrade",),
    ("downgrade",),
    ("stamp", "head"),
    ("check",),
    ("current",),
    ("migrate", "-m", "x"),
    ("backup",),
    ("rehearse",),
    ("deployments",),
)


def test_a_role_that_may_not_create_tables_gets_the_grant_statement(postgres_url: str, flask_db: FlaskDb) -> None:
    run_sql(postgres_url, "REVOKE CREATE ON SCHEMA public FROM PUBLIC, pg_database_owner")

    _assert_refused(
        flask_db(postgres_url, "upgrade"), "permission denied for schema public.", _grant(postgres_url, "public")
    )
    deploy = flask_db(postgres_url, "deploy")
    assert (deploy.exit_code, "This role may not create tables here." in deploy.stdout) == (1, True)
    assert f"GRANT CREATE ON SCHEMA public TO {_role(postgres_url)};" in deploy.stdout
    assert f"GRANT CREATE ON SCHEMA public TO {_role(postgres_url)};" in flask_db(postgres_url, "status").output


def test_a_role_that_may_not_connect_gets_the_grant_statement(postgres_url: str, flask_db: FlaskDb) -> None:
    name = parse_url(postgres_url).database
    run_sql(postgres_url, f"REVOKE ALL ON DATABASE {name} FROM PUBLIC, CURRENT_USER")

    result = flask_db(postgres_url, "status")

    _assert_refused(
        result, f'permission denied for database "{name}".', f"GRANT CONNECT, CREATE ON DATABASE {name} TO "
    )


def test_a_role_that_may_not_read_gets_the_statement(
    postgres_schema_url: str, flask_db: FlaskDb, open_console: OpenConsole
) -> None:
    app = open_console(postgres_schema_url)
    run_sql(postgres_schema_url, "REVOKE ALL ON accounts, alembic_version FROM CURRENT_USER")

    result = flask_db(postgres_schema_url, "plan")

    _assert_refused(result, "permission denied for table alembic_version.", _grant_on("alembic_version"))
    assert app.test_client().get("/readyz").json == {"status": "database_forbidden"}
    with pytest.raises(Unavailable, match="lacks a permission"):
        make_account(app)


def test_a_plan_for_a_database_that_takes_no_changes_says_so(postgres_url: str, flask_db: FlaskDb) -> None:
    run_sql(postgres_url, f"ALTER DATABASE {parse_url(postgres_url).database} SET default_transaction_read_only = on")

    plan = flask_db(postgres_url, "plan")

    assert (plan.exit_code, "Wrong: The database is read-only: " in plan.stdout) == (1, True)
    assert flask_db(postgres_url, "plan", "--sql").exit_code == 0


@pytest.mark.parametrize(
    ("verb", "words"),
    [("upgrade", "in a read-only transaction."), ("deploy", "The database is read-only: ")],
)
def test_a_session_that_may_not_write_is_named(postgres_url: str, flask_db: FlaskDb, verb: str, words: str) -> None:
    name = parse_url(postgres_url).database
    run_sql(postgres_url, f"ALTER DATABASE {name} SET default_transaction_read_only = on")

    _assert_refused(flask_db(postgres_url, verb), words, "SET default_transaction_read_only = off;")


def test_a_database_that_takes_no_changes_is_not_called_well(
    postgres_schema_url: str, flask_db: FlaskDb, open_console: OpenConsole
) -> None:
    name = parse_url(postgres_schema_url).database
    run_sql(postgres_schema_url, f"ALTER DATABASE {name} SET default_transaction_read_only = on")

    result = flask_db(postgres_schema_url, "status")

    assert "The database is read-only: default_transaction_read_only is on (set by: database)." in result.output
    assert f"ALTER ROLE {_role(postgres_schema_url)} SET default_transaction_read_only = off;" in result.output
    answer = open_console(postgres_schema_url).test_client().get("/readyz")
    assert (answer.status_code, answer.json) == (503, {"status": "database_read_only"})


@pytest.mark.parametrize(
    ("change", "cause", "advice"),
    [
        ({"database": "not_there"}, 'database "not_there" does not exist.', "CREATE DATABASE not_there OWNER "),
        ({"username": "Someone"}, 'role "Someone" does not exist.', 'CREATE ROLE "Someone" LOGIN'),
    ],
)
def test_a_missing_database_or_role_is_named_with_the_statement_that_creates_it(
    postgres_server: str, flask_db: FlaskDb, change: dict[str, str], cause: str, advice: str
) -> None:
    url = sa.make_url(postgres_server).set(password="geheim", **change).render_as_string(hide_password=False)

    result = flask_db(url, "status")

    _assert_refused(result, cause, advice)
    assert "geheim" not in result.output


def test_a_role_without_rights_on_the_schema_gets_the_statement_from_every_command(
    postgres_url: str, flask_db: FlaskDb
) -> None:
    command.upgrade(console_config(postgres_url), GUIDE_REVISION)
    other = _another_role(postgres_url)

    for words in COMMANDS:
        run = flask_db(other, *words)
        _assert_refused(run, "This role may not use the schema public.", _grant(other, "public"))


def test_a_role_without_rights_on_the_tables_gets_the_statement_from_every_command(
    postgres_schema_url: str, flask_db: FlaskDb
) -> None:
    other = _another_role(postgres_schema_url, "GRANT USAGE ON SCHEMA public TO {}")

    for words in COMMANDS:
        run = flask_db(other, *words)
        table = "deployments" if words == ("deployments",) else "alembic_version"
        _assert_refused(run, f"permission denied for table {table}.", f"{_grant_on(table)}{_role(other)};")
        # Another owner would take the tables from the release that runs.
        assert "OWNER TO" not in run.output, words
        assert "DATABASE_URL" not in run.output, words


def test_a_role_that_does_not_own_the_tables_deploys_nothing_and_takes_no_backup(
    postgres_url: str, flask_db: FlaskDb, backup_folder: Path
) -> None:
    command.upgrade(console_config(postgres_url), GUIDE_REVISION)
    other = _another_role(
        postgres_url,
        "GRANT USAGE, CREATE ON SCHEMA public TO {}",
        "GRANT ALL ON ALL TABLES IN SCHEMA public TO {}",
    )
    owner = _role(postgres_url)

    for words in (("deploy",), ("deploy", "--yes"), ("deploy", "--no-backup"), ("deploy", "--dry-run")):
        run = flask_db(other, *words)
        assert run.exit_code == 1
        assert f"The tables accounts, agents, users belong to {owner}" in run.stdout
        assert f"Migrate as {owner}" in run.stdout
        assert "which cannot be applied until these problems are solved." in run.stdout
    assert json.loads(flask_db(other, "deploy", "--json").stdout)["result"] == "refused"
    plan = flask_db(other, "plan")
    assert (plan.exit_code, f"Wrong: The tables accounts, agents, users belong to {owner}" in plan.stdout) == (1, True)
    (problem,) = json.loads(flask_db(other, "plan", "--json").stdout)["problems"]
    assert problem["code"] == "database.rights"
    assert not backup_folder.exists()
    # An index belongs to the owner of its table.
    _assert_refused(flask_db(other, "downgrade"), "must be owner of index", "Run the command as that role.")
    assert fetch_rows(postgres_url, "SELECT version_num FROM alembic_version") == [(GUIDE_REVISION,)]


def test_another_owner_stops_only_steps_that_change_the_tables(
    postgres_schema_url: str, flask_db: FlaskDb, tmp_path: Path
) -> None:
    every_right = ("GRANT USAGE, CREATE ON SCHEMA public TO {}", "GRANT ALL ON ALL TABLES IN SCHEMA public TO {}")
    other = _another_role(postgres_schema_url, *every_right)
    project = project_with_step(tmp_path, postgres_schema_url, "op.create_table('new', sa.Column('a', sa.Integer()))")
    run_sql(postgres_schema_url, "DELETE FROM applied_steps", f"REVOKE INSERT ON deployments FROM {_role(other)}")

    refused = flask_db(other, "deploy", project=project)
    assert (refused.exit_code, "may not write to deployments, to which every step writes." in refused.stdout) == (
        1,
        True,
    )
    run_sql(postgres_schema_url, f"GRANT INSERT ON deployments TO {_role(other)}")
    done = json.loads(flask_db(other, "deploy", "--no-backup", "--json", project=project).stdout)
    assert (done["result"], done["applied"], done["position"]["current"]) == ("deployed", 1, "next")

    project.revision("third", "op.add_column('agents', sa.Column('extra', sa.Integer()))")
    refused = flask_db(other, "deploy", project=project)
    assert (refused.exit_code, "belong to " in refused.stdout, "Nothing was changed" in refused.stdout) == (
        1,
        True,
        True,
    )
    assert fetch_rows(postgres_schema_url, "SELECT version_num FROM alembic_version") == [("next",)]


def test_rights_that_the_role_of_the_console_lacks_are_named_with_the_grants_that_give_them(
    postgres_schema_url: str, flask_db: FlaskDb, tmp_path: Path
) -> None:
    url = postgres_schema_url
    other = _another_role(url, "GRANT USAGE ON SCHEMA public TO {}", "GRANT ALL ON ALL TABLES IN SCHEMA public TO {}")
    project = project_with_step(tmp_path, url, "op.create_table('new', sa.Column('a', sa.Integer()))")
    run_sql(url, "DELETE FROM applied_steps")

    # The table belongs to the role that migrates.
    done = flask_db(other, "deploy", "--no-backup", project=project, direct=url)

    said = f"The console serves as {_role(other)}, which lacks rights on new."
    assert (done.exit_code, "Applied 1 step" in done.stdout, said in done.stdout) == (1, True, True)
    run_sql(url, f"REVOKE SELECT ON alembic_version FROM {_role(other)}")
    status = flask_db(other, "status", project=project, direct=url).stdout
    assert said.replace(" new", " alembic_version, new") in status
    to = f"TO {_role(other)};"
    grants = f'GRANT SELECT ON alembic_version {to} GRANT SELECT, INSERT, UPDATE, DELETE ON "new" {to}'
    assert f"  Do: Let {_role(url)} run: {grants} For the tables of later steps: ALTER DEFAULT PRIV" in status
    later = status.partition("For the tables of later steps: ")[2].partition("\n")[0]
    run_sql(url, grants, later, "CREATE TABLE later (id integer)")
    assert "lacks rights" not in flask_db(other, "status", project=project, direct=url).stdout
    assert fetch_rows(other, "SELECT * FROM later") == []


@pytest.mark.parametrize(
    ("message", "advice"),
    [
        ("permission denied for sequence s_id_seq", "GRANT ALL ON SEQUENCE s_id_seq TO reader;"),
        ("permission denied for view agents", "GRANT SELECT, INSERT, UPDATE, DELETE ON agents TO reader;"),
        ("permission denied for type Color", 'GRANT USAGE ON TYPE "Color" TO reader;'),
        ("must be owner of table agents", "Another role owns it. Run the command as that role."),
        ("must be owner of type Color", "Another role owns it. Run the command as that role."),
        ("must be owner of schema console", "Another role owns it. Run the command as that role."),
        ("permission denied for function f", "The role reader lacks this right."),
        ("Connection refused", "Start the server, or correct host and port in DATABASE_URL (or MIGRATION_DATABASE_URL"),
        ("the database system is starting up", "Try again when the server answers."),
        ("the database system is shutting down", "Try again when the server answers."),
        ("terminating connection due to administrator command", "Try again when the server answers."),
        ("server closed the connection unexpectedly", "Try again when the server answers."),
        ("attempt to write a readonly database", "This user may not write there."),
    ],
)
def test_each_cause_has_its_advice(message: str, advice: str) -> None:
    found = advice_for(message, parse_url("postgresql://reader@host/console")) or ""

    assert advice in found
    assert "OWNER TO" not in found


def _another_role(url: str, *grants: str) -> str:
    """The same database as a new role, which has only these rights."""
    administrator = parse_url(url).set(username="postgres").render_as_string(hide_password=False)
    role = f"other_{uuid.uuid4().hex[:8]}"
    statements = ["REVOKE ALL ON SCHEMA public FROM PUBLIC", *(grant.format(role) for grant in grants)]
    run_sql(administrator, f"CREATE ROLE {role} LOGIN", *statements)
    return parse_url(url).set(username=role).render_as_string(hide_password=False)


def _grant(url: str, schema: str) -> str:
    return f"GRANT USAGE, CREATE ON SCHEMA {schema} TO {_role(url)};"


def _grant_on(table: str) -> str:
    return f"GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO "


def _role(url: str) -> str:
    return str(fetch_rows(url, "SELECT current_user")[0][0])


def _assert_refused(result: Result, *parts: str) -> None:
    assert result.exit_code == 1
    assert len(result.stderr.splitlines()) == 1
    for part in parts:
        assert part in result.stderr
