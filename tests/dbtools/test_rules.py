"""The warnings that `flask db plan` gives: the same for the operations of `op` and for plain SQL that does the same."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.script import ScriptDirectory
from alembic.util import CommandError

from agents_app.database.url import parse_url
from agents_app.dbtools.database.connections import connect
from agents_app.dbtools.position import read_position
from agents_app.dbtools.review.plan import Plan, make_plan, plan_as_data
from tests import postgres
from tests.dbtools.rule_cases import (
    BATCH,
    BUSY,
    DROPS_BUSY,
    INDEX,
    INT,
    NOT_NULL,
    PAIRS,
    POSTGRESQL,
    SQL,
    STEPS,
    TYPES,
)
from tests.dbtools.tools import Project, create_engine, mostly_long, run_sql
from tests.project import shared_copy


@pytest.fixture(scope="module")
def busy_url(postgres_server: str) -> Iterator[str]:
    """A PostgreSQL database with tables with rows. Plans do not change it."""
    with postgres.database(postgres_server) as url:
        run_sql(url, *BUSY, *POSTGRESQL)
        yield url


@pytest.fixture
def project(tmp_path: Path, busy_url: str) -> Project:
    """Migrations for this database."""
    return Project(tmp_path, busy_url)


@pytest.fixture
def sqlite_project(tmp_path: Path, sqlite_url: str) -> Project:
    """Migrations for an SQLite file with the same tables."""
    run_sql(sqlite_url, *BUSY)
    return Project(tmp_path, sqlite_url)


def _plan(project: Project) -> Plan:
    with connect(parse_url(project.url)) as connection:
        script = ScriptDirectory.from_config(project.config())
        return make_plan(connection, script, read_position(connection, script))


def _warnings(project: Project, upgrade: str, downgrade: str = "op.execute('SELECT 1')", end: str = "") -> list[str]:
    steps = Project(project.folder.parent, project.url)
    path = steps.revision("one", upgrade, downgrade)
    path.write_text(path.read_text() + end)
    return [f"{warning.level} {warning.what}" for step in _plan(steps).steps for warning in step.warnings]


@pytest.mark.parametrize(("operation", "sql", "expected"), mostly_long(PAIRS, 6))
def test_an_operation_and_plain_sql_get_the_same_warnings(
    project: Project, operation: str, sql: str, expected: list[str]
) -> None:
    plain = sql if sql.startswith("with ") else f"op.execute({sql!r})"

    assert _warnings(project, operation) == expected
    assert _warnings(project, plain) == expected


@pytest.mark.parametrize("effect", TYPES)
def test_a_new_type_gets_a_warning_only_if_the_rows_are_rewritten(project: Project, effect: str) -> None:
    for column, kinds in TYPES[effect].items():
        for kind in kinds.split():
            expected = [f"DANGER changes the type of typed.{column} to {kind}"] if effect == "rewrite" else []
            known = {
                "INET": "INET()",
                "TIMESTAMP(0)": "TIMESTAMP(precision=0)",
                "TIMESTAMP(6)": "TIMESTAMP(precision=6)",
            }
            written = f"postgresql.{known.get(kind, kind)}"

            plain = _warnings(project, f"op.execute('ALTER TABLE typed ALTER {column} TYPE {kind}')")
            operation = _warnings(project, f"op.alter_column('typed', {column!r}, type_={written})")

            assert [text.replace(" WITHOUT TIME ZONE", "").replace(", ", ",") for text in operation] == expected
            assert plain == expected


@pytest.mark.parametrize(("sql", "expected"), mostly_long(SQL, 8))
def test_plain_sql_that_no_operation_does_gets_its_warnings(project: Project, sql: str, expected: list[str]) -> None:
    assert _warnings(project, f"op.execute({sql!r})") == expected


@pytest.mark.parametrize(("upgrade", "expected"), mostly_long(STEPS, 8))
def test_a_step_gets_its_warnings(project: Project, upgrade: str, expected: list[str]) -> None:
    assert _warnings(project, upgrade) == expected


@pytest.mark.parametrize("effect", TYPES)
def test_postgresql_itself_rewrites_the_rows_that_a_warning_names(busy_url: str, effect: str) -> None:
    file = sa.text("SELECT pg_relation_filenode('typed')")
    for column, kinds in TYPES[effect].items():
        for kind in kinds.split():
            with create_engine(busy_url).connect() as connection:
                before = connection.scalar(file)
                using = f"USING {column}::text::{kind}" if effect == "rewrite" and column in "vt" else ""
                connection.exec_driver_sql(f"ALTER TABLE typed ALTER {column} TYPE {kind} {using}")

                assert (connection.scalar(file) != before) == (effect == "rewrite"), kind


@pytest.mark.long
def test_the_parser_is_imported_only_for_a_plan() -> None:
    words = "import sys, agents_app.app, agents_app.dbtools; sys.exit('sqlglot' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", words], check=False, cwd=shared_copy()).returncode == 0


def test_a_page_counts_no_rows_that_a_statement_meets(project: Project) -> None:
    project.revision("one", "op.execute('DELETE FROM busy WHERE id = 1')", "op.execute('SELECT 1')")
    with create_engine(project.url).connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        script = ScriptDirectory.from_config(project.config())
        plan = make_plan(connection, script, read_position(connection, script), counts=False)

        assert plan.dangers[0].what == "runs DELETE on busy (rows not counted: flask db plan counts them)"


def test_a_using_that_computes_gets_a_warning(project: Project) -> None:
    change = "op.execute('ALTER TABLE typed ALTER v TYPE text USING {}')"

    assert _warnings(project, change.format("v::text")) == []
    assert _warnings(project, change.format("upper(v)")) == ["DANGER changes the type of typed.v to TEXT"]


@pytest.mark.parametrize(
    ("downgrade", "expected"),
    [
        ("pass", "WARN has a downgrade() that does nothing"),
        ("raise NotImplementedError('not reversible')", "WARN cannot be undone: its downgrade() raises an error"),
        ("raise RuntimeError('not reversible')", "WARN cannot be undone: its downgrade() raises an error"),
    ],
)
def test_a_step_that_cannot_be_undone_gets_a_warning(project: Project, downgrade: str, expected: str) -> None:
    assert _warnings(project, "op.create_table('new', sa.Column('id', sa.Integer()))", downgrade) == [expected]


def test_not_null_on_a_column_with_a_not_null_check_gets_no_warning(tmp_path: Path, postgres_url: str) -> None:
    run_sql(postgres_url, *BUSY, "ALTER TABLE busy ADD CONSTRAINT ck CHECK (name IS NOT NULL)")
    project = Project(tmp_path, postgres_url)

    assert _warnings(project, "op.alter_column('busy', 'name', nullable=False)") == []
    assert _warnings(project, "op.execute('ALTER TABLE busy ALTER name SET NOT NULL')") == []


@pytest.mark.parametrize(
    ("upgrade", "expected"),
    [
        ("op.drop_table('busy')", DROPS_BUSY),
        (BATCH + "drop_column('name')", ["DANGER drops the column busy.name"]),
        (f"op.add_column('busy', {INT}, nullable=False))", ["DANGER adds busy.x NOT NULL without a default"]),
        ("op.execute('DELETE FROM busy')", ["DANGER runs DELETE on busy without WHERE (3 rows)"]),
        ("op.execute('UPDATE [busy] SET name = 1 WHERE `id` = 1')", ["WARN runs UPDATE on busy (1 of 3 rows)"]),
        (BATCH + "alter_column('name', nullable=False)", NOT_NULL[:1]),
        # SQLite has one writer at a time and its readers never wait, so a lock keeps no one waiting.
        ("op.create_index('ix', 'busy', ['name'])", []),
        ("op.execute('PRAGMA foreign_keys = ON; CREATE INDEX ix ON busy (name)')", []),
    ],
)
def test_on_sqlite_lost_data_gets_a_warning_and_locks_get_none(
    sqlite_project: Project, upgrade: str, expected: list[str]
) -> None:
    assert _warnings(sqlite_project, upgrade) == expected


@pytest.mark.parametrize(
    ("upgrade", "expected"),
    [
        ("op.drop_table('busy')", ["WARN drops the table busy"]),
        ("op.drop_column('busy', 'name')", ["WARN drops the column busy.name"]),
        # Plain SQL saves no rows, whichever release runs.
        ("op.execute('DROP TABLE busy')", DROPS_BUSY),
        ("op.rename_table('busy', 'lazy')", []),
        ("op.set_not_null('busy', 'name')", []),
        (
            f"op.add_column('busy', {INT}))\nop.set_not_null('busy', 'x')",
            # It fails, whichever release runs.
            [
                "WARN has other operations besides op.set_not_null",
                "DANGER refuses rows of busy that have no value in x",
            ],
        ),
        ("op.alter_column('busy', 'name', nullable=False)", NOT_NULL[1:]),
        ("op.alter_column('required', 'id', server_default=None)", []),
        ("op.remove_enum_value('kind', 'B')", ["WARN removes the label B of the enum kind"]),
        ("op.execute('DELETE FROM busy')", ["DANGER runs DELETE on busy without WHERE (3 rows)"]),
        ("op.create_index('ix', 'busy', ['name'])", INDEX),
    ],
)
def test_a_marked_step_gets_no_warning_about_the_running_release(
    project: Project, upgrade: str, expected: list[str]
) -> None:
    assert _warnings(project, upgrade, end="\nafter_release = True\n") == expected


def test_the_warning_about_the_running_release_says_how_to_mark_the_step(project: Project) -> None:
    project.revision("one", "op.drop_table('busy')\nop.create_index('ix', 'typed', ['v'])", "op.execute('SELECT 1')")

    drop, index = _plan(project).steps[0].warnings

    assert (drop.breaks_release, index.breaks_release) == (True, False)
    assert "the running release fails on it" in drop.why
    assert drop.instead.startswith("Write `after_release = True`")
    assert "rows are first saved to a file" in drop.instead


def test_a_reason_in_the_file_allows_the_dangers_of_its_step(project: Project) -> None:
    reason = "Unused since 2.0."
    project.revision("one", f"op.allow_danger({reason!r})\nop.drop_table('busy')", "op.execute('SELECT 1')")
    project.revision("two", "op.execute('DELETE FROM typed')", "op.execute('SELECT 1')")

    plan = _plan(project)

    assert [(warning.what, warning.allowed) for warning in plan.allowed_dangers] == [("drops the table busy", reason)]
    assert [warning.table for warning in plan.dangers] == ["typed"]
    assert plan_as_data(plan)["steps"][0]["findings"][0]["allowed"] == reason


@pytest.mark.parametrize("reason", ["", "''", "'  '", "None", "5", "['x']", "'\\u200b'", "'\\ud800'"])
def test_an_empty_reason_is_refused(project: Project, reason: str) -> None:
    project.revision("one", f"op.allow_danger({reason})\nop.drop_table('busy')")

    with pytest.raises(CommandError, match="needs a reason"):
        _plan(project)


@pytest.mark.parametrize(
    "text",
    [
        "SELECT " + "(" * 5000 + "1" + ")" * 5000,
        pytest.param("DELETE FROM busy WHERE id IN (" + ", ".join(["1"] * 100_000) + ")", marks=pytest.mark.long),
        "DO $$ " + "BEGIN " * 3000 + "FROB; " + "END; " * 3000 + "$$",
        "$$" * 5001,
        "UPDATE busy SET name = 'a\x00' WHERE",
    ],
)
def test_what_cannot_be_read_is_said_not_to_be_understood(project: Project, text: str) -> None:
    assert _warnings(project, f"op.execute({text!r})")[0].startswith("WARN is not understood: ")
