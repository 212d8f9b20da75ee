"""What a role may not do is refused with the cause and the statement to type, and no password is shown."""

import pytest
import sqlalchemy as sa
from click.testing import Result

from agents_app.database.url import parse_url
from agents_app.errors import Unavailable
from tests.conftest import OpenConsole
from tests.dbtools.conftest import FlaskDb
from tests.dbtools.tools import fetch_rows, run_sql
from tests.make import make_account


def test_a_role_that_may_make_no_tables_is_given_the_grant(postgres_url: str, flask_db: FlaskDb) -> None:
    run_sql(postgres_url, "REVOKE CREATE ON SCHEMA public FROM PUBLIC, pg_database_owner")

    for verb in ("upgrade", "deploy"):
        _is_told(flask_db(postgres_url, verb), "permission denied for schema public.", _grant(postgres_url, "public"))
    assert f"GRANT CREATE ON SCHEMA public TO {_role(postgres_url)};" in flask_db(postgres_url, "status").output


def test_a_role_that_may_not_connect_is_given_the_grant(postgres_url: str, flask_db: FlaskDb) -> None:
    name = parse_url(postgres_url).database
    run_sql(postgres_url, f"REVOKE ALL ON DATABASE {name} FROM PUBLIC, CURRENT_USER")

    told = flask_db(postgres_url, "status")

    _is_told(told, f'permission denied for database "{name}".', f"GRANT CONNECT, CREATE ON DATABASE {name} TO ")


def test_a_role_that_may_not_read_is_given_the_statement(
    postgres_schema_url: str, flask_db: FlaskDb, open_console: OpenConsole
) -> None:
    app = open_console(postgres_schema_url)
    run_sql(postgres_schema_url, "REVOKE ALL ON accounts, alembic_version FROM CURRENT_USER")

    told = flask_db(postgres_schema_url, "plan")

    _is_told(told, "permission denied for table alembic_version.", "ALTER TABLE alembic_version OWNER TO ")
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

    _is_told(flask_db(postgres_url, verb), words, "SET default_transaction_read_only = off;")


def test_a_database_that_takes_no_changes_is_not_called_well(
    postgres_schema_url: str, flask_db: FlaskDb, open_console: OpenConsole
) -> None:
    name = parse_url(postgres_schema_url).database
    run_sql(postgres_schema_url, f"ALTER DATABASE {name} SET default_transaction_read_only = on")

    told = flask_db(postgres_schema_url, "status")

    assert "The database is read-only: default_transaction_read_only is on (set by: database)." in told.output
    assert f"ALTER ROLE {_role(postgres_schema_url)} SET default_transaction_read_only = off;" in told.output
    answer = open_console(postgres_schema_url).test_client().get("/readyz")
    assert (answer.status_code, answer.json) == (503, {"status": "database_read_only"})


@pytest.mark.parametrize(
    ("change", "cause", "advice"),
    [
        ({"database": "not_there"}, 'database "not_there" does not exist.', "CREATE DATABASE not_there OWNER "),
        ({"username": "Stranger"}, 'role "Stranger" does not exist.', 'CREATE ROLE "Stranger" LOGIN'),
    ],
)
def test_what_is_missing_is_named_with_how_to_make_it(
    postgres_server: str, flask_db: FlaskDb, change: dict[str, str], cause: str, advice: str
) -> None:
    url = sa.make_url(postgres_server).set(password="geheim", **change).render_as_string(hide_password=False)

    told = flask_db(url, "status")

    _is_told(told, cause, advice)
    assert "geheim" not in told.output


def _grant(url: str, schema: str) -> str:
    return f"GRANT USAGE, CREATE ON SCHEMA {schema} TO {_role(url)};"


def _role(url: str) -> str:
    return str(fetch_rows(url, "SELECT current_user")[0][0])


def _is_told(told: Result, *parts: str) -> None:
    assert told.exit_code == 1
    assert len(told.stderr.splitlines()) == 1
    for part in parts:
        assert part in told.stderr
