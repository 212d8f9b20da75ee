"""Rebuilds of a table on SQLite: what Alembic does not read is there afterwards."""

from pathlib import Path

import pytest
from alembic import command

from tests.dbtools.tools import Project, fetch_rows, run_sql

TABLE = (
    "CREATE TABLE logs (name text)",
    'CREATE TABLE things (id integer PRIMARY KEY, "Size" integer, name varchar(9) COLLATE NOCASE, note text)',
    """CREATE INDEX ix_lower ON things (lower(name), "Size" DESC) WHERE note <> '"Size" : lower'""",
    'CREATE UNIQUE INDEX size ON things ("Size" DESC, name COLLATE RTRIM) WHERE "Size" > 1',
    "CREATE INDEX ix_length ON things (length(name))",
    "CREATE TRIGGER log AFTER INSERT ON things BEGIN INSERT INTO logs VALUES (new.name || ':'); END",
    "INSERT INTO things VALUES (1, 2, 'a', 'b')",
)
SQL = "SELECT name, sql FROM sqlite_master WHERE type IN ('index', 'trigger') AND sql IS NOT NULL ORDER BY name"


@pytest.fixture
def project(tmp_path: Path, sqlite_url: str) -> Project:
    """A table with a row and with everything that Alembic does not read."""
    project = Project(tmp_path, sqlite_url)
    run_sql(sqlite_url, *TABLE)
    return project


def _rebuild(project: Project, *changes: str) -> dict[str, str]:
    batch = "\n".join(f"    batch.{change}" for change in changes)
    project.revision("rebuild", f"with op.batch_alter_table('things') as batch:\n{batch}")
    command.upgrade(project.config(), "head")
    return dict(fetch_rows(project.url, SQL))


def test_indexes_triggers_and_collations_are_as_they_were(project: Project) -> None:
    before = dict(fetch_rows(project.url, SQL))

    after = _rebuild(project, "alter_column('note', nullable=False)")
    run_sql(project.url, "INSERT INTO things VALUES (2, 3, 'B', 'c')")

    assert len(before) == 4
    assert after == before
    assert fetch_rows(project.url, "SELECT name FROM logs") == [("a:",), ("B:",)]
    assert fetch_rows(project.url, "SELECT count(*) FROM things WHERE name = 'b'") == [(1,)]


def test_an_index_goes_with_its_column_or_when_it_is_dropped(project: Project) -> None:
    assert _rebuild(project, "drop_column('note')", "drop_index('ix_length')").keys() == {"size", "log"}


def test_an_index_has_the_new_name_of_its_column(project: Project) -> None:
    after = _rebuild(project, "alter_column('Size', new_column_name='the size')")

    assert after["ix_lower"].endswith("""(lower(name), "the size" DESC) WHERE note <> '"Size" : lower'""")
    assert (
        after["size"]
        == """CREATE UNIQUE INDEX size ON things ("the size" DESC, name COLLATE RTRIM) WHERE "the size" > 1"""
    )


def test_a_column_with_a_new_type_has_its_collation(project: Project) -> None:
    _rebuild(project, "alter_column('name', type_=sa.String(20))")
    run_sql(project.url, "INSERT INTO things VALUES (2, 3, 'B', 'c')")

    assert fetch_rows(project.url, "SELECT count(*) FROM things WHERE name = 'b'") == [(0,)]


def test_a_rebuild_keeps_colons_in_checks_and_defaults(tmp_path: Path, sqlite_url: str) -> None:
    rules = "a text DEFAULT ' :x', b integer, CONSTRAINT ck CHECK (a NOT LIKE '%:y' OR a = '::z')"
    run_sql(sqlite_url, f"CREATE TABLE t ({rules})", "INSERT INTO t (b) VALUES (1)")
    project = Project(tmp_path, sqlite_url)
    project.revision("one", "op.set_not_null('t', 'b')")

    command.upgrade(project.config(), "head")

    ((sql,),) = fetch_rows(sqlite_url, "SELECT sql FROM sqlite_master WHERE name = 't'")
    assert "CHECK (a NOT LIKE '%:y' OR a = '::z')" in sql
    assert "DEFAULT ' :x'" in sql
    assert "b INTEGER NOT NULL" in sql
