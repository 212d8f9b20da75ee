"""What a role may not do is refused with the cause and the statement to run, and no password is shown."""

import pytest
import sqlalchemy as sa
from click.testing import Result

from agents_app.database.url import parse_url
from agents_app.errors import Unavailable
from tests.conftest import OpenConsole
from tests.dbtools.conftest import FlaskDb
from tests.dbtools.tools import fetch_rows, run_sql
from tests.make import make_account


def test_a_role_that_may_not_create_tables_gets_the_grant_statement(postgres_url: str, flask_db: FlaskDb) -> None:
    run_sql(postgres_url, "REVOKE CREATE ON SCHEMA public FROM PUBLIC, pg_database_owner")

    for verb in ("upgrade", "deploy"):
        _assert_refused(
            flask_db(postgres_url, verb), "permission denied for schema public.", _grant(postgres_url, "public")
        )
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

    _assert_refused(result, "permission denied for table alembic_version.", "ALTER TABLE alembic_version OWNER TO ")
    assert app.test_client().get("/readyz").json == {"status": "database_forbidden"}
    with pytest.raises(Unavailable, match="lacks a permission"):
        make_account(app)


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


def _grant(url: str, schema: str) -> str:
    return f"GRANT USAGE, CREATE ON SCHEMA {schema} TO {_role(url)};"


def _role(url: str) -> str:
    return str(fetch_rows(url, "SELECT current_user")[0][0])


def _assert_refused(result: Result, *parts: str) -> None:
    assert result.exit_code == 1
    assert len(result.stderr.splitlines()) == 1
    for part in parts:
        assert part in result.stderr
