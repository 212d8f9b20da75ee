"""`flask db copy`: every row arrives as it was, in both directions, or none does and one line says why."""

import json
import sqlite3
import uuid
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from click.testing import Result

from agents_app.database.url import parse_url, with_schema
from agents_app.db import Base
from agents_app.dbtools.copying import copy as copying
from agents_app.models import AgentVersion
from tests.conftest import OpenConsole
from tests.dbtools.conftest import FlaskDb
from tests.dbtools.tools import Project, console_config, create_engine, fetch_rows, run_sql
from tests.every_table import MOMENT, RECORDS, TEXT, fill_every_table

# In the order of texts they are the other way round than in that of ids.
MIXED_IDS = f"UPDATE events SET id = CASE id WHEN (SELECT max(id) FROM events) THEN '{'a' * 32}' ELSE '{'B' * 32}' END"


@pytest.fixture
def new_url(request: pytest.FixtureRequest, schema_url: str) -> str:
    """A database of the other type with every table and no row, as a copy that was interrupted leaves it."""
    other = "sqlite" if schema_url.startswith("postgresql") else "postgres"
    return str(request.getfixturevalue(f"{other}_schema_url"))


@pytest.fixture
def empty_url(request: pytest.FixtureRequest, schema_url: str) -> str:
    """An empty database of the other type."""
    other = "sqlite" if schema_url.startswith("postgresql") else "postgres"
    return str(request.getfixturevalue(f"{other}_url"))


def test_a_database_that_lacks_a_step_is_not_copied(flask_db: FlaskDb, sqlite_url: str, tmp_path: Path) -> None:
    command.upgrade(console_config(sqlite_url), "18ad6f3c902e")
    new = f"sqlite:///{tmp_path / 'new.db'}"

    assert _refusal(flask_db(sqlite_url, "copy", "--to", new)) == (
        "Error: Steps are pending. Nothing was copied. Apply them first: flask db deploy"
    )

    assert not (tmp_path / "new.db").exists()


def test_a_database_of_a_newer_release_is_not_copied(flask_db: FlaskDb, sqlite_schema_url: str, tmp_path: Path) -> None:
    run_sql(sqlite_schema_url, "UPDATE alembic_version SET version_num = 'fffffffffff9'")

    refusal = _refusal(flask_db(sqlite_schema_url, "copy", "--to", f"sqlite:///{tmp_path / 'new.db'}"))

    assert "is at fffffffffff9, which is from a newer release. Copy it with that release." in refusal


def test_a_database_is_not_copied_to_itself(flask_db: FlaskDb, schema_url: str) -> None:
    fill_every_table(schema_url)

    assert "--to names the console's own database." in _refusal(flask_db(schema_url, "copy", "--to", schema_url))


def test_a_database_with_rows_is_not_overwritten(flask_db: FlaskDb, schema_url: str, new_url: str) -> None:
    fill_every_table(schema_url)
    assert flask_db(schema_url, "copy", "--to", new_url).exit_code == 0
    before = _all_rows(new_url)

    refusal = _refusal(flask_db(schema_url, "copy", "--to", new_url))

    assert "is not empty: accounts has rows. Name a new database" in refusal
    assert _all_rows(new_url) == before


def test_a_column_that_the_models_lack_is_not_left_out(
    flask_db: FlaskDb, sqlite_schema_url: str, tmp_path: Path
) -> None:
    run_sql(sqlite_schema_url, "ALTER TABLE agents ADD COLUMN purpose TEXT")

    refusal = _refusal(flask_db(sqlite_schema_url, "copy", "--to", f"sqlite:///{tmp_path / 'new.db'}"))

    assert "The columns of agents are not those of this release (purpose). Nothing was copied." in refusal


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("mysql://host/db", "--to must begin with postgresql:// or sqlite:///."),
        ("sqlite:////no/such/folder/new.db", "There is no folder /no/such/folder. Nothing was copied."),
        ("sqlite:///", "--to must name a file for SQLite and nothing else"),
        ("postgresql+asyncpg://u:geheim@h/d", "--to names a driver that the console does not use."),
        ("postgresql://operator:geheim@127.0.0.1:1/console", "Start the server, or correct host and port in --to."),
    ],
)
def test_a_wrong_address_is_refused_in_one_line_without_its_password(
    flask_db: FlaskDb, sqlite_schema_url: str, address: str, message: str
) -> None:
    refusal = _refusal(flask_db(sqlite_schema_url, "copy", "--to", address))

    assert message in refusal
    assert "geheim" not in refusal


def test_a_schema_of_sqlite_is_refused(flask_db: FlaskDb, sqlite_schema_url: str, tmp_path: Path) -> None:
    words = ("copy", "--to", f"sqlite:///{tmp_path / 'new.db'}", "--schema", "console")

    assert "--schema is only for PostgreSQL" in _refusal(flask_db(sqlite_schema_url, *words))


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ("UPDATE accounts SET name = 'a' || char(0) || 'b'", "name contains the character NUL"),
        (f"UPDATE accounts SET name = '{'x' * 256}'", "name has 256 characters, and PostgreSQL allows 255"),
        ("UPDATE accounts SET name = CAST(X'FF' AS TEXT)", "name cannot be read as varchar"),
        ("UPDATE accounts SET name = X'00FF'", "name is not text"),
        ("UPDATE accounts SET created_at = 'yesterday'", "created_at cannot be read as datetime"),
        ('UPDATE agents SET labels = \'{"a": "\\u0000"}\'', "labels contains the character NUL"),
        ('UPDATE agents SET labels = \'{"a": "\\ud800"}\'', "labels contains half of a character"),
        ("UPDATE agents SET labels = '{\"a\": NaN}'", "labels contains a number that is not finite"),
        ("UPDATE agents SET labels = '{'", "labels cannot be read as json"),
        ("UPDATE agents SET version = 2147483648", "version has the number 2147483648, which is too large"),
        ("UPDATE agents SET version = 'two'", "version is not a whole number"),
        (MIXED_IDS, "the key is not stored as the console writes it"),
        ("DELETE FROM users", "created_by refers to a row of users that is missing"),
    ],
)
def test_a_value_that_postgresql_refuses_is_named_before_anything_is_copied(
    sqlite_schema_url: str, statement: str, message: str
) -> None:
    fill_every_table(sqlite_schema_url)
    # As another program would, without the rules of the console.
    with closing(sqlite3.connect(parse_url(sqlite_schema_url).database or "", isolation_level=None)) as other:
        other.execute("PRAGMA ignore_check_constraints = ON")
        other.execute(statement)

    with pytest.raises(CommandError, match="Nothing was copied") as refusal:
        _check(sqlite_schema_url)

    assert message in str(refusal.value)
    assert "id" in str(refusal.value)


def test_every_row_arrives_as_it_was_and_comes_back(
    flask_db: FlaskDb, schema_url: str, empty_url: str, tmp_path: Path
) -> None:
    fill_every_table(schema_url)
    before = _all_rows(schema_url)
    assert all(before.values())

    result = flask_db(schema_url, "copy", "--to", empty_url, "--json")

    assert result.exit_code == 0, result.output
    answer = json.loads(result.stdout)
    assert answer["rows"] == {name: len(found) for name, found in before.items()}
    assert _all_rows(empty_url) == before == _all_rows(schema_url)
    assert flask_db(empty_url, "check").exit_code == 0
    again = f"sqlite:///{tmp_path / 'again.db'}"
    assert flask_db(empty_url, "copy", "--to", again).exit_code == 0
    assert _all_rows(again) == before


def test_an_empty_value_and_the_null_of_json_stay_different(flask_db: FlaskDb, schema_url: str, new_url: str) -> None:
    fill_every_table(schema_url)
    kept = AgentVersion.__table__.c.kept_secrets
    as_text = sa.select(sa.cast(kept, sa.Text)).order_by(AgentVersion.version)
    with create_engine(schema_url).begin() as connection:
        connection.execute(sa.update(AgentVersion).where(AgentVersion.version == 1).values(kept_secrets=sa.null()))
        connection.execute(sa.update(AgentVersion).where(AgentVersion.version == 2).values(kept_secrets=sa.JSON.NULL))

    assert flask_db(schema_url, "copy", "--to", new_url).exit_code == 0

    with create_engine(new_url).connect() as connection:
        assert set(connection.scalars(as_text)) == {None, "null"}


def test_the_settings_that_change_are_printed_without_the_password(
    flask_db: FlaskDb, sqlite_schema_url: str, postgres_url: str
) -> None:
    url = parse_url(postgres_url).set(password="geheim").render_as_string(hide_password=False)

    result = flask_db(sqlite_schema_url, "copy", "--to", url, "--schema", "Con sole")

    assert result.exit_code == 0, result.output
    assert "geheim" not in result.output
    assert ":***@" in result.output
    assert "  DATABASE_SCHEMA=Con sole\n" in result.output
    schema = str(with_schema(parse_url(postgres_url), "Con sole").query["options"])
    assert "Con" in schema
    assert fetch_rows(postgres_url, "SELECT schemaname FROM pg_tables WHERE tablename = 'agents'") == [("Con sole",)]


def test_a_console_is_copied_to_another_schema_of_its_database(flask_db: FlaskDb, postgres_schema_url: str) -> None:
    fill_every_table(postgres_schema_url)

    result = flask_db(postgres_schema_url, "copy", "--to", postgres_schema_url, "--schema", "other")

    assert result.exit_code == 0, result.output
    other = with_schema(parse_url(postgres_schema_url), "other").render_as_string(hide_password=False)
    assert _all_rows(other) == _all_rows(postgres_schema_url)


def test_tables_of_another_program_stay(flask_db: FlaskDb, schema_url: str, new_url: str) -> None:
    fill_every_table(schema_url)
    run_sql(new_url, "CREATE TABLE theirs (n integer)", "INSERT INTO theirs VALUES (7)")

    assert flask_db(schema_url, "copy", "--to", new_url).exit_code == 0

    assert fetch_rows(new_url, "SELECT n FROM theirs") == [(7,)]


def test_a_copy_that_fails_leaves_no_row_and_can_be_made_again(
    flask_db: FlaskDb, schema_url: str, new_url: str
) -> None:
    fill_every_table(schema_url)
    run_sql(new_url, *_trigger(new_url, "runtime_reads", raises="No space is left"))

    assert "No space is left. Nothing was changed." in _refusal(flask_db(schema_url, "copy", "--to", new_url))
    assert not any(found for name, found in _all_rows(new_url).items() if name not in RECORDS)

    run_sql(new_url, f"DROP TRIGGER during_copy{' ON runtime_reads' if new_url.startswith('postgresql') else ''}")
    assert flask_db(schema_url, "copy", "--to", new_url).exit_code == 0
    assert _all_rows(new_url) == _all_rows(schema_url)


def test_a_value_that_arrives_changed_is_noticed(flask_db: FlaskDb, schema_url: str, new_url: str) -> None:
    fill_every_table(schema_url)
    run_sql(new_url, *_trigger(new_url, "events", does="UPDATE events SET actor_name = 'Other'"))

    refusal = _refusal(flask_db(schema_url, "copy", "--to", new_url))

    assert "The copy differs from the source: events, id " in refusal
    assert "(actor_name). Nothing was copied." in refusal
    assert not _all_rows(new_url)["events"]


@pytest.mark.parametrize("while_running", [False, True])
def test_a_write_during_the_copy_is_noticed_or_left_out(schema_url: str, new_url: str, while_running: bool) -> None:
    fill_every_table(schema_url)
    before = _all_rows(schema_url)
    calls = iter(range(9))

    def config() -> Config:
        # The third call is after the copy has begun to read.
        if next(calls) == 2:
            run_sql(schema_url, "UPDATE users SET name = 'Later'")
        return console_config(schema_url)

    def copy() -> copying.Copy:
        urls = parse_url(schema_url), parse_url(new_url)
        return copying.copy_database(*urls, config, Base.metadata, while_running=while_running)

    if while_running:
        copy()
        assert _all_rows(new_url) == before
    else:
        with pytest.raises(CommandError, match=r"wrote to users while it was copied\. Nothing was copied\. Stop every"):
            copy()
        assert not _all_rows(new_url)["users"]


@pytest.mark.long
def test_the_console_works_on_the_copy_with_the_same_keys(
    open_console: OpenConsole, flask_db: FlaskDb, sqlite_schema_url: str, postgres_url: str
) -> None:
    app = open_console(sqlite_schema_url)
    assert app.test_cli_runner().invoke(args=["demo"]).exit_code == 0

    result = flask_db(sqlite_schema_url, "copy", "--to", postgres_url)

    assert result.exit_code == 0, result.output
    assert _all_rows(postgres_url) == _all_rows(sqlite_schema_url)
    verified = open_console(postgres_url).test_cli_runner().invoke(args=["secrets", "verify"])
    assert verified.exit_code == 0, verified.output


def test_rows_may_refer_to_themselves_and_to_each_other_and_numbers_go_on(
    schema_url: str, empty_url: str, tmp_path: Path
) -> None:
    project = _cyclic_project(tmp_path, schema_url)
    run_sql(
        schema_url,
        "INSERT INTO teams (id, lead_id) VALUES (1, NULL)",
        "INSERT INTO people (id, boss_id, team_id, name) VALUES (5, NULL, 1, 'b')",
        "INSERT INTO people (id, boss_id, team_id, name) VALUES (3, 5, 1, 'a')",
        "UPDATE teams SET lead_id = 5",
    )

    def config() -> Any:
        found = project.config()
        found.attributes["database_url"] = parse_url(project.url)
        return found

    copied = copying.copy_database(
        parse_url(schema_url), parse_url(empty_url), config, project.metadata, while_running=False
    )

    assert copied.tables == {"people": 2, "teams": 1}
    assert fetch_rows(empty_url, "SELECT id, boss_id, team_id, shout FROM people ORDER BY id") == [
        (3, 5, 1, "a!"),
        (5, None, 1, "b!"),
    ]
    run_sql(empty_url, "INSERT INTO people (team_id, name) VALUES (1, 'c')")
    assert fetch_rows(empty_url, "SELECT max(id) FROM people") == [(6,)]
    if empty_url.startswith("postgresql"):
        assert fetch_rows(empty_url, "SELECT count(*) FROM pg_constraint WHERE condeferrable") == [(0,)]


@pytest.mark.long
def test_a_large_console_is_copied_in_batches(flask_db: FlaskDb, schema_url: str, new_url: str) -> None:
    fill_every_table(schema_url)
    account = fetch_rows(schema_url, "SELECT id FROM accounts")[0][0]
    values = [
        {"id": uuid.uuid4(), "account_id": uuid.UUID(str(account)), "action": "agent.changed", "door": "page"}
        | {"actor_name": TEXT, "details": {"number": number}, "created_at": MOMENT}
        for number in range(3_000)
    ]
    with create_engine(schema_url).begin() as connection:
        connection.execute(Base.metadata.tables["events"].insert(), values)

    result = flask_db(schema_url, "copy", "--to", new_url, "--json")

    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["rows"]["events"] == 3_002
    assert _all_rows(new_url) == _all_rows(schema_url)


def _cyclic_project(folder: Path, url: str) -> Project:
    run_sql(url, *(f"DROP TABLE {table.name}" for table in reversed(Base.metadata.sorted_tables)))
    run_sql(url, "DROP TABLE alembic_version")
    project = Project(folder, url)
    project.revision(
        "add_people",
        """
op.create_table('people', sa.Column('id', sa.Integer(), primary_key=True),
    sa.Column('boss_id', sa.Integer(), sa.ForeignKey('people.id')), sa.Column('team_id', sa.Integer()),
    sa.Column('name', sa.Text()), sa.Column('shout', sa.Text(), sa.Computed("name || '!'", persisted=True)))
op.create_table('teams', sa.Column('id', sa.Integer(), primary_key=True),
    sa.Column('lead_id', sa.Integer(), sa.ForeignKey('people.id')))
with op.batch_alter_table('people') as people:
    people.create_foreign_key('fk_people_team_id_teams', 'teams', ['team_id'], ['id'])
""",
    )
    people = sa.Table(
        "people",
        project.metadata,
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("boss_id", sa.ForeignKey("people.id")),
        sa.Column("team_id", sa.ForeignKey("teams.id")),
        sa.Column("name", sa.Text()),
        sa.Column("shout", sa.Text(), sa.Computed("name || '!'", persisted=True)),
    )
    sa.Table(
        "teams",
        project.metadata,
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("lead_id", sa.ForeignKey(people.c.id)),
    )
    command.upgrade(project.config(), "head")
    return project


def _check(url: str) -> None:
    with copying.snapshot_connection(parse_url(url)) as connection:
        tables = list(Base.metadata.sorted_tables)
        copying.checks.require_valid_values(connection, tables, for_postgresql=True)


def _trigger(url: str, table: str, does: str = "", raises: str = "") -> list[str]:
    """Statements for a trigger that does or raises something after each new row."""
    if url.startswith("sqlite"):
        body = f"SELECT RAISE(ABORT, '{raises}')" if raises else does
        return [f"CREATE TRIGGER during_copy AFTER INSERT ON {table} BEGIN {body}; END"]
    body = f"RAISE EXCEPTION '{raises}'" if raises else does
    return [
        f"CREATE FUNCTION during_copy() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN {body}; RETURN NULL; END$$",
        f"CREATE TRIGGER during_copy AFTER INSERT ON {table} FOR EACH ROW EXECUTE FUNCTION during_copy()",
    ]


def _refusal(result: Result) -> str:
    assert result.exit_code == 1, result.output
    (line,) = [line for line in result.output.splitlines() if line.startswith("Error")]
    return line


def _all_rows(url: str) -> dict[str, list[dict[str, Any]]]:
    """Every row as the models read it."""
    with create_engine(url).connect() as connection:
        return {
            table.name: sorted((dict(row._mapping) for row in connection.execute(sa.select(table))), key=str)
            for table in Base.metadata.sorted_tables
        }
