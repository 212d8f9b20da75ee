"""A plan says of a step that the database refuses it, however the rows are: no more and no less than what is true."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic import command
from alembic.script import ScriptDirectory
from alembic.util import CommandError

from agents_app.database.url import parse_url
from agents_app.dbtools.database.connections import connect
from agents_app.dbtools.position import read_position
from agents_app.dbtools.review.plan import make_plan
from tests import postgres
from tests.dbtools.rule_cases import AUTOCOMMIT, BATCH, BUSY, INT, POSTGRESQL
from tests.dbtools.tools import Project, run_sql

ADD = "op.add_column('busy', "
NOW = "sa.Column('x', sa.DateTime(), server_default=sa.text('CURRENT_TIMESTAMP')))"
FOREIGN = "op.create_foreign_key('fk', 'empty', "
VIEW = "CREATE VIEW used AS SELECT * FROM busy"
CHECK = "op.create_check_constraint(op.f('ck_k'), "
LABEL = "the label C of the enum kind is used in the transaction that adds it"
NO_BATCH = "SQLite's ALTER TABLE cannot "
# The database, a step, and why it fails; None if it does not. Steps that follow each other are separated by ===.
CASES: list[tuple[str, str, str | None]] = [
    ("both", "ALTER TABLE busy ADD COLUMN name text", "busy has a column name already"),
    ("both", "op.add_column('busy', sa.Column('name', sa.Text()))", "busy has a column name already"),
    ("both", "op.drop_column('busy', 'none')", "busy has no column none"),
    ("both", "ALTER TABLE busy DROP COLUMN none", "busy has no column none"),
    ("both", "ALTER TABLE busy RENAME COLUMN none TO n", "busy has no column none"),
    ("both", "ALTER TABLE busy RENAME COLUMN name TO kind", "busy has a column kind already"),
    ("both", "ALTER TABLE none ADD COLUMN x integer", "there is no table none"),
    ("both", "DROP TABLE none", "there is no table none"),
    ("both", "op.drop_index('none')", "there is no index none"),
    ("both", "DROP INDEX none", "there is no index none"),
    ("both", "CREATE TABLE busy (id integer)", "busy exists already"),
    ("both", "op.create_table('busy', sa.Column('id', sa.Integer()))", "busy exists already"),
    ("both", "CREATE VIEW busy AS SELECT 1", "busy exists already"),
    ("both", "CREATE INDEX parents ON busy (id)", "parents exists already"),
    ("both", "op.drop_column('empty', 'name')\n===\nop.drop_column('empty', 'name')", "empty has no column name"),
    ("both", "ALTER TABLE busy ADD x integer\n===\nALTER TABLE busy ADD x integer", "busy has a column x already"),
    ("both", "CREATE TABLE IF NOT EXISTS busy (id integer)", None),
    ("both", "CREATE TEMP TABLE busy (id integer)", None),
    ("both", "DROP TABLE IF EXISTS none", None),
    ("both", "DROP INDEX IF EXISTS none", None),
    ("both", "ALTER TABLE busy ADD x integer\n===\nALTER TABLE busy DROP x\n===\nALTER TABLE busy ADD x integer", None),
    (
        "both",
        "op.rename_table('busy', 'b')\nop.add_column('b', sa.Column('x', sa.Text()))\nop.drop_column('b', 'x')",
        None,
    ),
    ("both", "op.rename_table('busy', 'b')\nop.create_table('busy', sa.Column('id', sa.Integer()))", None),
    ("both", "DROP TABLE empty\n===\nCREATE TABLE empty (id integer)\n===\nALTER TABLE empty ADD name text", None),
    ("both", "CREATE INDEX ix ON busy (id)\n===\nDROP INDEX ix\n===\nCREATE INDEX ix ON busy (name)", None),
    ("both", "CREATE TABLE a (x integer, y integer)\n===\nALTER TABLE a DROP x", None),
    (
        "both",
        "op.create_index('ix', 'busy', ['id'])\n===\nop.create_index_concurrently('ix', 'busy', ['name'])",
        "ix exists already, and is another one",
    ),
    (
        "both",
        "op.create_index('ix', 'busy', ['id'])\n===\nop.create_index_concurrently('ix', 'empty', ['id'])",
        "ix exists already, and is another one",
    ),
    ("both", "op.create_index('ix', 'busy', ['id'])\n===\nop.create_index_concurrently('ix', 'busy', ['id'])", None),
    ("both", "op.create_index_concurrently('empty', 'busy', ['id'])", "empty exists already, and is "),
    ("sqlite", "CREATE TABLE BUSY (id integer)", "busy exists already"),
    ("sqlite", "ALTER TABLE busy ADD Name text", "busy has a column Name already"),
    ("sqlite", "ALTER TABLE busy ADD x text DEFAULT CURRENT_TIMESTAMP", "SQLite adds no column with the default"),
    ("sqlite", "ALTER TABLE busy ADD x text DEFAULT (1 + 1)", "SQLite adds no column with the default"),
    ("sqlite", ADD + NOW, "SQLite adds no column with the default"),
    ("sqlite", "ALTER TABLE busy ADD x text UNIQUE", NO_BATCH + "add a column that is UNIQUE"),
    ("sqlite", "ALTER TABLE empty ADD x text PRIMARY KEY", NO_BATCH + "add a column that is PRIMARY KEY"),
    ("sqlite", "ALTER TABLE busy ADD x integer AS (id * 2) STORED", NO_BATCH + "add a stored generated column"),
    ("sqlite", f"{ADD}{INT}, sa.Computed('id * 2', persisted=True)))", NO_BATCH + "add a stored generated column"),
    ("sqlite", f"{ADD}{INT}, sa.Identity()))", "SQLite has no identity, so the rows of busy"),
    ("sqlite", f"{BATCH}add_column({INT}, sa.Identity(), nullable=False))", "SQLite has no identity, so the rows"),
    ("sqlite", f"{ADD}{INT}, sa.Identity(), nullable=True))", None),
    ("sqlite", f"{ADD}{INT}, unique=True))", NO_BATCH + "add a constraint"),
    ("sqlite", f"{ADD}{INT}, sa.ForeignKey('parents.id')))", NO_BATCH + "add a constraint"),
    ("sqlite", "ALTER TABLE busy ADD CONSTRAINT c CHECK (id > 0)", NO_BATCH + "add a constraint"),
    ("sqlite", "op.create_unique_constraint('uq', 'busy', ['id'])", NO_BATCH + "add a constraint"),
    ("sqlite", "ALTER TABLE busy DROP CONSTRAINT c", NO_BATCH + "drop a constraint"),
    ("sqlite", "ALTER TABLE busy ALTER name SET NOT NULL", NO_BATCH + "change a column"),
    ("sqlite", "op.alter_column('busy', 'name', nullable=True)", NO_BATCH + "change a column"),
    ("sqlite", "ALTER TABLE busy DROP id", NO_BATCH + "drop id, which is in the primary key"),
    ("sqlite", "CREATE INDEX ON busy (id)", "SQLite has no index without a name"),
    ("sqlite", "ALTER TABLE empty ADD x text DEFAULT CURRENT_TIMESTAMP", None),
    ("sqlite", "ALTER TABLE busy ADD x text DEFAULT (-1)\n===\nALTER TABLE busy ADD y text DEFAULT ('it''s')", None),
    ("sqlite", "ALTER TABLE busy ADD x integer AS (id * 2) VIRTUAL", None),
    ("sqlite", "ALTER TABLE busy ADD x integer CHECK (x > 0) REFERENCES parents", None),
    ("sqlite", f"{BATCH}add_column({NOW}", None),
    ("sqlite", f"{BATCH}add_column({INT}, unique=True))\n    batch.alter_column('name', nullable=True)", None),
    ("postgresql", "op.drop_constraint('none', 'busy')", "busy has no constraint none"),
    ("postgresql", "ALTER TABLE busy DROP CONSTRAINT none", "busy has no constraint none"),
    ("postgresql", "ALTER TABLE other.busy ADD id integer", "other.busy has a column id already"),
    ("postgresql", "DROP TYPE whole", "the column domains.w has the type whole"),
    ("postgresql", "DROP TYPE none", "there is no type none"),
    ("postgresql", FOREIGN + "'domains', ['id'], ['w'])", "the columns w of domains are not unique"),
    ("postgresql", "ALTER TABLE empty ADD FOREIGN KEY (id) REFERENCES domains", "domains has no primary key"),
    ("postgresql", FOREIGN + "'none', ['id'], ['w'])", "there is no table none"),
    ("postgresql", FOREIGN + "'parents', ['none'], ['id'])", "empty has no column none"),
    (
        "postgresql",
        "op.create_foreign_key('fk', 'parts', 'parents', ['id'], ['id'], postgresql_not_valid=True)",
        "parts is partitioned, and a foreign key that is NOT VALID is refused there",
    ),
    ("postgresql", "op.create_index_concurrently('ix', 'parts', ['id'])", "parts is partitioned, and CONCURRENTLY"),
    (
        "postgresql",
        AUTOCOMMIT + "op.execute('CREATE INDEX CONCURRENTLY ix ON parts (id)')",
        "parts is partitioned, and",
    ),
    ("postgresql", "ALTER TABLE busy ALTER name TYPE varchar(70)", "the view used uses the column busy.name"),
    ("postgresql", "ALTER TABLE busy DROP kind", "the view used uses the column busy.kind"),
    ("postgresql", "op.drop_table('busy')", "the view used uses the table busy"),
    ("postgresql", "DROP TABLE parents", "the foreign key owned_id_fkey of owned refers to the table parents"),
    ("postgresql", "DROP INDEX busy_pkey", "the index busy_pkey belongs to the constraint busy_pkey"),
    ("postgresql", "ALTER TYPE kind ADD VALUE 'C'; CREATE TABLE a (k kind DEFAULT 'C'::kind)", LABEL),
    ("postgresql", CHECK + "'domains', \"k <> 'x'\")", "domains has a constraint ck_k already"),
    ("postgresql", CHECK.replace("op.f('ck_k')", "'k'") + "'busy', 'id > 0')", None),
    (
        "postgresql",
        f"{CHECK}'busy', 'id > 0')\n===\n{CHECK}'busy', 'id > 1')",
        "busy has a constraint ck_k already",
    ),
    ("postgresql", f"ALTER TABLE domains DROP CONSTRAINT ck_k\n===\n{CHECK}'domains', \"k <> 'x'\")", None),
    ("postgresql", "op.add_unique_constraint('uq_kept', 'kept', ['code'])", "kept has a constraint uq_kept already"),
    ("postgresql", "op.add_unique_constraint('ux_kept', 'kept', ['id'])", None),
    ("postgresql", "op.add_unique_constraint('ux_kept', 'kept', ['code'])", "ux_kept exists already, and is another"),
    ("postgresql", "ALTER TABLE busy ADD PRIMARY KEY (name)", "busy has a primary key already, busy_pkey"),
    ("postgresql", "ALTER TABLE required ADD PRIMARY KEY (id)", None),
    (
        "postgresql",
        "ALTER TABLE busy DROP CONSTRAINT busy_pkey\n===\nALTER TABLE busy ADD PRIMARY KEY (id, kind)",
        None,
    ),
    ("postgresql", "ALTER TABLE parents DROP CONSTRAINT parents_pkey", "the foreign key owned_id_fkey of owned needs"),
    (
        "postgresql",
        "ALTER TABLE parents DROP id",
        "the foreign key owned_id_fkey of owned refers to the column parents.id",
    ),
    ("postgresql", "ALTER TABLE owned DROP id\n===\nALTER TABLE parents DROP id", None),
    ("postgresql", "ALTER TYPE kind ADD VALUE 'A'", "the enum kind has the label A already"),
    ("postgresql", "ALTER TYPE kind ADD VALUE IF NOT EXISTS 'A'", None),
    ("postgresql", "op.add_enum_value('kind', 'A')", None),
    ("postgresql", "ALTER TYPE kind RENAME VALUE 'A' TO 'Z'\n===\nALTER TYPE kind ADD VALUE 'A'", None),
    (
        "postgresql",
        "ALTER TYPE kind ADD VALUE 'C'\n===\nALTER TYPE kind ADD VALUE 'C'",
        "the enum kind has the label C already",
    ),
    ("postgresql", "op.create_index_concurrently('ix_busy_name', 'busy', ['name'])", None),
    (
        "postgresql",
        "op.create_index_concurrently('ix_busy_name', 'busy', ['id'])",
        "ix_busy_name exists already, and is a",
    ),
    (
        "postgresql",
        "op.create_index_concurrently('ix_busy_name', 'empty', ['name'])",
        "ix_busy_name exists already, and",
    ),
    ("postgresql", "op.create_index_concurrently('ux_kept', 'kept', ['id'])", "ux_kept exists already, and is another"),
    ("postgresql", "op.create_index_concurrently('ux_kept', 'kept', ['id'], unique=True)", None),
    ("postgresql", "ALTER TABLE IF EXISTS none ADD x integer", None),
    ("postgresql", "ALTER TABLE IF EXISTS none DROP COLUMN x, ALTER y SET NOT NULL, DROP CONSTRAINT z", None),
    (
        "postgresql",
        "ALTER TABLE IF EXISTS none ADD x int\n===\nCREATE TABLE none (x int); ALTER TABLE none ADD y int",
        None,
    ),
    ("postgresql", "CREATE TABLE a (x int); ALTER TABLE IF EXISTS a DROP CONSTRAINT IF EXISTS c", None),
    ("postgresql", "ALTER TABLE owned DROP CONSTRAINT owned_id_fkey\n===\nop.drop_table('parents')", None),
    ("postgresql", "op.drop_column('owned', 'id')\n===\nop.drop_table('parents')", None),
    ("postgresql", "op.drop_constraint('owned_id_fkey', 'owned', type_='foreignkey')\nop.drop_table('parents')", None),
    (
        "postgresql",
        "ALTER TABLE owned ADD x int\n===\nop.drop_table('parents')",
        "the foreign key owned_id_fkey of owned",
    ),
    ("postgresql", "ALTER TABLE domains ALTER w TYPE integer\n===\nDROP TYPE whole", None),
    ("postgresql", "ALTER TABLE kept RENAME CONSTRAINT uq_kept TO uq\n===\nALTER TABLE kept DROP CONSTRAINT uq", None),
    ("postgresql", "ALTER INDEX ux_kept RENAME TO ux\n===\nDROP INDEX ux", None),
    ("postgresql", "op.rename_index('ux_kept', 'ux', 'kept')\n===\nop.drop_index_concurrently('ux', 'kept')", None),
    ("postgresql", "ALTER INDEX ux_kept RENAME TO ux\n===\nDROP INDEX ux_kept", "there is no index ux_kept"),
    ("postgresql", "ALTER TABLE busy DROP CONSTRAINT IF EXISTS none, DROP COLUMN IF EXISTS none", None),
    ("postgresql", "ALTER TABLE busy ADD COLUMN IF NOT EXISTS name text", None),
    ("postgresql", "DROP TYPE kind", None),
    ("postgresql", "DROP TYPE whole CASCADE", None),
    ("postgresql", "DROP VIEW used; ALTER TABLE busy DROP kind", None),
    ("postgresql", "DROP TABLE parents, owned", None),
    ("postgresql", "ALTER TABLE busy DROP CONSTRAINT busy_pkey; CREATE INDEX busy_pkey ON busy (name)", None),
    ("postgresql", "ALTER TABLE domains DROP k; CREATE INDEX ix_domains ON domains (w)", None),
    ("postgresql", f"op.create_unique_constraint('uq', 'domains', ['w'])\n{FOREIGN}'domains', ['id'], ['w'])", None),
    ("postgresql", "ALTER TYPE kind ADD VALUE 'C'; UPDATE busy SET name = 'C'; COMMENT ON TYPE kind IS 'C'", None),
    ("postgresql", "SELECT 1 AS x INTO new; DROP TABLE new", None),
    ("postgresql", "DO $$ BEGIN IF to_regclass('busy') IS NULL THEN CREATE TABLE busy (id int); END IF; END $$", None),
    ("postgresql", "DO $$ BEGIN CREATE TABLE new (id int); END $$; ALTER TABLE new ADD x int", None),
]


def _cases(database: str) -> list[tuple[str, str | None]]:
    return [(step, cause) for where, step, cause in CASES if where in (database, "both")]


@pytest.fixture(scope="module")
def busy_url(postgres_server: str) -> Iterator[str]:
    """A PostgreSQL database with tables with rows. Plans do not change it."""
    with postgres.database(postgres_server) as url:
        run_sql(url, *BUSY, *POSTGRESQL, VIEW)
        yield url


def _project(folder: Path, url: str, steps: str) -> Project:
    project = Project(folder, url)
    for number, step in enumerate(steps.split("\n===\n")):
        is_python = step.startswith(("op.", "with "))
        project.revision(f"s{number}", step if is_python else f"op.execute({step!r})", "op.execute('SELECT 1')")
    return project


def _causes(project: Project) -> list[str]:
    with connect(parse_url(project.url)) as connection:
        script = ScriptDirectory.from_config(project.config())
        plan = make_plan(connection, script, read_position(connection, script))
    said = [warning.what for warning in plan.dangers]
    return [text.removeprefix("fails: ") for text in said if text.startswith("fails: ")]


def _is_said(project: Project, cause: str | None) -> bool:
    found = _causes(project)
    return found == [] if cause is None else len(found) == 1 and found[0].startswith(cause)


def test_a_step_that_postgresql_refuses_is_a_danger_with_the_cause(tmp_path: Path, busy_url: str) -> None:
    wrong = [
        (steps, cause, found)
        for steps, cause in _cases("postgresql")
        if not _is_said(project := _project(tmp_path, busy_url, steps), cause)
        and (found := _causes(project)) != [cause]
    ]

    assert wrong == []


def test_a_step_that_sqlite_refuses_is_a_danger_with_the_cause(tmp_path: Path, sqlite_url: str) -> None:
    run_sql(sqlite_url, *BUSY)
    wrong = [
        (steps, cause, found)
        for steps, cause in _cases("sqlite")
        if not _is_said(project := _project(tmp_path, sqlite_url, steps), cause)
        and (found := _causes(project)) != [cause]
    ]

    assert wrong == []


@pytest.mark.long
@pytest.mark.parametrize(("steps", "cause"), _cases("postgresql"))
def test_postgresql_itself_refuses_what_is_said_to_fail(
    tmp_path: Path, postgres_server: str, steps: str, cause: str | None
) -> None:
    with postgres.database(postgres_server) as url:
        run_sql(url, *BUSY, *POSTGRESQL, VIEW)
        assert _is_refused(_project(tmp_path, url, steps)) == (cause is not None)


@pytest.mark.long
@pytest.mark.parametrize(("steps", "cause"), _cases("sqlite"))
def test_sqlite_itself_refuses_what_is_said_to_fail(
    tmp_path: Path, sqlite_url: str, steps: str, cause: str | None
) -> None:
    run_sql(sqlite_url, *BUSY)
    assert _is_refused(_project(tmp_path, sqlite_url, steps)) == (cause is not None)


def _is_refused(project: Project) -> bool:
    try:
        command.upgrade(project.config(), "head")
    except CommandError:
        return True
    return False
