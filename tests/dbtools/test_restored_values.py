"""Rows, values of every type and sequences are restored without loss."""

from pathlib import Path

import pytest
from alembic import command

from agents_app.database.url import parse_url
from agents_app.db import db
from agents_app.dbtools.saved_rows.restore import restore_rows
from tests.conftest import OpenConsole
from tests.dbtools.tools import Project, console_config, fetch_rows, revision_before, run_sql
from tests.make import make_agent, make_user

POSTGRESQL_TYPES = """
CREATE TYPE mood AS ENUM ('glad', 'sad, or so', 'it''s');
CREATE DOMAIN short AS varchar(5);
CREATE TABLE odd (
    id uuid PRIMARY KEY, j json, jb jsonb, at timestamptz, local timestamp, day date, clock timetz, span interval,
    raw bytea, m mood, ms mood[], f double precision, r real, n numeric, money numeric(12, 2), c char(7), v varchar(9),
    s short, ok boolean, i bigint, big text, ip inet, bits bit(3), numbers integer[], spans int4range,
    "Gro""ß %s :x" text, made integer GENERATED ALWAYS AS (length(v)) STORED
);
INSERT INTO odd VALUES ('6f9619ff-8b86-4011-b42d-00c04fc964ff', '{"b":1,  "a":[null, 1.10]}', '{"z": "\\u00e9"}',
    '2026-03-29 02:30:00.123456+05:45', '0044-03-15 12:00 BC', 'infinity', '23:59:60-12', '1 mon -2 days 3.5 s',
    '\\x00ff27', 'it''s', '{glad,"sad, or so"}', 0.1::float8 + 0.2, 'NaN', 123456789012345678901234567890.5, '-0.10',
    'ab', ' b ', 'short', true, 9223372036854775807, repeat('ä"\\', 30000), '::1/64', B'101', '{1,NULL}', '[1,5)',
    E'tab\\tline\\nback\\\\slash %s :x \\U0001F600');
INSERT INTO odd (id, big) VALUES ('00000000-0000-0000-0000-000000000000', '');
INSERT INTO odd (id, f) VALUES ('00000000-0000-0000-0000-000000000001', '-Infinity')
"""
SQLITE_TYPES = """
CREATE TABLE odd (id TEXT PRIMARY KEY, i INTEGER, f REAL, n NUMERIC, raw BLOB, big TEXT, j JSON, at DATETIME, a,
    "Gro""ß %s :x" TEXT, made INTEGER GENERATED ALWAYS AS (length(id)) STORED);
INSERT INTO odd VALUES ('1', 9223372036854775807, 0.1 + 0.2, '12.50', x'00ff27', '', '{"b":1,  "a":[null, 1.10]}',
    '2026-01-01 00:00:00.123456', x'', 'tab' || char(9, 10, 92, 128512) || '%s :x');
INSERT INTO odd VALUES ('2', -9223372036854775808, 9e999, 'text', NULL, NULL, NULL, 5, 5.0, '5');
INSERT INTO odd VALUES ('3', NULL, -0.0, 1e300, 'not bytes', 'a' || printf('%.*c', 90000, 'b'), 'null', 5.5, '5', '')
"""


@pytest.fixture
def project(tmp_path: Path, database_url: str) -> Project:
    """A folder of migrations, on SQLite and on PostgreSQL."""
    return Project(tmp_path, database_url)


@pytest.mark.parametrize("identity", ["serial", "integer GENERATED ALWAYS AS IDENTITY"])
def test_a_sequence_continues_after_the_restored_numbers(
    tmp_path: Path, postgres_url: str, backup_folder: Path, identity: str
) -> None:
    project = Project(tmp_path, postgres_url)
    project.revision("none", "pass")
    table = f"CREATE TABLE t (id {identity} PRIMARY KEY, a text)"
    project.revision("one", f"op.execute('{table}')", "op.drop_table('t')")
    command.upgrade(project.config(), "head")
    run_sql(project.url, "INSERT INTO t (a) VALUES ('x'), ('y')")

    command.downgrade(project.config(), "-1")
    command.upgrade(project.config(), "head")
    _restore(project.url, backup_folder)
    run_sql(project.url, "INSERT INTO t (a) VALUES ('z')")

    assert fetch_rows(project.url, "SELECT * FROM t ORDER BY id") == [(1, "x"), (2, "y"), (3, "z")]


def test_values_of_every_type_are_restored(project: Project, backup_folder: Path) -> None:
    database = parse_url(project.url).get_backend_name()
    statements = {"sqlite": SQLITE_TYPES, "postgresql": POSTGRESQL_TYPES}[database].split(";\n")
    run_sql(project.url, *(text.replace("%", "%%") if database == "postgresql" else text for text in statements))
    if database == "postgresql":
        _set_unusual_formats(project.url)
    table = next(text for text in statements if "CREATE TABLE" in text)
    project.revision("one", "op.drop_table('odd')", f"op.execute({table.strip()!r}.replace(':', '\\\\:'))")
    before = _read_rows(project.url, database)

    command.upgrade(project.config(), "head")
    command.downgrade(project.config(), "base")
    _restore(project.url, backup_folder)

    assert _read_rows(project.url, database) == before
    assert len(before) == 3


def test_the_consoles_rows_survive_a_downgrade_to_base(
    schema_url: str, backup_folder: Path, open_console: OpenConsole
) -> None:
    app = open_console(schema_url)
    make_user(app)
    owner = fetch_rows(schema_url, "SELECT id, account_id FROM users")[0]
    agent = f"'{owner[0]}', 'A', 'DB', '{{}}', '{owner[1]}', '{owner[0]}', '2026-01-01 00:00:00', 5, 'a', 'a', 'why'"
    columns = "id, name, connection_type, connection_config, account_id, created_by, created_at, version, name_key"
    run_sql(schema_url, f"INSERT INTO agents ({columns}, search_text, status_reason) VALUES ({agent})")
    tables = ("accounts", "users", "agents")
    before = [fetch_rows(schema_url, f"SELECT * FROM {table}") for table in tables]

    command.downgrade(console_config(schema_url), "base")
    command.upgrade(console_config(schema_url), "head")
    _restore(schema_url, backup_folder)

    assert [fetch_rows(schema_url, f"SELECT * FROM {table}") for table in tables] == before
    command.check(console_config(schema_url))


def test_values_that_a_migration_fills_by_itself_do_not_stop_a_restore(
    sqlite_schema_url: str, backup_folder: Path, open_console: OpenConsole
) -> None:
    app = open_console(sqlite_schema_url)
    admin = make_user(app)
    same, changed = (make_agent(app, admin, name=name, owner="Ann", model_provider="openai") for name in ("A", "B"))
    config = console_config(sqlite_schema_url)
    read = "SELECT id, owner, attention_date, secret_key_ids, examined_version, version, name_key FROM agents"
    before = {row[0]: row[1:] for row in fetch_rows(sqlite_schema_url, read)}

    command.downgrade(config, revision_before("add_agent_search_columns"))
    run_sql(sqlite_schema_url, f"UPDATE agents SET version = 2, name = 'C' WHERE id = '{changed.hex}'")
    command.upgrade(config, "head")
    _restore(sqlite_schema_url, backup_folder)

    after = {row[0]: row[1:] for row in fetch_rows(sqlite_schema_url, read)}
    assert after[same.hex] == before[same.hex]
    assert after[changed.hex] == (*before[changed.hex][:4], 2, "c")


def _restore(url: str, backup_folder: Path) -> None:
    (folder,) = backup_folder.iterdir()
    restore_rows(parse_url(url), folder, db.metadata, keep=False)


def _set_unusual_formats(url: str) -> None:
    name = parse_url(url).database
    formats = {"datestyle": "'SQL, DMY'", "timezone": "'Asia/Kathmandu'", "intervalstyle": "'sql_standard'"}
    formats |= {"extra_float_digits": "-10", "bytea_output": "'escape'"}
    run_sql(url, *(f"ALTER DATABASE {name} SET {setting} = {value}" for setting, value in formats.items()))


def _read_rows(url: str, database: str) -> list[tuple[object, ...]]:
    if database == "postgresql":
        return fetch_rows(url, "SELECT odd::text, float8send(f), float4send(r) FROM odd ORDER BY id")
    columns = ("id", "i", "f", "n", "raw", "big", "j", "at", "a", '"Gro""ß %s :x"', "made")
    return fetch_rows(url, f"SELECT {', '.join(f'typeof({name}), {name}' for name in columns)} FROM odd ORDER BY id")
