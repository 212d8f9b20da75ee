"""The limits of a migration: of a statement, of a wait for a lock, of tries, and of the rows of a batch."""

from pathlib import Path

import pytest
from alembic import command
from alembic.util import CommandError

from agents_app import dbtools
from agents_app.config import load
from agents_app.database.migration_limits import LIMITS
from agents_app.database.url import parse_url
from agents_app.errors import ConfigurationError
from tests.dbtools.conftest import FlaskDb
from tests.dbtools.tools import Project, fetch_rows, mostly_long, run_sql

# It ends only by the limit.
ENDLESS = "op.execute('SELECT pg_sleep(3600)')"
SHORT = dbtools.Limits(migration_timeout=0, statement_timeout=0.02)
# Each keeps the limits that its statements have.
SEEN = "INSERT INTO seen (statement, lock) SELECT current_setting('statement_timeout'), current_setting('lock_timeout')"
SEE = f"op.execute({SEEN!r})"
SEE_IN_BLOCK = f"with op.get_context().autocommit_block():\n    {SEE}"
WRONG = {
    "statement_timeout": ["-1", "86401", "1e3", "nan", "60s", "0.0001", ""],
    "lock_timeout": ["0", "600.5", "soon", "1_0"],
    "tries": ["0", "1.5", "1001", "٣"],
    "batch_size": ["0", "10001", "-5", "many"],
}
WRONG_VALUES = [(name, value) for name, values in WRONG.items() for value in values]


@pytest.fixture
def project(tmp_path: Path, postgres_url: str) -> Project:
    """A folder of migrations on PostgreSQL, and a table in which a step can keep the limits that it had."""
    run_sql(postgres_url, "CREATE TABLE seen (id serial PRIMARY KEY, statement text, lock text, made integer)")
    return Project(tmp_path, postgres_url)


def seen(project: Project) -> list[tuple[str, str]]:
    return [(row[0], row[1]) for row in fetch_rows(project.url, "SELECT statement, lock FROM seen ORDER BY id")]


def test_status_shows_the_limits_of_migrations_where_it_shows_those_of_requests(
    flask_db: FlaskDb, postgres_schema_url: str
) -> None:
    run = flask_db(postgres_schema_url, "status")

    shown = "           of migrations: statement timeout 60 s, lock timeout 1 s, tries 15, batch size 500"
    lines = run.output.splitlines()
    limits = [number for number, line in enumerate(lines) if line.startswith("Limits ")]
    assert len(limits) == 1, run.output
    assert lines[limits[0] + 1] == shown


def test_an_option_that_does_not_exist_is_refused_with_those_that_do(flask_db: FlaskDb, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'new.db'}"

    for words in (("-x", "lock_timeot=5", "upgrade"), ("deploy", "-x", "lock_timeot=5")):
        refused = flask_db(url, *words)
        assert refused.exit_code == 1
        known = "statement_timeout, lock_timeout, tries, batch_size, verbose, no_backup"
        assert refused.output == f"Error: There is no option -x lock_timeot. Use one of: {known}.\n"
    assert not (tmp_path / "new.db").exists()
    given = ("-x", "verbose=1", "-x", "no_backup=1", "-x", "tries=2")
    assert flask_db(url, *given, "upgrade", "+1").exit_code == 0


@pytest.mark.parametrize(("name", "value"), [WRONG_VALUES[0], *WRONG_VALUES[5:]])
def test_a_wrong_option_is_refused_in_one_sentence_before_anything_is_done(
    flask_db: FlaskDb, tmp_path: Path, name: str, value: str
) -> None:
    url = f"sqlite:///{tmp_path / 'new.db'}"
    flag = f"--{name.replace('_', '-')}"

    for words in (("upgrade", flag, value), ("-x", f"{name}={value}", "upgrade"), ("deploy", flag, value)):
        refused = flask_db(url, *words)

        assert refused.exit_code == 1
        assert refused.output.strip().startswith(f"Error: {flag} (-x {name}=...) must be a ")
        assert refused.output.count("\n") == 1
    assert not (tmp_path / "backups").exists()
    assert not (tmp_path / "new.db").exists()


@pytest.mark.parametrize(("name", "value"), [case for case in WRONG_VALUES if case[1]])
def test_a_wrong_setting_stops_the_start_with_a_line_that_names_it(name: str, value: str) -> None:
    (setting,) = [limit.setting for limit in LIMITS if limit.option == name]

    with pytest.raises(ConfigurationError, match=rf"^{setting} must be a "):
        load({setting: value}, None)


def test_the_settings_are_the_limits_of_a_migration_and_need_no_key() -> None:
    texts = ("90", "0.25", "3", "50")
    given = load({limit.setting: text for limit, text in zip(LIMITS, texts, strict=True)}, None)

    assert given.migration_limits == dbtools.Limits(statement_timeout=90, table_timeout=0.25, attempts=3, batch=50)
    assert load({}, None).migration_limits == dbtools.Limits()


def test_a_statement_that_hits_the_limit_undoes_its_step_and_names_the_limit(project: Project) -> None:
    project.revision("one", "op.create_table('kept', sa.Column('a', sa.Integer()))")
    project.revision("two", f"op.create_table('undone', sa.Column('a', sa.Integer()))\n{ENDLESS}")

    with pytest.raises(CommandError) as refusal:
        command.upgrade(project.config(SHORT), "head")

    why, how = str(refusal.value).split(". ")[0], "MIGRATION_STATEMENT_TIMEOUT, --statement-timeout or"
    assert why == "A statement was ended after 20ms, because others may wait for its locks"
    assert f"For a higher limit (0: none): {how} -x statement_timeout=SECONDS." in str(refusal.value)
    assert str(refusal.value).endswith("The step upgrade one -> two, two was undone.")
    assert "\n" not in str(refusal.value)
    found = "SELECT to_regclass('kept') IS NULL, to_regclass('undone') IS NULL, version_num FROM alembic_version"
    assert fetch_rows(project.url, found) == [(False, True, "one")]


def test_statements_that_commit_by_themselves_have_no_limit_and_those_after_them_have_it(project: Project) -> None:
    # An index may wait for minutes, but not what follows it.
    index = "op.create_index_concurrently('ix', 'seen', ['made'])"
    project.revision("one", f"{SEE}\n{index}\n{SEE_IN_BLOCK}\n{index}\n{SEE}")
    project.revision("two", SEE)

    command.upgrade(project.config(dbtools.Limits(statement_timeout=90, table_timeout=0.5)), "head")

    assert seen(project) == [("90s", "500ms"), ("0", "500ms"), ("90s", "500ms"), ("90s", "500ms")]


def test_an_index_a_validation_and_a_fill_outlast_the_limit(project: Project) -> None:
    slow = "CREATE FUNCTION slow(integer) RETURNS integer IMMUTABLE LANGUAGE plpgsql AS "
    slow += "$$ BEGIN PERFORM pg_sleep(0.1); RETURN $1; END $$"
    run_sql(project.url, slow, "INSERT INTO seen (made) VALUES (1)")
    run_sql(project.url, "ALTER TABLE seen ADD CONSTRAINT ck CHECK (slow(made) > 0) NOT VALID")
    project.revision("one", "op.create_index_concurrently('ix', 'seen', [sa.text('slow(made)')])")
    project.revision("two", "op.validate_constraint('ck', 'seen')")
    project.revision(
        "three",
        """
T = sa.table('seen', sa.column('id', sa.Integer()), sa.column('made', sa.Integer()), sa.column('lock', sa.Text()))
op.fill_rows(T, sa.and_(T.c.lock.is_(None), sa.func.slow(T.c.made) > 0), lambda row: {'lock': 'filled'}, '')
""",
    )

    command.upgrade(project.config(SHORT), "head")

    assert fetch_rows(project.url, "SELECT convalidated FROM pg_constraint WHERE conname = 'ck'") == [(True,)]
    assert fetch_rows(project.url, "SELECT lock FROM seen") == [("filled",)]


def test_the_rows_without_a_value_are_counted_without_a_limit(project: Project, flask_db: FlaskDb) -> None:
    project.revision("one", "op.set_not_null('seen', 'made')")

    printed = flask_db(project.url, "upgrade", "-v", project=project).output

    before, _, after = printed.partition("SELECT count(*)")
    assert before.rstrip().endswith("SET LOCAL statement_timeout = 0")
    assert "SET LOCAL statement_timeout = '1min'" in after.partition("ADD CONSTRAINT")[0]


def test_the_address_counts_more_than_a_setting_and_an_option_more_than_the_address(
    project: Project, flask_db: FlaskDb
) -> None:
    project.revision("one", f"{SEE}\n{SEE_IN_BLOCK}")
    project.revision("two", SEE)
    project.url += ("&" if "?" in project.url else "?") + "options=-cstatement_timeout%3D7s%20-clock_timeout%3D3s"

    command.upgrade(project.config(dbtools.Limits(statement_timeout=90)), "one")
    given = flask_db(project.url, "upgrade", "--statement-timeout", "8", "--lock-timeout", "0.5", project=project)

    assert given.exit_code == 0, given.output
    assert seen(project) == [("7s", "3s"), ("7s", "3s"), ("8s", "500ms")]


@pytest.mark.parametrize("block", ["op.execute", "with op.get_context().autocommit_block():\n    op.execute"])
def test_a_statement_that_hits_the_limit_of_the_address_names_the_address(project: Project, block: str) -> None:
    project.revision("one", f"{block}('SELECT pg_sleep(3600)')")
    project.url += ("&" if "?" in project.url else "?") + "options=-cstatement_timeout%3D20"

    with pytest.raises(CommandError) as refusal:
        command.upgrade(project.config(), "head")

    why = "A statement was ended after 20ms, the statement_timeout in the options of the database's URL. "
    assert str(refusal.value).startswith(why)
    assert "MIGRATION_DATABASE_URL without it, or --statement-timeout" in str(refusal.value)


def test_limits_of_the_database_end_neither_a_migration_nor_its_lock(project: Project) -> None:
    database, idle = parse_url(project.url).database, ("idle_session_timeout", "idle_in_transaction_session_timeout")
    for name in ("statement_timeout", "lock_timeout", *idle):
        run_sql(project.url, f"ALTER DATABASE {database} SET {name} = '77s'")
    shown = ", ".join(f"current_setting('{name}')" for name in idle)
    project.revision("one", f'op.execute("INSERT INTO seen (statement, lock) SELECT {shown}")\n{SEE}\n{SEE_IN_BLOCK}')

    command.upgrade(project.config(dbtools.Limits()), "head")

    assert seen(project) == [("0", "0"), ("1min", "1s"), ("0", "1s")]


WORDS = [
    ("upgrade", "--statement-timeout", "8", "--lock-timeout=0.5"),
    ("-x", "statement_timeout=8", "-x", "lock_timeout=0.5", "upgrade"),
    ("upgrade", "-x", "statement_timeout=8", "-x", "lock_timeout=0.5"),
    ("deploy", "--no-backup", "--yes", "--statement-timeout", "8", "--lock-timeout=0.5"),
    ("-x", "statement_timeout=8", "-x", "lock_timeout=0.5", "deploy", "--no-backup", "--yes"),
    ("deploy", "--no-backup", "--yes", "-x", "statement_timeout=8", "-x", "lock_timeout=0.5"),
]


@pytest.mark.parametrize("words", mostly_long([(words,) for words in WORDS], 3))
def test_an_option_counts_more_than_the_default(project: Project, flask_db: FlaskDb, words: tuple[str, ...]) -> None:
    project.revision("one", SEE)

    flask_db(project.url, *words, project=project)

    assert seen(project) == [("8s", "500ms")]


def test_a_downgrade_has_the_limits_too(project: Project, flask_db: FlaskDb) -> None:
    project.revision("one", SEE, SEE)
    flask_db(project.url, "upgrade", project=project)

    flask_db(project.url, "downgrade", "--statement-timeout", "0", "base", project=project)

    assert seen(project) == [("1min", "1s"), ("0", "1s")]


FILL_MADE = """
T = sa.table('seen', sa.column('id', sa.Integer()), sa.column('made', sa.Integer()))
op.fill_rows(T, T.c.made.is_(None), lambda row: {'made': row.id}, '')
"""


def sizes_of_batches(project: Project, limits: dbtools.Limits, rows: int) -> list[int]:
    """The rows that each transaction of a fill has written."""
    run_sql(project.url, f"INSERT INTO seen (lock) SELECT 'x' FROM generate_series(1, {rows})")
    run_sql(project.url, "ALTER TABLE seen ADD COLUMN at bigint")
    stamp = "CREATE FUNCTION stamp() RETURNS trigger LANGUAGE plpgsql AS "
    stamp += "$$ BEGIN NEW.at := txid_current(); RETURN NEW; END $$"
    run_sql(project.url, stamp, "CREATE TRIGGER t BEFORE UPDATE ON seen FOR EACH ROW EXECUTE FUNCTION stamp()")
    project.revision("one", FILL_MADE)
    command.upgrade(project.config(limits), "head")
    assert fetch_rows(project.url, "SELECT count(*) FROM seen WHERE made = id") == [(rows,)]
    return [row[0] for row in fetch_rows(project.url, "SELECT count(*) FROM seen GROUP BY at ORDER BY min(id)")]


@pytest.mark.parametrize("batch", [1, 2, 7])
def test_a_batch_is_read_and_committed_at_once(project: Project, batch: int) -> None:
    sizes = sizes_of_batches(project, dbtools.Limits(batch=batch), 5)

    assert sizes == [len(range(start, min(start + batch, 5))) for start in range(0, 5, batch)]


def test_after_a_slow_batch_the_next_one_has_half_its_rows(project: Project) -> None:
    # Each batch takes longer than no time.
    assert sizes_of_batches(project, dbtools.Limits(batch=5, batch_seconds=0), 9) == [5, 2, 1, 1]


def test_the_tries_of_an_option_end_the_wait_for_a_lock(project: Project, flask_db: FlaskDb) -> None:
    run_sql(project.url, "CREATE SEQUENCE tries")
    blocked = "DO $$ BEGIN PERFORM nextval('tries'); RAISE EXCEPTION 'locked out' USING ERRCODE = '55P03'; END $$"
    project.revision("one", f"op.execute({blocked!r})")

    refused = flask_db(project.url, "upgrade", "--tries", "1", project=project)

    assert refused.exit_code == 1
    assert fetch_rows(project.url, "SELECT last_value, is_called FROM tries") == [(1, True)]


def test_a_validation_is_committed_at_once_and_its_step_can_be_run_again(project: Project) -> None:
    run_sql(project.url, "ALTER TABLE seen ADD CONSTRAINT ck CHECK (made > 0) NOT VALID")
    project.revision("one", "op.validate_constraint('ck', 'seen')\nop.execute('SELECT nonsense')")

    with pytest.raises(CommandError, match="failed: its committed changes remain"):
        command.upgrade(project.config(), "head")
    path = project.versions / "one.py"
    path.write_text(path.read_text().replace("op.execute('SELECT nonsense')", ""))
    command.upgrade(project.config(), "head")

    assert fetch_rows(project.url, "SELECT convalidated FROM pg_constraint WHERE conname = 'ck'") == [(True,)]


def test_on_sqlite_the_lock_timeout_is_the_busy_timeout(tmp_path: Path, sqlite_url: str) -> None:
    project = Project(tmp_path, sqlite_url)
    run_sql(sqlite_url, "CREATE TABLE seen (lock integer)")
    see = "op.execute('INSERT INTO seen SELECT timeout FROM pragma_busy_timeout')"
    project.revision("one", see)

    command.upgrade(project.config(dbtools.Limits(table_timeout=0.25, statement_timeout=0.001)), "head")

    assert fetch_rows(sqlite_url, "SELECT lock FROM seen") == [(250,)]
