"""Data checks: `flask db plan` and `flask db deploy` count the rows on which a step would fail, before it is touched.

Each case is tried on a database with such rows: what is counted, and that the step really fails.
"""

import json
import sqlite3
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from alembic import command
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from click.testing import Result
from sqlalchemy.exc import DBAPIError

from agents_app.database.url import parse_url
from agents_app.dbtools.database.connections import connect
from agents_app.dbtools.position import read_position
from agents_app.dbtools.review.data_checks import DataCheck
from agents_app.dbtools.review.plan import make_plan
from tests.dbtools.tools import Project, create_engine, fetch_rows, mostly_long, run_sql

FlaskDb = Callable[..., Result]

ROWS = (
    "CREATE TABLE parents (id integer PRIMARY KEY, code varchar(9))",
    "INSERT INTO parents VALUES (1, 'a')",
    "CREATE TABLE busy (id integer, name varchar(50), kind varchar(9), size integer, parent integer, other integer)",
    "INSERT INTO busy VALUES (1, 'a', NULL, 1, 1, 1), (2, 'A', NULL, -1, 2, 1), (3, 'b', 'k', NULL, NULL, 1)",
    "INSERT INTO busy VALUES (NULL, 'b', 'k', 5, 3, 1), (5, 'longer', NULL, 70000, 1, 1), (5, NULL, NULL, 2, 1, 1)",
)
POSTGRESQL = (
    "CREATE TABLE pairs (a integer, b varchar(50), UNIQUE (a, b))",
    "INSERT INTO pairs VALUES (1, 'a'), (1, 'longer')",
    "CREATE TYPE shade AS ENUM ('light', 'dark')",
    'CREATE TABLE "Typed" ("Shade" shade, big bigint, amount numeric, code varchar(60))',
    """INSERT INTO "Typed" VALUES ('dark', 3000000000, 99.6, 'x')""",
    """INSERT INTO "Typed" VALUES ('light', 1, 'NaN', '3f2504e0-4f89-11d3-9a0c-0305e82c3301')""",
    'INSERT INTO "Typed" VALUES (NULL, NULL, NULL, NULL)',
    "ALTER TABLE busy ADD CONSTRAINT ck_old CHECK (size > 0) NOT VALID",
    "ALTER TABLE busy ADD CONSTRAINT fk_old FOREIGN KEY (parent) REFERENCES parents (id) NOT VALID",
)
BATCH = "with op.batch_alter_table('busy') as batch:\n    batch."
ALTER = "ALTER TABLE busy "

# The operation, plain SQL that does the same, and what is found.
BOTH = [
    (BATCH + "alter_column('name', nullable=False, existing_type=sa.String(50))", "1 row of busy has no value in name"),
    ("op.set_not_null('busy', 'kind')", "4 rows of busy have no value in kind"),
    (BATCH + "create_unique_constraint('uq', ['name'])", "2 rows of busy share their value of name with another row"),
    ("op.add_unique_constraint('uq', 'busy', ['id'])", "2 rows of busy share their value of id with another row"),
    ("op.create_index('ux', 'busy', ['name', 'kind'], unique=True)", "2 rows of busy share their value of name, kind"),
    (
        "op.create_index_concurrently('ux', 'busy', [sa.text('lower(name)')], unique=True, where='size < 4')",
        "2 rows of busy share their value of lower(name) with another row",
    ),
    ("op.execute('CREATE UNIQUE INDEX ux ON busy (other, kind DESC) WHERE size > 0')", None),
    (
        "op.execute('CREATE UNIQUE INDEX ux ON busy (lower(name)) WHERE size < 4')",
        "2 rows of busy share their value of",
    ),
    (BATCH + "create_check_constraint('ck', 'size > 0')", "1 row of busy breaks the condition size > 0"),
    (
        BATCH + "create_check_constraint('ck', sa.column('name').in_(['a', 'A', 'b']))",
        "1 row of busy breaks the condition name IN ('a', 'A', 'b')",
    ),
    (
        BATCH + "create_foreign_key('fk', 'parents', ['parent'], ['id'])",
        "2 rows of busy refer to a row of parents that is not there, in parent",
    ),
    (BATCH + "create_foreign_key('fk', 'parents', ['other'], ['id'])", None),
    (
        BATCH + "add_column(sa.Column('x', sa.Integer(), nullable=False))",
        "6 rows of busy have no value for the new column x",
    ),
    ("op.require('SELECT * FROM busy WHERE size < 0;', 'Correct the sizes.')", "Correct the sizes."),
    ("op.require('SELECT * FROM busy WHERE size = 99 -- none', 'Correct the sizes.')", None),
]
NEW_ENUM = """op.execute("ALTER TYPE shade RENAME TO old_shade; CREATE TYPE shade AS ENUM ('light')")
op.execute('ALTER TABLE "Typed" ALTER "Shade" TYPE shade"""
SHADE = "1 row of Typed holds dark in Shade"
ON_POSTGRESQL = [
    (f"op.execute('{ALTER}ALTER kind SET NOT NULL')", "4 rows of busy have no value in kind"),
    (f"op.execute('{ALTER}ADD UNIQUE NULLS NOT DISTINCT (kind)')", "6 rows of busy share their value of kind with"),
    (f"op.execute('{ALTER}ADD CONSTRAINT uq UNIQUE (name)')", "2 rows of busy share their value of name with"),
    (f"op.execute('{ALTER}ADD CONSTRAINT ck CHECK (size > 0 AND size::text <> $$x$$)')", "1 row of busy breaks the"),
    (f"op.execute('{ALTER}ADD FOREIGN KEY (parent) REFERENCES parents')", "2 rows of busy refer to a row of parents"),
    (f"op.execute('{ALTER}ADD FOREIGN KEY (parent) REFERENCES public.parents (id)')", "2 rows of busy refer to a row"),
    (
        f"op.execute('{ALTER}ADD FOREIGN KEY (parent, name) REFERENCES pairs (a, b) MATCH FULL')",
        "4 rows of busy refer to a row of pairs",
    ),
    (f"op.execute('{ALTER}VALIDATE CONSTRAINT ck_old')", "1 row of busy breaks the condition (size > 0)"),
    ("op.validate_constraint('fk_old', 'busy')", "2 rows of busy refer to a row of parents that is not there"),
    ("op.remove_enum_value('shade', 'dark')", SHADE),
    ("op.remove_enum_value('shade', 'none')", None),
    (
        BATCH + "alter_column('name', type_=sa.String(5))",
        "1 row of busy has a value in name that VARCHAR(5) cannot hold",
    ),
    (f"op.execute('{ALTER}ALTER name TYPE char(5)')", "1 row of busy has a value in name that char(5) cannot hold"),
    (f"op.execute('{ALTER}ALTER name TYPE varchar(5) USING left(name, 5)')", None),
    (f"op.execute('{ALTER}ALTER size TYPE smallint')", "1 row of busy has a value in size that smallint cannot hold"),
    (
        """op.execute('ALTER TABLE "Typed" ALTER big TYPE int')""",
        "1 row of Typed has a value in big that int cannot hold",
    ),
    ("""op.execute('ALTER TABLE "Typed" ALTER amount TYPE numeric(2)')""", "1 row of Typed has a value in amount that"),
    ("""op.execute('ALTER TABLE "Typed" ALTER amount TYPE numeric(3, 1)')""", None),
    (
        """op.execute('ALTER TABLE "Typed" ALTER big TYPE int USING big::int')""",
        "1 row of Typed has a value in big that int cannot hold",
    ),
    (
        f"op.execute('{ALTER}ALTER name TYPE integer USING name::integer')",
        "5 rows of busy have a value in name that integer cannot hold",
    ),
    (
        """op.execute('ALTER TABLE "Typed" ALTER code TYPE uuid USING CAST(code AS uuid)')""",
        "1 row of Typed has a value in code that uuid cannot hold",
    ),
    (NEW_ENUM + ' USING "Shade"::text::shade\')', "1 row of Typed has a value in Shade that shade cannot hold"),
    (NEW_ENUM + """ USING (CASE "Shade"::text WHEN $$dark$$ THEN $$light$$ END)::shade')""", None),
    (f"op.execute('{ALTER}ADD x integer NOT NULL')", "6 rows of busy have no value for the new column x"),
    (f"op.execute('{ALTER}ADD COLUMN IF NOT EXISTS size integer NOT NULL')", None),
]
FILL = """busy = sa.table('busy', sa.column('id'), sa.column('kind'))
op.fill_rows(busy, busy.c.kind.is_(None), lambda row: {'kind': 'x'}, '')"""
PRIMARY_KEY = ["1 row of busy has no value in id", "2 rows of busy share their value of id with another row"]


@pytest.fixture
def project(tmp_path: Path, database_url: str) -> Project:
    """Migrations for a schema of PostgreSQL and for an SQLite file with such rows."""
    run_sql(database_url, *ROWS)
    return Project(tmp_path, database_url)


def checks_of(project: Project) -> list[DataCheck]:
    """The data checks of all pending steps."""
    with connect(parse_url(project.url)) as connection:
        script = ScriptDirectory.from_config(project.config())
        plan = make_plan(connection, script, read_position(connection, script))
    return [check for step in plan.steps for check in step.checks]


def _judge(project: Project, upgrade: str, expected: str | None) -> None:
    project.revision("one", upgrade)

    stops = [check for check in checks_of(project) if check.stops]

    assert [check.what[: len(expected or "")] for check in stops] == ([expected] if expected else [])
    for check in stops:
        with create_engine(project.url).connect() as connection:
            assert connection.exec_driver_sql(check.query).first() is not None
    if expected:
        with pytest.raises((CommandError, DBAPIError)):
            command.upgrade(project.config(), "head")
    else:
        assert all(check.count == 0 or check.is_loss for check in checks_of(project))
        command.upgrade(project.config(), "head")


@pytest.mark.parametrize(("upgrade", "expected"), mostly_long(BOTH, 4))
def test_rows_on_which_a_step_fails_are_counted_on_both_databases(
    project: Project, upgrade: str, expected: str | None
) -> None:
    _judge(project, upgrade, expected)


@pytest.mark.parametrize(("upgrade", "expected"), mostly_long(ON_POSTGRESQL, 6))
def test_rows_on_which_a_step_fails_are_counted_on_postgresql(
    tmp_path: Path, postgres_url: str, upgrade: str, expected: str | None
) -> None:
    run_sql(postgres_url, *ROWS, *POSTGRESQL)
    _judge(Project(tmp_path, postgres_url), upgrade, expected)


# Plain SQL or an operation, and how many rows lose their value.
LOSSES = [
    ("op.alter_column('lossy', 'name', type_=sa.String(8), postgresql_using='CAST(name AS VARCHAR(8))')", 1),
    ("op.alter_column('lossy', 'name', type_=sa.String(60), postgresql_using='name::varchar(8)')", 1),
    ("op.execute('ALTER TABLE lossy ALTER name TYPE varchar(8) USING name::varchar(8)')", 1),
    ("op.execute('ALTER TABLE lossy ALTER name TYPE varchar(8) USING left(name, 8)')", 1),
    ("op.execute('ALTER TABLE lossy ALTER big TYPE varchar(5) USING big::varchar(5)')", 1),
    ("op.alter_column('lossy', 'amount', type_=sa.Numeric(10, 1))", 2),
    ("op.alter_column('lossy', 'amount', type_=sa.Integer(), postgresql_using='amount::int')", 3),
    ("op.execute('ALTER TABLE lossy ALTER amount TYPE bigint USING round(amount)::bigint')", 3),
    ("op.execute('ALTER TABLE lossy ALTER amount TYPE numeric(12, 2)')", 0),
    ("op.execute('ALTER TABLE lossy ALTER seen TYPE date')", 2),
    ("op.execute('ALTER TABLE lossy ALTER seen TYPE timestamp(0)')", 1),
    ("op.execute('ALTER TABLE lossy ALTER big TYPE numeric(10, 2)')", None),
    ("op.execute('ALTER TABLE lossy ALTER big TYPE double precision')", 0),
    ("op.alter_column('lossy', 'name', type_=sa.String(8))", None),
]
LOSSY = (
    "CREATE TABLE lossy (name varchar(60), amount numeric(10, 2), seen timestamp, big bigint)",
    "INSERT INTO lossy VALUES ('short', 1.00, '2026-01-01', 1), ('much too long', 1.55, '2026-01-01 10:00', 1000000)",
    "INSERT INTO lossy VALUES (NULL, NULL, NULL, NULL), ('short', 1.5, '2026-01-01 10:00:00.5', 5)",
    "INSERT INTO lossy VALUES ('', 2.25, NULL, 6)",
)


def test_values_that_a_new_type_cuts_off_or_rounds_are_counted(tmp_path: Path, postgres_url: str) -> None:
    run_sql(postgres_url, *LOSSY)
    project = Project(tmp_path, postgres_url)
    for number, (upgrade, _) in enumerate(LOSSES):
        project.revision(f"step{number}", upgrade)
    with connect(parse_url(project.url)) as connection:
        script = ScriptDirectory.from_config(project.config())
        plan = make_plan(connection, script, read_position(connection, script))

    found = [next((check.count for check in step.checks if check.is_loss), None) for step in plan.steps]

    assert found == [count for _, count in LOSSES]


def test_lost_values_are_a_danger_that_a_file_can_allow(tmp_path: Path, postgres_url: str, flask_db: FlaskDb) -> None:
    run_sql(postgres_url, *LOSSY)
    project = Project(tmp_path, postgres_url)
    path = project.revision("one", "op.alter_column('lossy', 'amount', type_=sa.Numeric(10, 1))")
    path.write_text(f"{path.read_text()}\nafter_release = True\n")

    run = flask_db(postgres_url, "plan", project=project)
    path.write_text(path.read_text().replace("op.alter", "op.allow_danger('Old prices.')\n    op.alter"))
    allowed = flask_db(postgres_url, "plan", project=project)

    what = "loses values: 2 rows of lossy have a value in amount that NUMERIC(10, 1) cuts off, rounds or changes\n"
    assert (run.exit_code, f"DANGER {what}" in run.output) == (1, True), run.output
    assert (allowed.exit_code, f"DANGER (allowed: Old prices.) {what}" in allowed.output) == (0, True), allowed.output


def test_on_sqlite_values_that_a_rebuild_changes_or_an_enum_refuses_are_counted(
    tmp_path: Path, sqlite_url: str
) -> None:
    run_sql(sqlite_url, "CREATE TABLE t (a VARCHAR(9), b NUMERIC(9, 2))")
    run_sql(sqlite_url, "INSERT INTO t VALUES ('12', 1), ('x', 1.5), (NULL, NULL), ('A', 2.5)")
    project = Project(tmp_path, sqlite_url)
    batch = "with op.batch_alter_table('t') as batch:\n    batch.alter_column("
    project.revision("one", f"{batch}'b', type_=sa.Integer())")
    project.revision("two", f"{batch}'a', type_=sa.Enum('A', 'B', name='kind', create_constraint=True))")
    project.revision("three", f"{batch}'a', type_=sa.Integer())")

    checks = [(check.what, check.stops, check.is_loss) for check in checks_of(project) if check.count]

    assert checks == [
        ("2 rows of t have a value in b that INTEGER cuts off, rounds or changes", False, True),
        ("2 rows of t have a value in a that kind cannot hold", True, False),
        ("2 rows of t have a value in a that INTEGER cuts off, rounds or changes", False, True),
    ]


def test_what_cannot_be_counted_is_said_to_be_so(tmp_path: Path, postgres_url: str) -> None:
    run_sql(postgres_url, *ROWS, "CREATE DOMAIN whole AS integer", "CREATE TABLE w (w whole)")
    run_sql(postgres_url, "CREATE TABLE parts (id integer) PARTITION BY RANGE (id)")
    project = Project(tmp_path, postgres_url)
    project.revision("sql", f"op.execute('{ALTER}ADD CONSTRAINT ex EXCLUDE (id WITH =)')")
    project.revision("op", "op.create_exclude_constraint('ex', 'busy', ('size', '='), using='btree')")
    project.revision("parts", "op.execute('ALTER TABLE parts ATTACH PARTITION busy DEFAULT')")
    project.revision("domain", "op.execute('ALTER DOMAIN whole ADD CHECK (VALUE > 1)')")
    project.revision("type", f"op.execute('{ALTER}ALTER name TYPE date USING name::date')")

    found = checks_of(project)

    assert [check.what for check in found] == [
        "rows of busy that break the EXCLUDE constraint",
        "rows of busy that break the EXCLUDE constraint",
        "rows of busy that do not belong to the partition",
        "rows of w that break the domain whole",
        "rows of busy that have a value in name that date cannot hold",
    ]
    assert all(check.count is None and "not counted: " in check.note for check in found)


def test_a_primary_key_counts_missing_values_and_duplicates(project: Project) -> None:
    project.revision("one", BATCH + "create_primary_key('pk', ['id'])")

    assert [check.what for check in checks_of(project)] == PRIMARY_KEY


def test_a_constraint_that_is_not_valid_yet_is_counted_where_it_is_validated(tmp_path: Path, postgres_url: str) -> None:
    run_sql(postgres_url, *ROWS)
    project = Project(tmp_path, postgres_url)
    not_valid = "postgresql_not_valid=True"
    project.revision("check", f"op.create_check_constraint('ck', 'busy', 'size > 0', {not_valid})")
    project.revision("key", f"op.create_foreign_key('fk', 'busy', 'parents', ['parent'], ['id'], {not_valid})")
    project.revision("sql", "op.execute('ALTER TABLE busy VALIDATE CONSTRAINT ck_busy_ck')")
    project.revision("op", "op.validate_constraint('fk', 'busy')")

    assert [check.what.split(" that")[0] for check in checks_of(project)] == [
        "1 row of busy breaks the condition size > 0",
        "2 rows of busy refer to a row of parents",
    ]


@pytest.mark.parametrize(
    ("before", "check", "expected"),
    mostly_long(
        [
            (
                "op.add_column('busy', sa.Column('x', sa.Integer()))",
                BATCH + "alter_column('x', nullable=False, existing_type=sa.Integer())",
                "makes the column busy.x",
            ),
            (
                "op.execute('ALTER TABLE busy ADD x integer')",
                BATCH + "create_check_constraint('ck', '\"x\" > 0')",
                "makes the column busy.x",
            ),
            (
                "op.execute('ALTER TABLE busy RENAME kind TO x')",
                "op.set_not_null('busy', 'x')",
                "makes the column busy.x",
            ),
            ("op.rename_table('busy', 'b')", "op.set_not_null('b', 'kind')", "makes the table b"),
            ("op.create_table('t', sa.Column('x', sa.Integer()))", "op.set_not_null('t', 'x')", "makes the table t"),
            (
                "op.execute('CREATE TABLE t (x integer)')",
                "op.require('SELECT * FROM t JOIN busy ON x = id', 'No.')",
                "makes the table t",
            ),
            (
                "op.execute('ALTER TABLE busy ADD missing integer')",
                "op.require('SELECT missing FROM busy', 'No.')",
                "makes the column busy.missing",
            ),
            (
                "op.execute('CREATE VIEW seen AS SELECT id FROM busy')",
                "op.require('SELECT * FROM seen', 'No.')",
                "is not there yet",
            ),
            ("op.execute('SELECT 1')", "op.set_not_null('nothing', 'x')", "is not there yet"),
            ("op.execute('SELECT 1')", "op.set_not_null('busy', 'nothing')", "is not there yet"),
        ],
        4,
    ),
)
def test_what_an_earlier_step_makes_is_left_out_and_the_plan_says_so(
    flask_db: FlaskDb, project: Project, before: str, check: str, expected: str
) -> None:
    project.revision("first", before)
    project.revision("one", check)

    (found,) = [found for found in checks_of(project) if found.count != 0]
    run = flask_db(project.url, "plan", project=project)

    assert (found.count, found.stops) == (None, False)
    assert expected in found.note
    assert " LEFT OUT " in run.stdout
    assert " FAILS " not in run.stdout


@pytest.mark.parametrize(
    "before",
    mostly_long(
        [
            "op.execute(\"UPDATE busy SET kind = 'x' WHERE kind IS NULL\")",
            "op.execute('DELETE FROM busy WHERE kind IS NULL')",
            "op.get_bind().execute(sa.table('busy', sa.column('kind')).update().values(kind='x'))",
            FILL,
            "op.execute('not SQL at all')",
            "op.get_bind().execute(sa.text('SELECT 1')).one()",
        ],
        3,
    ),
)
def test_rows_that_an_earlier_step_may_change_stop_nothing(flask_db: FlaskDb, project: Project, before: str) -> None:
    project.revision("first", before)
    project.revision("one", "op.set_not_null('busy', 'kind')\nop.require('SELECT * FROM busy', 'No.')")

    found = checks_of(project)
    run = flask_db(project.url, "plan", project=project)

    assert [(check.count, check.stops) for check in found] == [(4, False), (6, False)]
    assert all("the step first changes rows" in check.note for check in found)
    assert all(check.do.startswith("Nothing, unless the step first leaves rows. Then: ") for check in found)
    assert "   ROWS 4 rows of busy have no value in kind: NOT NULL is refused\n" in run.stdout


def test_rows_of_a_table_that_loses_rows_with_another_one_stop_nothing(tmp_path: Path, postgres_url: str) -> None:
    run_sql(
        postgres_url,
        "CREATE TABLE a (id integer PRIMARY KEY)",
        "CREATE TABLE b (id integer PRIMARY KEY REFERENCES a (id) ON DELETE CASCADE, name text)",
        "INSERT INTO a VALUES (1)",
        "INSERT INTO b VALUES (1, NULL)",
    )
    project = Project(tmp_path, postgres_url)
    project.revision("first", "op.execute('DELETE FROM a WHERE id = 1')")
    project.revision("one", "op.set_not_null('b', 'name')")

    assert [(check.count, check.stops) for check in checks_of(project)] == [(1, False)]


def test_a_statement_in_a_do_block_stops_nothing(tmp_path: Path, postgres_url: str) -> None:
    run_sql(postgres_url, *ROWS)
    project = Project(tmp_path, postgres_url)
    block = "DO $$ BEGIN IF false THEN ALTER TABLE busy ALTER kind SET NOT NULL; END IF; END $$"
    project.revision("one", f"op.execute({block!r})")

    (check,) = checks_of(project)
    assert (check.count, check.stops) == (4, False)
    assert check.do.startswith("Nothing, unless the block does it. Then: Give each of these rows a value in kind, or ")


def test_a_deployment_is_refused_before_the_backup_and_nothing_is_changed(
    flask_db: FlaskDb, project: Project, tmp_path: Path
) -> None:
    project.revision("first", "op.create_table('t', sa.Column('x', sa.Integer()))", "op.drop_table('t')")
    project.revision("one", "op.set_not_null('busy', 'kind')")
    project.revision("two", "op.require('SELECT * FROM busy WHERE size < 0', 'Correct the 100% of :sizes first.')")

    plan = flask_db(project.url, "plan", project=project)
    answer = json.loads(flask_db(project.url, "plan", "--json", project=project).stdout)
    runs = [flask_db(project.url, "deploy", "--yes", *words, project=project) for words in ((), ("--dry-run",))]

    assert plan.exit_code == 1
    for run in (plan, *runs):
        assert "   FAILS 4 rows of busy have no value in kind: NOT NULL is refused\n" in run.stdout
        assert "      Rows: SELECT * FROM busy WHERE kind IS NULL\n" in run.stdout
        assert (
            "   FAILS Correct the 100% of :sizes first: op.require refuses the step: its query finds 1 row\n"
            in run.stdout
        )
    assert [[check["count"] for check in step["checks"]] for step in answer["steps"]] == [[], [4], [1]]
    assert [run.exit_code for run in runs] == [1, 1]
    assert "Nothing was changed, and no backup was taken." in runs[0].stdout
    assert not (tmp_path / "backups").exists()
    with create_engine(project.url).connect() as connection:
        assert not connection.dialect.has_table(connection, "t")

    run_sql(project.url, "UPDATE busy SET kind = 'x', size = 1")
    run = flask_db(project.url, "deploy", "--yes", "--json", project=project)
    assert json.loads(run.stdout)["result"] == "deployed", run.output


def _run_script(url: str, script: str) -> None:
    with create_engine(url).connect() as connection:
        raw: Any = connection.connection.dbapi_connection
        if connection.dialect.name == "postgresql":
            raw.cursor().execute(script)
        else:
            raw.executescript(script)


def test_a_required_state_is_tried_by_the_step_itself_and_in_its_script(project: Project) -> None:
    sentence = "Correct the 100% of 'sizes' \"first\" :x."
    # A colon starts no parameter.
    query = "SELECT * FROM busy WHERE size < 0 AND name <> ':x 100%' -- wrong"
    project.revision("one", f"op.require({query!r}, {sentence!r})")
    config = project.config()
    config.output_buffer = StringIO()

    with pytest.raises(CommandError, match="Correct the 100% of 'sizes'"):
        command.upgrade(project.config(), "head")
    command.upgrade(config, "base:head", sql=True)
    script = config.output_buffer.getvalue()

    with pytest.raises((sqlite3.Error, psycopg2.Error), match="Correct the 100% of 'sizes'"):
        _run_script(project.url, script)
    run_sql(project.url, "DELETE FROM busy WHERE size < 0")
    command.upgrade(project.config(), "head")
    assert fetch_rows(project.url, "SELECT version_num FROM alembic_version") == [("one",)]


@pytest.mark.parametrize(
    "arguments",
    mostly_long(["'', 'No.'", "' ; ', 'No.'", "'SELECT 1', ' '", "'SELECT 1', None", "1, 'No.'"], 4),
)
def test_a_requirement_without_a_query_or_a_sentence_is_refused(
    flask_db: FlaskDb, project: Project, arguments: str
) -> None:
    project.revision("one", f"op.require({arguments})")

    for word in ("plan", "deploy", "upgrade"):
        run = flask_db(project.url, word, project=project)
        assert (run.exit_code, "op.require needs a query" in run.output) == (1, True), word


@pytest.mark.parametrize("query", ["DELETE FROM busy RETURNING 1", "SELECT 1; DROP TABLE busy"])
def test_a_requirement_that_changes_rows_is_refused(project: Project, query: str) -> None:
    project.revision("one", f"op.require({query!r}, 'No.')")

    with pytest.raises(CommandError, match="needs one query that changes nothing"):
        checks_of(project)
    assert fetch_rows(project.url, "SELECT count(*) FROM busy") == [(6,)]
