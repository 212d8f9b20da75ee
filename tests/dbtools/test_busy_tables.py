"""Operations for tables that are in use, and for extensions."""

from pathlib import Path

import pytest
from alembic import command
from alembic.util import CommandError
from sqlalchemy.exc import DBAPIError

from tests import postgres
from tests.dbtools.tools import Project, fetch_rows, read_schema, run_sql

BUSY = ("CREATE TABLE busy (id integer PRIMARY KEY, name varchar(50))", "INSERT INTO busy VALUES (1, 'a'), (2, NULL)")
NO_NULL = "op.set_not_null('busy', 'name')"
NO_CONTRIB = (
    "This server does not have the usual extensions: creating one was NOT tested. Debian: apt-get install postgresql."
)
EXTENSIONS = "SELECT extname FROM pg_extension WHERE extname = 'pg_trgm'"


@pytest.fixture
def project(tmp_path: Path, database_url: str) -> Project:
    """A table with two rows, on SQLite and on PostgreSQL."""
    run_sql(database_url, *BUSY)
    return Project(tmp_path, database_url)


@pytest.fixture
def postgres_project(tmp_path: Path, postgres_url: str) -> Project:
    """A table with two rows on PostgreSQL."""
    run_sql(postgres_url, *BUSY)
    return Project(tmp_path, postgres_url)


def test_rows_without_a_value_are_reported_and_the_step_can_be_run_again(project: Project) -> None:
    project.revision("one", NO_NULL)

    with pytest.raises(CommandError) as refusal:
        command.upgrade(project.config(), "head")
    assert "\n" not in str(refusal.value)

    run_sql(project.url, "UPDATE busy SET name = 'b' WHERE id = 2")
    command.upgrade(project.config(), "head")

    with pytest.raises(DBAPIError):
        run_sql(project.url, "INSERT INTO busy VALUES (3, NULL)")
    assert read_schema(project.url)["tables"]["busy"]["checks"] == []


def test_a_constraint_applies_to_new_rows_before_it_is_validated(postgres_project: Project) -> None:
    postgres_project.revision(
        "one", "op.create_check_constraint(op.f('ck'), 'busy', 'name IS NOT NULL', postgresql_not_valid=True)"
    )
    postgres_project.revision("two", "op.validate_constraint('ck', 'busy')")
    command.upgrade(postgres_project.config(), "one")

    with pytest.raises(DBAPIError, match="violates check constraint"):
        run_sql(postgres_project.url, "INSERT INTO busy VALUES (3, NULL)")
    with pytest.raises(CommandError, match="is violated by some row"):
        command.upgrade(postgres_project.config(), "two")
    run_sql(postgres_project.url, "UPDATE busy SET name = 'b' WHERE id = 2")
    command.upgrade(postgres_project.config(), "two")

    assert fetch_rows(postgres_project.url, "SELECT convalidated FROM pg_constraint WHERE conname = 'ck'") == [(True,)]


def test_a_unique_index_is_created_concurrently(project: Project) -> None:
    project.revision("one", "op.create_index_concurrently('uq_busy_name', 'busy', ['name'], unique=True)")

    command.upgrade(project.config(), "head")

    with pytest.raises(DBAPIError):
        run_sql(project.url, "INSERT INTO busy VALUES (3, 'a')")


def test_an_extension_that_the_server_does_not_have_is_reported(postgres_project: Project) -> None:
    postgres_project.revision("one", "op.create_extension('no such thing')")

    with pytest.raises(CommandError, match="The server does not have the extension no such thing"):
        command.upgrade(postgres_project.config(), "head")


def test_an_extension_is_created_and_dropped(postgres_project: Project) -> None:
    if not postgres.has_extension(postgres_project.url, "pg_trgm"):
        pytest.skip(NO_CONTRIB)
    postgres_project.revision("one", "op.create_extension('pg_trgm')", "op.drop_extension('pg_trgm')")

    for _ in range(2):
        command.upgrade(postgres_project.config(), "head")
        assert fetch_rows(postgres_project.url, EXTENSIONS) == [("pg_trgm",)]
        command.downgrade(postgres_project.config(), "base")
        assert fetch_rows(postgres_project.url, EXTENSIONS) == []


def test_an_extension_that_the_role_may_not_create_is_reported_with_advice(postgres_project: Project) -> None:
    if not postgres.has_extension(postgres_project.url, "dblink"):
        pytest.skip(NO_CONTRIB)
    postgres_project.revision("one", "op.create_extension('dblink')")

    with pytest.raises(CommandError, match="Let an administrator run: CREATE EXTENSION dblink"):
        command.upgrade(postgres_project.config(), "head")


def test_on_sqlite_extensions_are_ignored(tmp_path: Path, sqlite_url: str) -> None:
    project = Project(tmp_path, sqlite_url)
    project.revision("one", "op.create_extension('pg_trgm')", "op.drop_extension('pg_trgm')")

    command.upgrade(project.config(), "head")
    command.downgrade(project.config(), "base")
