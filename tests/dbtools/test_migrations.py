"""The migrations of this project: they lead from the guide's table to the models, and no data is lost."""

import re
import sqlite3
import uuid
from io import StringIO
from itertools import takewhile
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.script import ScriptDirectory
from sqlalchemy.exc import IntegrityError

from agents_app.database.url import parse_url
from agents_app.db import db
from agents_app.operations.agent_search import INDEX
from tests import postgres
from tests.dbtools.tools import (
    GUIDE_REVISION,
    VERSIONS,
    console_config,
    create_engine,
    fetch_rows,
    read_schema,
    run_psql,
    run_sql,
)

ACCOUNT, USER, AGENT = (uuid.UUID(int=number).hex for number in (1, 2, 3))
CREATED_AT = "'2026-01-01 00:00:00'"
COLUMNS = """
SELECT column_name, coalesce(nullif(data_type, 'USER-DEFINED'), udt_name), character_maximum_length, is_nullable,
    column_default
FROM information_schema.columns WHERE table_name = 'agents' ORDER BY ordinal_position
"""


def test_the_agents_table_has_the_columns_of_the_guide(postgres_url: str) -> None:
    command.upgrade(console_config(postgres_url), GUIDE_REVISION)

    assert fetch_rows(postgres_url, COLUMNS) == [
        ("id", "uuid", None, "NO", None),
        ("name", "character varying", 255, "NO", None),
        ("description", "text", None, "YES", None),
        ("status", "character varying", 50, "NO", "'active'::character varying"),
        ("model_type", "character varying", 100, "YES", None),
        ("api_key", "character varying", 500, "YES", None),
        ("system_instructions", "text", None, "YES", None),
        ("connection_type", "connectiontype", None, "NO", None),
        ("connection_config", "jsonb", None, "NO", None),
        ("account_id", "uuid", None, "NO", None),
        ("created_by", "uuid", None, "YES", None),
        ("created_at", "timestamp with time zone", None, "NO", None),
        ("updated_at", "timestamp with time zone", None, "YES", None),
    ]


def test_the_agents_table_has_the_keys_indexes_and_enum_of_the_guide_only(postgres_url: str) -> None:
    command.upgrade(console_config(postgres_url), GUIDE_REVISION)

    schema = read_schema(postgres_url)
    agents = schema["tables"]["agents"]

    assert [(enum["name"], enum["labels"]) for enum in schema["enums"]] == [("connectiontype", ["POWERBI", "DB"])]
    assert agents["primary key"]["constrained_columns"] == ["id"]
    keys = {
        key["constrained_columns"][0]: (key["referred_table"], key["options"]["ondelete"])
        for key in agents["foreign keys"]
    }
    assert keys == {"account_id": ("accounts", "CASCADE"), "created_by": ("users", "SET NULL")}
    indexes = {index["name"]: (index["column_names"], index["unique"]) for index in agents["indexes"]}
    assert indexes == {
        "ix_agents_account_id": (["account_id"], False),
        "ix_agents_created_by": (["created_by"], False),
    }
    assert agents["checks"] == agents["unique"] == []


def test_head_equals_the_models(database_url: str) -> None:
    command.upgrade(console_config(database_url), "head")

    command.check(console_config(database_url))


def test_head_equals_what_create_all_creates(postgres_server: str, postgres_url: str) -> None:
    command.upgrade(console_config(postgres_url), "head")
    with postgres.database(postgres_server) as other_url:
        with create_engine(other_url).begin() as connection:
            db.metadata.create_all(connection)
            # A database can be without it, so no model has it.
            if postgres.has_extension(postgres_server, "pg_trgm"):
                connection.exec_driver_sql("CREATE EXTENSION pg_trgm")
                connection.exec_driver_sql(f"CREATE INDEX {INDEX} ON agents USING gin (search_text gin_trgm_ops)")

        assert read_schema(postgres_url) == read_schema(other_url)


def test_after_base_only_an_empty_version_table_is_left(database_url: str) -> None:
    empty = read_schema(database_url)
    command.upgrade(console_config(database_url), "head")
    command.downgrade(console_config(database_url), "base")

    assert read_schema(database_url) == empty
    assert fetch_rows(database_url, "SELECT * FROM alembic_version") == []


@pytest.mark.long
def test_every_step_goes_up_down_and_up_again(database_url: str) -> None:
    config = console_config(database_url)
    revisions = [script.revision for script in ScriptDirectory.from_config(config).walk_revisions()][::-1]
    schemas = {}
    for revision in revisions:
        command.upgrade(config, revision)
        schemas[revision] = read_schema(database_url)

    for revision in revisions[-2::-1]:
        command.downgrade(config, "-1")
        assert read_schema(database_url) == schemas[revision], f"down to {revision}"
    for revision in revisions[1:]:
        command.upgrade(config, "+1")
        assert read_schema(database_url) == schemas[revision], f"up to {revision}"


def test_agents_of_the_guide_are_complete_at_head(database_url: str) -> None:
    command.upgrade(console_config(database_url), GUIDE_REVISION)
    _insert_guide_rows(database_url, name="Straße", description="Über ALLES")

    command.upgrade(console_config(database_url), "head")

    query = "SELECT name, name_key, search_text, version, status, status_reason, CAST(secret_facts AS text) FROM agents"
    assert fetch_rows(database_url, query) == [
        ("Straße", "strasse", "\nstrasse\nüber alles\nuber alles\ngpt-4o", 1, "active", None, "{}")
    ]


def test_agents_of_the_guide_survive_an_upgrade_and_a_downgrade(database_url: str) -> None:
    command.upgrade(console_config(database_url), GUIDE_REVISION)
    _insert_guide_rows(database_url)
    before = fetch_rows(database_url, "SELECT * FROM agents")

    command.upgrade(console_config(database_url), "head")
    command.downgrade(console_config(database_url), GUIDE_REVISION)

    assert fetch_rows(database_url, "SELECT * FROM agents") == before
    assert fetch_rows(database_url, "SELECT count(*) FROM users") == [(1,)]


def test_each_of_many_agents_is_filled(database_url: str) -> None:
    command.upgrade(console_config(database_url), GUIDE_REVISION)
    _insert_guide_rows(database_url)
    copies = "SELECT {id}, name || n, connection_type, connection_config, account_id, created_at FROM agents, numbers"
    numbers = "WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 2500) "
    new_id = {"sqlite": "lower(hex(randomblob(16)))", "postgresql": "gen_random_uuid()"}
    columns = "id, name, connection_type, connection_config, account_id, created_at"
    dialect = parse_url(database_url).get_backend_name()
    run_sql(database_url, f"INSERT INTO agents ({columns}) {numbers}{copies.format(id=new_id[dialect])}")

    command.upgrade(console_config(database_url), "head")

    assert fetch_rows(database_url, "SELECT count(*) FROM agents WHERE name_key = lower(name)") == [(2501,)]


def test_an_unknown_status_is_refused(database_url: str) -> None:
    command.upgrade(console_config(database_url), GUIDE_REVISION)
    _insert_guide_rows(database_url)
    command.upgrade(console_config(database_url), "head")

    with pytest.raises(IntegrityError, match="ck_agents_status"):
        run_sql(database_url, "UPDATE agents SET status = 'failing'")


def test_an_enum_accepts_only_its_labels(database_url: str) -> None:
    command.upgrade(console_config(database_url), GUIDE_REVISION)
    _insert_guide_rows(database_url)

    with pytest.raises(sa.exc.DBAPIError):
        run_sql(database_url, "UPDATE agents SET connection_type = 'NOPE'")


def test_deleting_an_account_deletes_its_agents_and_deleting_a_user_does_not(database_url: str) -> None:
    command.upgrade(console_config(database_url), "head")
    _insert_guide_rows(database_url)

    run_sql(database_url, "DELETE FROM users")
    assert fetch_rows(database_url, "SELECT created_by FROM agents") == [(None,)]
    run_sql(database_url, "DELETE FROM accounts")
    assert fetch_rows(database_url, "SELECT * FROM agents") == []


def test_a_script_for_postgresql_does_the_same_as_the_upgrade(postgres_server: str, postgres_url: str) -> None:
    command.upgrade(console_config(postgres_url), "head")
    with postgres.database(postgres_server) as other_url:
        run_psql(other_url, _script(other_url, "base:" + GUIDE_REVISION))
        _insert_guide_rows(other_url)
        run_psql(other_url, _script(other_url, GUIDE_REVISION + ":head"))

        assert read_schema(other_url) == read_schema(postgres_url)
        assert fetch_rows(other_url, "SELECT name_key FROM agents") == [("sales",)]
        command.check(console_config(other_url))


def test_scripts_downgrade_postgresql_to_base_and_upgrade_it_again(postgres_url: str) -> None:
    command.upgrade(console_config(postgres_url), "head")
    config = console_config(postgres_url)
    config.output_buffer = StringIO()
    command.downgrade(config, "head:base", sql=True)

    run_psql(postgres_url, config.output_buffer.getvalue())

    assert read_schema(postgres_url) == {"tables": {}, "enums": []}
    run_psql(postgres_url, _script(postgres_url, "head"))


def test_a_script_for_sqlite_does_the_same_as_the_upgrade(
    sqlite_url: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    revision = _newest_in_a_script_for_sqlite()
    command.upgrade(console_config(sqlite_url), revision)
    other = tmp_path_factory.mktemp("script") / "console.db"
    with sqlite3.connect(other) as connection:
        connection.executescript(_script(sqlite_url, revision))
    connection.close()

    assert read_schema(f"sqlite:///{other}") == read_schema(sqlite_url)


def test_a_script_needs_no_server_and_contains_no_password() -> None:
    script = _script("postgresql://operator:geheim@127.0.0.1:1/console", "head")

    assert "CREATE TABLE agents" in script
    assert "geheim" not in script


def test_a_file_is_named_after_its_revision_and_message() -> None:
    for path in VERSIONS.glob("*.py"):
        slug = re.search(r'^"""(\w+)$', path.read_text(), re.MULTILINE)
        assert slug is not None
        assert re.fullmatch(rf"[0-9a-f]{{12}}_{slug.group(1)}", path.stem)


def _insert_guide_rows(url: str, name: str = "Sales", description: str = "About sales") -> None:
    columns = (
        "id, name, description, model_type, connection_type, connection_config, account_id, created_by, created_at"
    )
    values = f"'{AGENT}', '{name}', '{description}', 'gpt-4o', 'DB', '{{}}', '{ACCOUNT}', '{USER}', {CREATED_AT}"
    person = f"'{USER}', '{ACCOUNT}', 'a@example.org', 'A', 'admin', true, {CREATED_AT}"
    run_sql(
        url,
        f"INSERT INTO accounts (id, name, created_at) VALUES ('{ACCOUNT}', 'Acme', {CREATED_AT})",
        f"INSERT INTO users (id, account_id, email, name, role, is_active, created_at) VALUES ({person})",
        f"INSERT INTO agents ({columns}) VALUES ({values})",
    )


def _newest_in_a_script_for_sqlite() -> str:
    """The head, or the revision before the first step that adds an enum value, for which SQLite needs the table."""
    steps = reversed(list(ScriptDirectory(str(VERSIONS.parent)).walk_revisions()))
    revisions = [
        step.revision for step in takewhile(lambda step: "op.add_enum_value" not in Path(step.path).read_text(), steps)
    ]
    return revisions[-1]


def _script(url: str, revision: str) -> str:
    config = console_config(url)
    config.output_buffer = StringIO()
    command.upgrade(config, revision, sql=True)
    return config.output_buffer.getvalue()
