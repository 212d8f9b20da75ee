"""The operations of this project for migrations, and migrations in the style of the guide."""

from io import StringIO
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.script import ScriptDirectory
from alembic.util import CommandError

from agents_app.database.url import parse_url
from agents_app.dbtools.database.connections import connect
from agents_app.dbtools.position import read_position
from agents_app.dbtools.review.plan import make_plan
from tests.dbtools.tools import Project, create_engine, fetch_rows, read_schema, run_sql

TYPES = "SELECT typname FROM pg_type WHERE typname = 'connectiontype'"
CREATE_ENUM = "op.create_enum('connectiontype', 'POWERBI', 'DB')"
PARENTS = "op.create_table('accounts', sa.Column('id', sa.Uuid(), primary_key=True))"
PARENTS += "\nop.create_table('users', sa.Column('id', sa.Uuid(), primary_key=True))"

# As the guide prints it, without the revision names.
GUIDE_TABLE = """
op.create_table('agents',
    sa.Column('id', postgresql.UUID(as_uuid=True), nullable=False),
    sa.Column('name', sa.String(length=255), nullable=False),
    sa.Column('status', sa.String(length=50), nullable=False, server_default='active'),
    sa.Column('connection_type', sa.Enum('POWERBI', 'DB', name='connectiontype'), nullable=False),
    sa.Column('connection_config', postgresql.JSONB(astext_type=sa.Text()), nullable=False),
    sa.Column('account_id', postgresql.UUID(as_uuid=True), nullable=False),
    sa.Column('created_by', postgresql.UUID(as_uuid=True), nullable=True),
    sa.PrimaryKeyConstraint('id'),
    sa.ForeignKeyConstraint(['account_id'], ['accounts.id'], ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['created_by'], ['users.id'], ondelete='SET NULL')
)
op.create_index(op.f('ix_agents_account_id'), 'agents', ['account_id'], unique=False)
op.create_index(op.f('ix_agents_created_by'), 'agents', ['created_by'], unique=False)
"""
GUIDE_DOWN = """
op.drop_index(op.f('ix_agents_created_by'), table_name='agents')
op.drop_index(op.f('ix_agents_account_id'), table_name='agents')
op.drop_table('agents')
op.execute("DROP TYPE connectiontype")
"""
PLAIN_TYPE = """op.execute("CREATE TYPE connectiontype AS ENUM ('POWERBI', 'DB')")"""
TYPE_IN_A_BLOCK = '''op.execute("""
    DO $$ BEGIN
        CREATE TYPE connectiontype AS ENUM ('POWERBI', 'DB');
    EXCEPTION
        WHEN duplicate_object THEN null;
    END $$;
""")'''


@pytest.fixture
def postgres_project(tmp_path: Path, postgres_url: str) -> Project:
    """An empty folder of migrations on an empty PostgreSQL."""
    return Project(tmp_path, postgres_url)


@pytest.fixture
def project(tmp_path: Path, database_url: str) -> Project:
    """An empty folder of migrations on an empty database, on both databases."""
    return Project(tmp_path, database_url)


@pytest.mark.parametrize(
    ("present", "needed"),
    [
        ("CREATE TYPE connectiontype AS ENUM ('DB', 'MAIL')", "Needed: POWERBI, DB. Present: DB, MAIL."),
        ("CREATE TYPE connectiontype AS ENUM ('DB')", "Needed: POWERBI, DB. Present: DB."),
        ("CREATE TYPE connectiontype AS ENUM ()", "Needed: POWERBI, DB. Present: none."),
        ("CREATE DOMAIN connectiontype AS text", "Needed: an enum with POWERBI, DB."),
    ],
)
def test_a_type_with_other_labels_is_refused_in_one_line(postgres_project: Project, present: str, needed: str) -> None:
    run_sql(postgres_project.url, present)
    postgres_project.revision("one", CREATE_ENUM)

    with pytest.raises(CommandError) as refusal:
        command.upgrade(postgres_project.config(), "head")

    assert needed in str(refusal.value)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("labels", ["'POWERBI', 'DB'", "'DB', 'POWERBI'"])
def test_a_type_with_the_same_labels_is_accepted(postgres_project: Project, labels: str) -> None:
    run_sql(postgres_project.url, f"CREATE TYPE connectiontype AS ENUM ({labels})")
    postgres_project.revision("one", CREATE_ENUM)

    command.upgrade(postgres_project.config(), "head")


def test_a_label_may_contain_quotes_and_colons(postgres_project: Project) -> None:
    postgres_project.revision("one", "op.create_enum('odd', \"it's\", 'a:b', '50 %')")

    command.upgrade(postgres_project.config(), "head")
    command.downgrade(postgres_project.config(), "base")
    command.upgrade(postgres_project.config(), "head")

    assert [enum["labels"] for enum in read_schema(postgres_project.url)["enums"]] == [["it's", "a:b", "50 %"]]


def test_a_type_that_a_column_still_uses_is_not_dropped(postgres_project: Project) -> None:
    postgres_project.revision("one", CREATE_ENUM)
    postgres_project.revision("two", "op.drop_enum('connectiontype', 'POWERBI', 'DB')")
    command.upgrade(postgres_project.config(), "one")
    run_sql(postgres_project.url, "CREATE TABLE other (kind connectiontype[])")

    command.upgrade(postgres_project.config(), "two")

    assert fetch_rows(postgres_project.url, TYPES) == [("connectiontype",)]


@pytest.mark.parametrize("make_type", [PLAIN_TYPE, TYPE_IN_A_BLOCK, CREATE_ENUM, "pass"])
def test_a_migration_in_the_guides_style_goes_up_down_and_up(postgres_project: Project, make_type: str) -> None:
    postgres_project.revision("parents", PARENTS)
    postgres_project.revision("add_agents_table", make_type + GUIDE_TABLE, GUIDE_DOWN)

    command.upgrade(postgres_project.config(), "head")
    created = read_schema(postgres_project.url)
    command.downgrade(postgres_project.config(), "-1")
    assert fetch_rows(postgres_project.url, TYPES) == []
    command.upgrade(postgres_project.config(), "head")

    assert read_schema(postgres_project.url) == created
    assert [enum["labels"] for enum in created["enums"]] == [["POWERBI", "DB"]]


def test_a_type_that_a_downgrade_did_not_drop_is_accepted(postgres_project: Project) -> None:
    postgres_project.revision("parents", PARENTS)
    postgres_project.revision("add_agents_table", GUIDE_TABLE, "op.drop_table('agents')")

    for _ in range(2):
        command.upgrade(postgres_project.config(), "head")
        command.downgrade(postgres_project.config(), "-1")

    assert fetch_rows(postgres_project.url, TYPES) == [("connectiontype",)]


def test_a_missing_table_is_refused_in_one_line(project: Project) -> None:
    run_sql(project.url, "CREATE TABLE accounts (id integer)")
    project.revision("one", "op.require_tables('accounts', 'users')")

    with pytest.raises(CommandError) as refusal:
        command.upgrade(project.config(), "head")

    assert "The table users is missing. Apply the migrations in their order" in str(refusal.value)
    assert "accounts" not in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_a_script_refuses_a_missing_table_too(postgres_project: Project) -> None:
    postgres_project.revision("one", "op.require_tables('users')")
    config = postgres_project.config()
    config.output_buffer = StringIO()
    command.upgrade(config, "head", sql=True)

    with pytest.raises(sa.exc.DBAPIError, match="The table users is missing"):
        run_sql(postgres_project.url, config.output_buffer.getvalue())


def test_an_invalid_index_of_an_earlier_attempt_is_created_again(postgres_project: Project) -> None:
    run_sql(postgres_project.url, "CREATE TABLE t (a integer)", "INSERT INTO t VALUES (1), (1)")
    with pytest.raises(sa.exc.IntegrityError):
        _run_in_autocommit(postgres_project.url, "CREATE UNIQUE INDEX CONCURRENTLY ix_t_a ON t (a)")
    postgres_project.revision("one", "op.create_index_concurrently('ix_t_a', 't', ['a'])")

    command.upgrade(postgres_project.config(), "head")

    query = "SELECT indisvalid, indisunique FROM pg_index WHERE indexrelid = to_regclass('ix_t_a')"
    assert fetch_rows(postgres_project.url, query) == [(True, False)]


def test_an_index_is_created_and_dropped_concurrently(project: Project) -> None:
    run_sql(project.url, "CREATE TABLE t (a integer)")
    project.revision(
        "one",
        "op.create_index_concurrently('ix_t_a', 't', ['a'])",
        "op.drop_index_concurrently('ix_t_a', 't')",
    )

    command.upgrade(project.config(), "head")
    assert [index["name"] for index in read_schema(project.url)["tables"]["t"]["indexes"]] == ["ix_t_a"]
    command.downgrade(project.config(), "base")
    assert read_schema(project.url)["tables"]["t"]["indexes"] == []


def _run_in_autocommit(url: str, statement: str) -> None:
    with create_engine(url).execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
        connection.exec_driver_sql(statement)


def test_a_name_with_a_percent_sign_works_in_each_operation_in_scripts_and_in_the_counts_of_a_plan(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    sign = "%" if project.url.startswith("sqlite") else "%%"
    run_sql(project.url, f'CREATE TABLE "T {sign}" (id integer PRIMARY KEY, "a {sign}" integer, "b {sign}" integer)')
    run_sql(project.url, f'INSERT INTO "T {sign}" VALUES (1, 1, NULL), (2, 1, NULL)')
    project.revision("rename", "op.answer_rename('T %', 'a %', 'b %', is_rename=True)")
    project.revision("not_null", "op.set_not_null('T %', 'b %')")
    project.revision("index", "op.create_index_concurrently('ix %', 'T %', ['b %'])")
    project.revision("name", "op.rename_index('ix %', 'ix % %', 'T %')")
    project.revision("unique", "op.add_unique_constraint('uq %', 'T %', ['id', 'a %'])")
    check = "batch.create_check_constraint(batch.f('ck %'), sa.column('a %') > 0, postgresql_not_valid=True)"
    project.revision("check", f"with op.batch_alter_table('T %') as batch:\n    {check}")
    project.revision("valid", "op.validate_constraint('ck %', 'T %')")

    plan = _counts(project)
    command.upgrade(project.config(), "base:rename", sql=True)
    command.upgrade(project.config(), "head")

    assert plan == [("2 rows of T % have no value in b %", 2)]
    (table,) = [found for name, found in read_schema(project.url)["tables"].items() if name == "T %"]
    assert [index["name"] for index in table["indexes"] if index["name"].startswith("ix")] == ["ix % %"]
    assert [column["nullable"] for column in table["columns"] if column["name"] == "b %"] == [False]
    assert fetch_rows(project.url, f'SELECT "b {sign}" FROM "T {sign}"') == [(1,), (1,)]
    assert 'UPDATE "T %" SET "b %" = "a %" WHERE "b %" IS NULL' in capsys.readouterr().out


def _counts(project: Project) -> list[tuple[str, int | None]]:
    with connect(parse_url(project.url)) as connection:
        script = ScriptDirectory.from_config(project.config())
        plan = make_plan(connection, script, read_position(connection, script))
    return [(check.what, check.count) for step in plan.steps for check in step.checks if check.count]
