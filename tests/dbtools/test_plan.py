"""The warnings that `flask db plan` gives about a step, and those that it does not."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic.script import ScriptDirectory
from alembic.util import CommandError

from agents_app.database.url import parse_url
from agents_app.dbtools.database.connections import connect
from agents_app.dbtools.position import read_position
from agents_app.dbtools.review.plan import Plan, make_plan
from agents_app.dbtools.review.warnings import StepWarning
from tests import postgres
from tests.dbtools.tools import Project, run_sql

BUSY = (
    "CREATE TABLE busy (id integer PRIMARY KEY, name varchar(50), kind varchar(9))",
    "INSERT INTO busy VALUES (1, 'a', 'b')",
    "CREATE TABLE parents (id integer PRIMARY KEY)",
    "CREATE TABLE empty (id integer PRIMARY KEY, name varchar(50))",
)


@pytest.fixture(scope="module")
def busy_url(postgres_server: str) -> Iterator[str]:
    """A PostgreSQL database with a table with rows and an empty one. Plans do not change it."""
    with postgres.database(postgres_server) as url:
        run_sql(url, *BUSY)
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


def _plan(project: Project, target: str = "head") -> Plan:
    url = parse_url(project.url)
    with connect(url) as connection:
        script = ScriptDirectory.from_config(project.config())
        return make_plan(connection, script, read_position(connection, script), target)


def _warnings_about(project: Project, upgrade: str, downgrade: str = "op.execute('SELECT 1')") -> list[str]:
    project.revision("one", upgrade, downgrade)
    return [f"{warning.level} {warning.what}" for warning in _warnings(project)]


def _warnings(project: Project) -> list[StepWarning]:
    return [warning for step in _plan(project).steps for warning in step.warnings]


COLUMN = "sa.Column('extra', sa.Integer()"
BATCH = "with op.batch_alter_table('busy') as batch:\n    "


@pytest.mark.parametrize(
    ("upgrade", "expected"),
    [
        ("op.drop_table('busy')", "DANGER drops the table busy"),
        ("op.drop_table('empty')", "WARN drops the table empty"),
        ("op.drop_column('busy', 'name')", "DANGER drops the column busy.name"),
        (BATCH + "batch.drop_column('name')", "DANGER drops the column busy.name"),
        ("op.rename_table('busy', 'lazy')", "DANGER renames the table busy to lazy"),
        ("op.alter_column('busy', 'name', new_column_name='n')", "DANGER renames the column busy.name to n"),
        (
            "op.alter_column('busy', 'name', type_=sa.Integer(), existing_type=sa.String(50))",
            "DANGER changes the type of busy.name to INTEGER",
        ),
        (
            "op.alter_column('busy', 'name', type_=sa.String(20), existing_type=sa.String(50))",
            "DANGER changes the type of busy.name to VARCHAR(20)",
        ),
        ("op.alter_column('busy', 'name', nullable=False)", "WARN sets NOT NULL on busy.name"),
        (
            f"op.add_column('busy', {COLUMN}, nullable=False))",
            "DANGER adds busy.extra NOT NULL without a default",
        ),
        (
            "op.add_column('busy', sa.Column('extra', sa.Uuid(), server_default=sa.text('gen_random_uuid()')))",
            "WARN adds busy.extra with the default gen_random_uuid()",
        ),
        ("op.create_index('ix', 'busy', ['name'])", "WARN creates the index ix without CONCURRENTLY"),
        ("op.create_unique_constraint('uq', 'busy', ['name'])", "WARN adds the UNIQUE constraint uq"),
        ("op.create_primary_key('pk', 'busy', ['id'])", "WARN adds a primary key to busy"),
        (
            "op.create_foreign_key('fk', 'busy', 'parents', ['id'], ['id'])",
            "WARN adds the FOREIGN KEY fk without NOT VALID",
        ),
        ("op.create_check_constraint('ck', 'busy', 'id > 0')", "WARN adds the CHECK ck_busy_ck without NOT VALID"),
        ("op.create_check_constraint(op.f('ck'), 'busy', 'id > 0')", "WARN adds the CHECK ck without NOT VALID"),
        ("op.remove_enum_value('kind', 'B')", "DANGER removes the label B of the enum kind"),
        (
            "op.create_index_concurrently('ix', 'busy', ['name'])\nop.add_column('busy', " + COLUMN + "))",
            "WARN has other operations besides op.create_index_concurrently",
        ),
        (
            "rows = op.get_bind().execute(sa.text('SELECT 1')).all()",
            "WARN can only be partly reviewed",
        ),
    ],
)
def test_a_harmful_operation_gets_a_warning(project: Project, upgrade: str, expected: str) -> None:
    assert _warnings_about(project, upgrade) == [expected]


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("DROP TABLE IF EXISTS public.busy", "DANGER drops the table busy"),
        ("drop table busy; -- and more\nSELECT 1", "DANGER drops the table busy"),
        ("ALTER TABLE busy ADD COLUMN x integer, DROP COLUMN name", "DANGER drops the column busy.name"),
        ("ALTER TABLE busy DROP name", "DANGER drops the column busy.name"),
        ("ALTER TABLE busy RENAME TO lazy", "DANGER renames the table busy to lazy"),
        ("ALTER TABLE busy RENAME COLUMN name TO n", "DANGER renames the column busy.name to n"),
        ("ALTER TABLE busy ALTER COLUMN name TYPE text", "DANGER changes the type of busy.name to text"),
        ("ALTER TABLE busy ALTER name SET NOT NULL", "WARN sets NOT NULL on busy.name"),
        ("ALTER TABLE busy ADD CONSTRAINT ck CHECK (id > 0)", "WARN adds the CHECK ck without NOT VALID"),
        ("CREATE UNIQUE INDEX ix ON busy (name, kind)", "WARN creates the index ix without CONCURRENTLY"),
        ("UPDATE busy SET name = 'where'", "WARN runs UPDATE on busy without WHERE"),
        ("DELETE FROM busy", "DANGER runs DELETE on busy without WHERE"),
        ("TRUNCATE busy", "DANGER runs TRUNCATE on busy without WHERE"),
        ("DO $$ BEGIN IF true THEN DELETE FROM busy; END IF; END $$", "DANGER runs DELETE on busy without WHERE"),
        ("ALTER TYPE kind RENAME VALUE 'A' TO 'B'", "DANGER removes the label"),
        ("ALTER TYPE kind ADD VALUE 'C'", "WARN runs ALTER TYPE kind ADD VALUE"),
        ("DROP SCHEMA public CASCADE", "DANGER runs DROP SCHEMA public CASCADE"),
        ("DROP TYPE kind CASCADE", "DANGER runs DROP TYPE kind CASCADE"),
    ],
)
def test_harmful_plain_sql_gets_a_warning(project: Project, statement: str, expected: str) -> None:
    (found,) = _warnings_about(project, f"op.execute({statement!r})")

    assert found.startswith(expected)
    drops = [warning for warning in _warnings(project) if warning.what.startswith("drops the ")]
    assert all("Plain SQL does not save" in warning.instead for warning in drops)


@pytest.mark.parametrize(
    ("downgrade", "expected"),
    [
        ("pass", "WARN has a downgrade() that does nothing"),
        ("raise NotImplementedError('not reversible')", "WARN cannot be undone: its downgrade() raises an error"),
    ],
)
def test_a_step_that_cannot_be_undone_gets_a_warning(project: Project, downgrade: str, expected: str) -> None:
    assert _warnings_about(project, "op.create_table('new', sa.Column('id', sa.Integer()))", downgrade) == [expected]


@pytest.mark.parametrize(
    "upgrade",
    [
        "op.create_table('new', sa.Column('id', sa.Integer()))\nop.create_index('ix', 'new', ['id'])",
        "op.create_table('new', sa.Column('id', sa.Integer()))\nop.execute('UPDATE new SET id = 1')",
        "op.execute('CREATE TABLE new (id integer)')\nop.execute('CREATE INDEX ix ON new (id)')",
        f"op.add_column('busy', {COLUMN}))",
        f"op.add_column('busy', {COLUMN}, server_default='1', nullable=False))",
        "op.alter_column('busy', 'name', type_=sa.String(90), existing_type=sa.String(50))",
        "op.create_index('ix', 'empty', ['name'])",
        "op.alter_column('empty', 'name', nullable=False)",
        "op.create_index_concurrently('ix', 'busy', ['name'])",
        "op.create_check_constraint('ck', 'busy', 'id > 0', postgresql_not_valid=True)",
        "op.validate_constraint('ck', 'busy')",
        "op.set_not_null('busy', 'name')",
        "op.add_enum_value('kind', 'C')",
        "op.execute(\"UPDATE busy SET name = 'b' WHERE id = 1\")",
        "op.execute(\"INSERT INTO busy VALUES (2, 'DROP TABLE busy; DELETE FROM busy')\")",
        "op.execute(sa.text('ALTER TABLE busy DROP CONSTRAINT ck'))",
    ],
)
def test_a_harmless_operation_gets_no_warning(project: Project, upgrade: str) -> None:
    assert _warnings_about(project, upgrade) == []


def test_not_null_on_a_column_with_a_not_null_check_gets_no_warning(tmp_path: Path, postgres_url: str) -> None:
    run_sql(postgres_url, *BUSY, "ALTER TABLE busy ADD CONSTRAINT ck CHECK (name IS NOT NULL)")

    assert _warnings_about(Project(tmp_path, postgres_url), "op.alter_column('busy', 'name', nullable=False)") == []


def test_a_table_that_an_earlier_step_creates_gets_no_warning(project: Project) -> None:
    project.revision("one", "op.create_table('new', sa.Column('id', sa.Integer()))", "op.drop_table('new')")
    project.revision("two", "op.create_index('ix', 'new', ['id'])\nop.drop_table('new')", "op.execute('SELECT 1')")

    assert _warnings(project) == []


@pytest.mark.parametrize(
    ("upgrade", "expected"),
    [
        ("op.drop_table('busy')", ["DANGER drops the table busy"]),
        (BATCH + "batch.drop_column('name')", ["DANGER drops the column busy.name"]),
        (f"op.add_column('busy', {COLUMN}, nullable=False))", ["DANGER adds busy.extra NOT NULL without a default"]),
        ("op.execute('DELETE FROM busy')", ["DANGER runs DELETE on busy without WHERE"]),
        # SQLite has one writer at a time and its readers never wait, so a lock keeps no one waiting.
        ("op.create_index('ix', 'busy', ['name'])", []),
        (BATCH + "batch.alter_column('name', nullable=False)", []),
    ],
)
def test_on_sqlite_lost_data_gets_a_warning_and_locks_get_none(
    sqlite_project: Project, upgrade: str, expected: list[str]
) -> None:
    assert _warnings_about(sqlite_project, upgrade) == expected


def test_a_warning_says_why_and_shows_the_safe_form(project: Project) -> None:
    project.revision("one", "op.create_index('ix', 'busy', ['name'])", "op.drop_index('ix')")

    (warning,) = _warnings(project)

    assert warning.table == "busy"
    assert "No one can write" in warning.why
    assert "op.create_index_concurrently('ix', 'busy', ['name'])" in warning.instead


def test_a_plan_shows_the_rows_and_the_size_of_each_table(project: Project) -> None:
    project.revision("one", "op.execute('UPDATE busy SET name = NULL WHERE id = 1')\nop.drop_table('empty')")

    (step,) = _plan(project).steps

    assert [(table.name, table.rows) for table in step.tables] == [("busy", 1), ("empty", 0)]
    assert all(table.bytes for table in step.tables)


def test_a_downgrade_can_be_planned(tmp_path: Path, sqlite_url: str) -> None:
    project = Project(tmp_path, sqlite_url)
    project.revision("one", "pass", "op.drop_table('one')")
    project.revision("two", "pass", "op.drop_table('two')")
    run_sql(sqlite_url, "CREATE TABLE alembic_version (version_num text)", "INSERT INTO alembic_version VALUES ('two')")

    assert [step.revision for step in _plan(project, "-1").steps] == ["two"]
    assert [step.revision for step in _plan(project, "base").steps] == ["two", "one"]
    assert [step.direction for step in _plan(project, "one").steps] == ["downgrade"]
    assert _plan(project).steps == ()
    assert _plan(project, "-1").target == "one"


@pytest.mark.parametrize(
    ("target", "expected"), [("+3", "not that many steps"), ("nonsense", "nonsense"), ("", "is empty")]
)
def test_an_unknown_revision_is_refused(project: Project, target: str, expected: str) -> None:
    project.revision("one", "pass")

    with pytest.raises(CommandError, match=expected):
        _plan(project, target)
