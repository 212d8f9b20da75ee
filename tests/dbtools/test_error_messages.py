"""A database error is one line with the cause, the URL and advice, without a password."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.util import CommandError

from agents_app.db import db
from agents_app.dbtools import read_position
from agents_app.dbtools.database.advice import advice_for
from agents_app.errors import Unavailable
from tests.dbtools.conftest import FlaskDb
from tests.dbtools.tools import GUIDE_REVISION, Project, console_config, create_engine, read_schema, run_sql
from tests.fork_server import LANGUAGE, programs
from tests.project import shared_copy

COMMANDS: dict[str, Callable[[Config], object]] = {
    "upgrade": lambda config: command.upgrade(config, "head"),
    "downgrade": lambda config: command.downgrade(config, "-1"),
    "current": command.current,
    "history": lambda config: command.history(config, indicate_current=True),
    "check": command.check,
    "stamp": lambda config: command.stamp(config, "head"),
    "revision": lambda config: command.revision(config, "nothing", autogenerate=True),
}


@pytest.mark.parametrize("verb", COMMANDS)
def test_every_command_reports_an_unreachable_server_in_one_line(verb: str) -> None:
    url = "postgresql://operator:gehe%2Fim@127.0.0.1:1/console"

    refusal = _refusal(COMMANDS[verb], url)

    assert refusal.startswith("Cannot use postgresql://operator:***@127.0.0.1:1/console: Connection refused")
    assert "DATABASE_URL" in refusal
    assert "gehe" not in refusal


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        ({"database": "not_there"}, 'database "not_there" does not exist'),
        ({"username": "unknown"}, 'role "unknown" does not exist'),
        ({"query": {"host": "/nowhere"}}, "No such file or directory"),
        ({"host": "name.invalid", "query": {}}, "could not translate host name"),
    ],
)
def test_a_wrong_url_is_reported_with_the_cause(postgres_server: str, change: dict[str, str], cause: str) -> None:
    url = sa.make_url(postgres_server).set(**change).render_as_string(hide_password=False)

    assert cause in _refusal(COMMANDS["upgrade"], url)


@pytest.mark.parametrize("password", ["a", "operator", "postgres", "refused"])
def test_hiding_the_password_does_not_change_other_words_of_the_message(password: str) -> None:
    refusal = _refusal(COMMANDS["current"], f"postgresql://operator:{password}@127.0.0.1:1/console")

    assert refusal.startswith("Cannot use postgresql://operator:***@127.0.0.1:1/console: Connection ")


@pytest.mark.parametrize("verb", COMMANDS)
def test_every_command_reports_a_missing_folder_and_does_not_create_it(verb: str, tmp_path: Path) -> None:
    folder = tmp_path / "instnace"

    refusal = _refusal(COMMANDS[verb], f"sqlite:///{folder / 'console.db'}")

    assert "No such file or directory. Check DATABASE_URL." in refusal
    assert not folder.exists()


@pytest.mark.parametrize("verb", sorted(COMMANDS.keys() - {"upgrade"}))
def test_every_command_except_upgrade_reports_a_missing_sqlite_file_and_does_not_create_it(
    verb: str, tmp_path: Path
) -> None:
    refusal = _refusal(COMMANDS[verb], f"sqlite:///{tmp_path / 'consle.db'}")

    assert "there is no such file yet; flask db deploy creates it. Check DATABASE_URL." in refusal
    assert not (tmp_path / "consle.db").exists()


def test_a_folder_is_not_accepted_as_an_sqlite_database(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("folder")

    assert "Is a directory" in _refusal(COMMANDS["upgrade"], f"sqlite:///{folder}")


def test_a_file_of_another_type_is_not_accepted_as_an_sqlite_database(tmp_path_factory: pytest.TempPathFactory) -> None:
    file = tmp_path_factory.mktemp("file") / "letter.txt"
    file.write_text("Dear reader, " * 100)

    assert "file is not a database" in _refusal(COMMANDS["current"], f"sqlite:///{file}")
    assert file.read_text().startswith("Dear reader")


@pytest.mark.parametrize("command_line", [["alembic"], ["flask", "db"]])
@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("mysql://operator:geheim@localhost/console", "DATABASE_URL must begin with"),
        ("geheim", "DATABASE_URL is not a database URL"),
        ("postgresql://operator:geheim@127.0.0.1:1/console", "Cannot use postgresql://operator:***@127.0.0.1:1"),
    ],
)
def test_both_command_lines_print_one_line_and_fail(command_line: list[str], setting: str, message: str) -> None:
    settings = {"DATABASE_URL": setting, "FLASK_APP": "wsgi.py", "PYTHONWARNINGS": "error", "LANG": LANGUAGE}
    environment = {**os.environ, **settings}
    words = [programs() / "python", "-m", *command_line, "upgrade", "head"]
    run = subprocess.run(words, check=False, cwd=shared_copy(), env=environment, capture_output=True, text=True)

    output = run.stdout + run.stderr
    assert run.returncode != 0
    assert message in output
    assert len(output.strip().splitlines()) == 1
    assert "geheim" not in output


def test_the_message_about_existing_tables_names_the_stamp_command(database_url: str) -> None:
    with create_engine(database_url).begin() as connection:
        db.metadata.create_all(connection)

    refusal = _refusal(COMMANDS["upgrade"], database_url)

    assert "accounts" in refusal
    assert "already exists" in refusal
    assert "flask db stamp head" in refusal
    command.stamp(console_config(database_url), "head")
    command.check(console_config(database_url))


def test_the_message_about_pending_steps_names_the_deploy_command(database_url: str) -> None:
    assert "flask db deploy" in _refusal(COMMANDS["check"], database_url)


def test_the_message_about_an_unknown_revision_contains_it(database_url: str) -> None:
    assert "'nonsense'" in _refusal(lambda config: command.upgrade(config, "nonsense"), database_url)


def test_a_database_of_a_newer_release_is_not_changed(database_url: str) -> None:
    command.upgrade(console_config(database_url), "head")
    run_sql(database_url, "UPDATE alembic_version SET version_num = 'ffffffffffff'")

    assert "'ffffffffffff'" in _refusal(COMMANDS["upgrade"], database_url)


def test_a_step_that_sqlite_cannot_write_as_sql_is_refused_in_one_line(sqlite_url: str) -> None:
    refusal = _refusal(lambda config: command.downgrade(config, "head:base", sql=True), sqlite_url)

    assert refusal == "This step cannot be written as SQL for SQLite. Run the command without --sql."


def test_the_message_says_if_a_failed_step_undid_earlier_steps(database_url: str, tmp_path: Path) -> None:
    project = Project(tmp_path, database_url)
    project.revision("one", "op.create_table('one', sa.Column('id', sa.Integer()))")
    project.revision("two", "op.execute('SELECT nonsense')")

    with pytest.raises(CommandError) as refusal:
        command.upgrade(project.config(), "head")

    is_reported = "The steps before it were undone too" in str(refusal.value)
    assert is_reported == (read_schema(database_url)["tables"] == {})


def test_a_number_of_steps_that_is_too_large_is_reported(database_url: str) -> None:
    assert "not that many steps" in _refusal(COMMANDS["downgrade"], database_url)
    assert "not that many steps" in _refusal(lambda config: command.upgrade(config, "+99"), database_url)


def test_two_steps_with_the_same_down_revision_are_reported(sqlite_url: str, tmp_path: Path, flask_db: FlaskDb) -> None:
    project = Project(tmp_path, sqlite_url)
    project.revision("one", "pass")
    project.revision("two", "pass")
    three = project.revision("three", "pass")
    three.write_text(three.read_text().replace("down_revision = 'two'", "down_revision = 'one'"))

    for verb in ("upgrade", "plan", "deploy"):
        assert "Two migrations have the same down_revision." in flask_db(project.url, verb, project=project).stderr


def test_two_rows_in_the_version_table_are_reported(schema_url: str) -> None:
    run_sql(schema_url, f"INSERT INTO alembic_version VALUES ('{GUIDE_REVISION}')")

    assert "stamp --purge" in _refusal(COMMANDS["upgrade"], schema_url)
    with (
        create_engine(schema_url).connect() as connection,
        pytest.raises(Unavailable, match=f"more than one row: .*{GUIDE_REVISION}"),
    ):
        read_position(connection)


def test_an_interrupted_run_is_reported_in_one_line(database_url: str, tmp_path: Path) -> None:
    project = Project(tmp_path, database_url)
    project.revision("one", "op.create_table('half', sa.Column('a', sa.Integer()))\nraise KeyboardInterrupt")

    with pytest.raises(CommandError, match=r"Interrupted\. The step upgrade  -> one, one was undone\.$"):
        command.upgrade(project.config(), "head")
    assert read_schema(database_url)["tables"] == {}


def test_the_message_of_a_full_disk_says_that_all_steps_were_undone(sqlite_url: str) -> None:
    environment = {**os.environ, "DATABASE_URL": sqlite_url}
    words = ["sh", "-c", 'ulimit -f 128; exec "$@"', "sh", sys.executable, "-m", "alembic", "upgrade", "head"]
    run = subprocess.run(words, check=False, cwd=shared_copy(), env=environment, capture_output=True, text=True)

    assert run.returncode != 0
    assert "All these steps were undone" in run.stdout
    assert read_schema(sqlite_url)["tables"] == {}


@pytest.mark.parametrize("verb", [command.upgrade, command.downgrade, command.stamp])
def test_an_empty_revision_is_refused(verb: Callable[..., object], sqlite_schema_url: str) -> None:
    assert "The revision is empty." in _refusal(lambda config: verb(config, ""), sqlite_schema_url)


def test_a_missing_permission_is_reported_in_one_line(postgres_url: str) -> None:
    run_sql(postgres_url, "REVOKE CREATE ON SCHEMA public FROM PUBLIC, pg_database_owner")

    assert "permission denied for schema public" in _refusal(COMMANDS["upgrade"], postgres_url)


def _refusal(verb: Callable[[Config], object], url: str) -> str:
    with pytest.raises(CommandError) as refusal:
        verb(console_config(url))
    assert "\n" not in str(refusal.value)
    return str(refusal.value)


@pytest.mark.parametrize(
    ("operation", "maker"),
    [
        ("op.add_column('things', sa.Column('name', sa.Text()))", "The step two, two, names it and may have made it."),
        ("op.create_table('things', sa.Column('id', sa.Integer()))", "The step one, one, names it"),
        ("op.create_index('ix_name', 'things', ['name'])", "The step two, two, names it"),
        (
            "op.create_table('by_hand', sa.Column('id', sa.Integer()))",
            "No step before this one names it: it was made by",
        ),
    ],
)
def test_what_is_there_already_is_no_reason_to_stamp_once_a_step_was_applied(
    tmp_path: Path, database_url: str, operation: str, maker: str
) -> None:
    project = Project(tmp_path, database_url)
    project.revision("one", "op.create_table('things', sa.Column('id', sa.Integer(), primary_key=True))")
    project.revision(
        "two", "op.add_column('things', sa.Column('name', sa.Text()))\nop.create_index('ix_name', 'things', ['name'])"
    )
    command.upgrade(project.config(), "head")
    run_sql(database_url, "CREATE TABLE by_hand (id integer)")
    project.revision("three", operation)

    with pytest.raises(CommandError) as refusal:
        command.upgrade(project.config(), "head")

    assert maker in str(refusal.value)
    assert "stamp" not in str(refusal.value)
    assert " Take it out of this step if it is the same, or choose another name" in str(refusal.value)


def test_a_way_back_that_finds_what_it_adds_says_to_rename_that(tmp_path: Path, database_url: str) -> None:
    project = Project(tmp_path, database_url)
    project.revision("one", "pass", "op.create_table('by_hand', sa.Column('id', sa.Integer()))")
    command.upgrade(project.config(), "head")
    run_sql(database_url, "CREATE TABLE by_hand (id integer)")

    with pytest.raises(CommandError, match=r"The way back of the step adds it again\. Rename what is there"):
        command.downgrade(project.config(), "base")


def test_a_limit_that_ends_the_first_statement_of_a_run_is_not_a_wrong_address() -> None:
    url = sa.make_url("postgresql://console@localhost/console")
    advice = advice_for("canceling statement due to statement timeout", url)
    assert advice is not None
    assert "--statement-timeout or MIGRATION_STATEMENT_TIMEOUT" in advice
    assert "DATABASE_URL" not in advice
