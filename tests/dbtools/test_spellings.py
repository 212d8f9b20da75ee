"""A plan says what is true of a change, however it is spelled, and nothing of a table that the step itself makes."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic.script import ScriptDirectory
from alembic.util import CommandError

from agents_app.database.url import parse_url
from agents_app.dbtools.database.connections import connect
from agents_app.dbtools.position import read_position
from agents_app.dbtools.review.plan import PlannedStep, make_plan
from tests import postgres
from tests.dbtools.tools import Project, run_sql

ROWS = (
    "CREATE TABLE items (id integer PRIMARY KEY, parent integer, qty integer)",
    "INSERT INTO items SELECT found, 1, found FROM generate_series(1, 50) AS found",
    "CREATE VIEW seen AS SELECT 1 AS one",
)
MERGE = "MERGE INTO items USING items AS other ON items.id = other.id WHEN MATCHED "
CHECK = "adds the CHECK (unnamed) without NOT VALID"
NEW = "op.create_table('a', sa.Column('id', sa.Integer(), primary_key=True), sa.Column('x', sa.Integer()))\n"


@pytest.fixture(scope="module")
def url(postgres_server: str) -> Iterator[str]:
    """A database with a table with rows. Plans do not change it."""
    with postgres.database(postgres_server) as found:
        run_sql(found, *ROWS)
        yield found


def _step(folder: Path, url: str, step: str) -> PlannedStep:
    project = Project(folder, url)
    project.revision("one", step if step.startswith("op.") else f"op.execute({step!r})", "op.execute('SELECT 1')")
    with connect(parse_url(url)) as connection:
        script = ScriptDirectory.from_config(project.config())
        return make_plan(connection, script, read_position(connection, script)).steps[0]


def test_the_check_of_a_new_column_is_left_out_in_each_spelling(tmp_path: Path, url: str) -> None:
    column = "sa.Column('z', sa.Integer(), sa.CheckConstraint('z > 0'), server_default='0')"
    found = [
        _step(tmp_path, url, "ALTER TABLE items ADD COLUMN z integer DEFAULT 0 CHECK (z > 0)"),
        _step(tmp_path, url, f"op.add_column('items', {column})"),
    ]

    for step in found:
        assert [check.note for check in step.checks] == ["not counted: the step one makes the column items.z"]
        assert [warning.what for warning in step.warnings] == [CHECK]


def test_a_dropped_object_is_named_also_in_lower_case(tmp_path: Path, url: str) -> None:
    assert [warning.what for warning in _step(tmp_path, url, "drop view seen").warnings] == ["drops the VIEW seen"]


def test_a_table_that_refers_to_itself_is_named_once(tmp_path: Path, url: str) -> None:
    step = _step(tmp_path, url, "ALTER TABLE items ADD CONSTRAINT f FOREIGN KEY (parent) REFERENCES items (id)")

    assert [warning.why for warning in step.warnings] == ["Every row is checked while no one can write to items."]


@pytest.mark.parametrize(
    ("clauses", "rows"),
    [
        ("AND items.qty > 40 THEN UPDATE SET qty = 0", "10 of 50"),
        ("AND items.qty > 40 THEN UPDATE SET qty = 0 WHEN MATCHED AND items.qty < 6 THEN DELETE", "15 of 50"),
        ("AND items.qty > 40 THEN UPDATE SET qty = 0 WHEN MATCHED THEN DO NOTHING", "10 of 50"),
        ("AND items.qty > 40 THEN UPDATE SET qty = 0 WHEN MATCHED THEN UPDATE SET qty = 1", "50 of 50"),
    ],
)
def test_a_merge_meets_the_rows_of_its_conditions(tmp_path: Path, url: str, clauses: str, rows: str) -> None:
    said = [warning.what for warning in _step(tmp_path, url, f"{MERGE}{clauses}").warnings]

    assert any(f"{rows} rows" in what for what in said), said


@pytest.mark.parametrize("query", ["SELECT count(*) FROM items WHERE qty < 0", "select MAX(qty) AS most from items"])
def test_a_requirement_that_always_finds_a_row_is_refused(tmp_path: Path, url: str, query: str) -> None:
    with pytest.raises(CommandError, match=r"^one.py: op.require needs a query that lists rows.*HAVING count"):
        _step(tmp_path, url, f"op.require({query!r}, 'No negative ones.')")


@pytest.mark.parametrize("rest", ["GROUP BY id", "HAVING count(*) > 0"])
def test_a_requirement_may_count_what_it_lists(tmp_path: Path, url: str, rest: str) -> None:
    step = _step(tmp_path, url, f"op.require('SELECT count(*) FROM items WHERE qty < 0 {rest}', 'No negative ones.')")

    assert [check.count for check in step.checks] == [0]


def test_a_requirement_that_changes_rows_is_refused_with_its_file(tmp_path: Path, url: str) -> None:
    with pytest.raises(CommandError, match=r"^one.py: op.require needs one query that changes nothing"):
        _step(tmp_path, url, "op.require('DELETE FROM items', 'No items.')")


def test_the_rows_of_a_table_that_the_step_makes_are_not_left_out(tmp_path: Path, url: str) -> None:
    made = (
        f"{NEW}op.create_unique_constraint('uq', 'a', ['x'])\nop.create_foreign_key('f', 'a', 'items', ['x'], ['id'])"
    )
    filled = made.replace("\n", "\nop.execute('INSERT INTO a VALUES (1, 1)')\n", 1)
    selected = "CREATE TABLE a AS SELECT qty AS x FROM items; ALTER TABLE a ADD UNIQUE (x)"

    assert _step(tmp_path, url, made).checks == ()
    assert [len(_step(tmp_path, url, step).checks) for step in (filled, selected)] == [2, 1]
