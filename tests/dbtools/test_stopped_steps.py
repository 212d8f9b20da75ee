"""A step of each kind that is stopped: what is said of it is so, the running release works, and the advice works."""

import os
import re
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from alembic import command
from alembic.util import CommandError
from flask import Flask
from sqlalchemy import event
from sqlalchemy.engine import Connection, Engine

from agents_app import dbtools
from agents_app.db import parse_url
from agents_app.dbtools.leftovers import HELPER
from agents_app.operations import agents
from tests import postgres
from tests.conftest import OpenConsole
from tests.dbtools.conftest import Flasks
from tests.dbtools.tools import Project, engine_of, product, rows_of, run_sql, schema_of
from tests.make import make_agent, make_user

HEAD = "a5ecd374ab0b"
NOT_NULL = "op.set_not_null('agents', 'status_reason')"
FILLED = "UPDATE agents SET status_reason = 'x'"
FILL = """
rows = sa.table('agents', sa.column('id', sa.Uuid()), sa.column('status_reason', sa.Text()))
op.fill_rows(rows, rows.c.status_reason.is_(None), lambda row: {'status_reason': 'x'}, '')
"""
CHECK = "op.create_check_constraint(op.f('ck'), 'agents', \"name <> 'x'\", postgresql_not_valid=True)"
END_MIGRATIONS = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE application_name = 'agent-console migration' AND datname = current_database()
"""
AS_IT_WAS = "was undone."
ON_ITS_WAY = "what it had committed stays, the rest was undone."


class Kind(NamedTuple):
    """A kind of step: what must be so before, what it does, the statement before which it is stopped, what is said."""

    before: str
    step: str
    stopped_at: str
    outcome: str


KINDS = {
    "not null": Kind(FILLED, NOT_NULL, "VALIDATE", ON_ITS_WAY),
    "not null, at its end": Kind(FILLED, NOT_NULL, "SET NOT NULL", ON_ITS_WAY),
    "fill": Kind("SELECT 1", FILL, "UPDATE agents", ON_ITS_WAY),
    "index": Kind("SELECT 1", "op.create_index_concurrently('ix', 'agents', ['name'])", "CREATE INDEX", ON_ITS_WAY),
    "no index": Kind(
        "SELECT 1", "op.drop_index_concurrently('ix_agents_created_by', 'agents')", "DROP INDEX", ON_ITS_WAY
    ),
    "label": Kind("SELECT 1", "op.add_enum_value('connectiontype', 'MAIL')", "ADD VALUE", ON_ITS_WAY),
    "check": Kind("SELECT 1", CHECK, "ADD CONSTRAINT ck", AS_IT_WAS),
    "validation": Kind(
        "ALTER TABLE agents ADD CONSTRAINT ck CHECK (name <> 'x') NOT VALID",
        "op.validate_constraint('ck', 'agents')",
        "VALIDATE",
        AS_IT_WAS,
    ),
    "column": Kind("SELECT 1", "op.add_column('agents', sa.Column('b', sa.Integer()))", "ADD COLUMN", AS_IT_WAS),
    "label, at its end": Kind(
        "SELECT 1", "op.add_enum_value('connectiontype', 'MAIL')", "UPDATE alembic_version", ON_ITS_WAY
    ),
}
ON_SQLITE = {
    "not null": (NOT_NULL, "INSERT INTO _alembic_tmp_agents"),
    "fill": (FILL, "UPDATE agents"),
    "index": ("op.create_index_concurrently('ix', 'agents', ['name'])", "CREATE INDEX"),
    "label": ("op.add_enum_value('connectiontype', 'MAIL')", "INSERT INTO _alembic_tmp_agents"),
    "column": ("op.add_column('agents', sa.Column('b', sa.Integer()))", "ADD COLUMN"),
}


@pytest.fixture(scope="module")
def cluster() -> Iterator[postgres.Cluster]:
    """A server of this module's own, to be stopped, which loses nothing that was committed."""
    with postgres.cluster(synchronous_commit="on") as own:
        yield own


@pytest.fixture
def own_url(cluster: postgres.Cluster) -> Iterator[str]:
    """The URL of a database with every table on that server."""
    with postgres.database(cluster.url) as url:
        dbtools.upgrade_to_head(parse_url(url))
        yield url


@pytest.fixture
def console_on(open_console: OpenConsole) -> Callable[[str], Callable[[], None]]:
    """The release that runs, on a database: makes an agent and changes it whenever it is called."""

    def on(url: str) -> Callable[[], None]:
        app = open_console(url)
        admin = make_user(app)
        _work(app, admin)
        return lambda: _work(app, admin)

    return on


def _work(app: Flask, admin: Any) -> None:
    agent = make_agent(app, admin)
    with app.app_context():
        agents.update(admin, agent, {"description": "Changed."})


def _project(folder: Path, url: str, step: str) -> Project:
    project = Project(folder, url)
    project.revision(HEAD, "pass")
    project.revision("next", step)
    return project


@contextmanager
def _before(word: str, *acts: Callable[[], object]) -> Iterator[None]:
    """Do something right before a statement that holds this word: each time the next of `acts`."""
    left = list(acts)

    def listen(_connection: Connection, _cursor: Any, statement: str, *_rest: Any) -> None:
        if word in statement and left:
            left.pop(0)()

    event.listen(Engine, "before_cursor_execute", listen)
    try:
        yield
    finally:
        event.remove(Engine, "before_cursor_execute", listen)


def _refusal(project: Project) -> str:
    with pytest.raises(CommandError) as refusal:
        command.upgrade(project.config(), "head")
    assert "\n" not in str(refusal.value)
    return str(refusal.value)


def _raise(error: type[BaseException]) -> Callable[[], None]:
    def act() -> None:
        raise error

    return act


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("how", ["interrupted", "cut off"])
def test_after_a_step_that_was_stopped_the_console_works_and_the_same_command_completes_it(
    postgres_schema_url: str, console_on: Any, tmp_path: Path, kind: str, how: str
) -> None:
    url, (before, step, word, outcome) = postgres_schema_url, KINDS[kind]
    use_the_console = console_on(url)
    run_sql(url, before)
    project, schema = _project(tmp_path, url, step), schema_of(url)

    ways: dict[str, Callable[[], object]] = {
        "interrupted": _raise(KeyboardInterrupt),
        "cut off": lambda: rows_of(url, END_MIGRATIONS),
    }
    with _before(word, ways[how]):
        refusal = _refusal(project)

    assert outcome in refusal
    assert "may be left" not in refusal
    assert (schema_of(url) == schema) == (kind != "label, at its end")
    use_the_console()
    run_sql(url, FILLED)
    command.upgrade(project.config(), "head")
    assert rows_of(url, "SELECT version_num FROM alembic_version") == [("next",)]


@pytest.mark.parametrize("kind", KINDS)
def test_after_a_stop_of_the_server_what_may_be_left_is_said_and_the_advice_works(
    cluster: postgres.Cluster, own_url: str, console_on: Any, flask_db: Flasks, tmp_path: Path, kind: str
) -> None:
    before, step, word, outcome = KINDS[kind]
    use_the_console = console_on(own_url)
    run_sql(own_url, before)
    project = _project(tmp_path, own_url, step)

    with _before(word, cluster.kill):
        refusal = _refusal(project)
    cluster.start()

    assert outcome in refusal
    removal = re.search(r"To remove it at once: (.*?)\. ", refusal)
    assert (removal is not None) == (kind in ("not null", "not null, at its end", "index"))
    if kind.startswith("not null"):
        told = flask_db(own_url, "status").output
        assert f"ALTER TABLE agents DROP CONSTRAINT IF EXISTS {HELPER}; or flask db upgrade" in told
    if removal:
        with engine_of(own_url).execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
            connection.exec_driver_sql(removal[1])
    use_the_console()
    run_sql(own_url, FILLED)
    command.upgrade(project.config(), "head")


@pytest.mark.parametrize("kind", ON_SQLITE)
def test_on_sqlite_a_step_that_was_stopped_is_undone(
    sqlite_schema_url: str, console_on: Any, tmp_path: Path, kind: str
) -> None:
    url, (step, word) = sqlite_schema_url, ON_SQLITE[kind]
    use_the_console = console_on(url)
    if kind == "not null":
        run_sql(url, FILLED)
    project, schema = _project(tmp_path, url, step), schema_of(url)

    with _before(word, _raise(KeyboardInterrupt)):
        assert f"Interrupted. The step upgrade {HEAD} -> next, next {AS_IT_WAS}" in _refusal(project)

    assert schema_of(url) == schema
    use_the_console()
    run_sql(url, FILLED)
    command.upgrade(project.config(), "head")


def test_rows_without_a_value_are_refused_before_anything_is_in_the_way(
    schema_url: str, console_on: Any, tmp_path: Path
) -> None:
    use_the_console = console_on(schema_url)
    project, schema = _project(tmp_path, schema_url, NOT_NULL), schema_of(schema_url)

    with _before(HELPER, _raise(AssertionError)):
        refusal = _refusal(project)

    assert refusal.startswith("1 row of agents without status_reason: give each a value, then type the same command")
    assert refusal.endswith(AS_IT_WAS)
    assert schema_of(schema_url) == schema
    use_the_console()
    run_sql(schema_url, FILLED)
    command.upgrade(project.config(), "head")


def test_rows_that_are_not_unique_leave_no_index_behind(
    postgres_schema_url: str, console_on: Any, tmp_path: Path
) -> None:
    use_the_console = console_on(postgres_schema_url)
    use_the_console()
    step = "op.create_index_concurrently('uq', 'agents', ['description'], unique=True)"
    project, schema = _project(tmp_path, postgres_schema_url, step), schema_of(postgres_schema_url)

    assert "could not create unique index" in _refusal(project)

    assert schema_of(postgres_schema_url) == schema
    use_the_console()


def test_a_constraint_that_cannot_be_removed_is_named_with_what_removes_it(
    postgres_schema_url: str, console_on: Any, tmp_path: Path
) -> None:
    use_the_console = console_on(postgres_schema_url)
    run_sql(postgres_schema_url, FILLED)
    project = _project(tmp_path, postgres_schema_url, NOT_NULL)

    with engine_of(postgres_schema_url).connect() as reader, _before("VALIDATE", lambda: _read(reader)):
        refusal = _refusal(project)

    assert refusal.startswith("Locked out by process ")
    removal = re.search(r"To remove it at once: (.*?)\. ", refusal)
    assert removal
    run_sql(postgres_schema_url, removal[1])
    use_the_console()


def test_a_step_that_was_locked_out_at_its_end_does_not_look_at_the_rows_again(
    postgres_schema_url: str, console_on: Any, tmp_path: Path
) -> None:
    console_on(postgres_schema_url)
    run_sql(postgres_schema_url, FILLED)
    project = _project(tmp_path, postgres_schema_url, NOT_NULL)
    looks: list[str] = []

    with (
        engine_of(postgres_schema_url).connect() as reader,
        _before("VALIDATE", lambda: _read(reader), lambda: looks.append("again")),
        _before("SET NOT NULL", lambda: None, reader.rollback),
    ):
        command.upgrade(project.config(), "head")

    assert looks == []


def _read(reader: Connection) -> None:
    reader.exec_driver_sql("SELECT * FROM agents").close()


@pytest.mark.parametrize("verb", ["upgrade", "downgrade", "stamp"])
def test_the_next_run_removes_first_what_one_that_was_killed_left(
    postgres_schema_url: str, console_on: Any, verb: str, capsys: pytest.CaptureFixture[str]
) -> None:
    use_the_console = console_on(postgres_schema_url)
    run_sql(postgres_schema_url, f"ALTER TABLE agents ADD CONSTRAINT {HELPER} CHECK (name IS NULL) NOT VALID")

    getattr(command, verb)(product(postgres_schema_url), HEAD)

    assert f"The constraint {HELPER} on agents" in capsys.readouterr().err
    assert rows_of(postgres_schema_url, f"SELECT 1 FROM pg_constraint WHERE conname = '{HELPER}'") == []
    use_the_console()


def test_what_a_killed_run_left_is_named_by_status_and_is_no_difference(
    postgres_schema_url: str, flask_db: Flasks
) -> None:
    run_sql(postgres_schema_url, f"ALTER TABLE agents ADD CONSTRAINT {HELPER} CHECK (name IS NOT NULL) NOT VALID")

    told = flask_db(postgres_schema_url, "status", "--check")

    assert told.exit_code == 1
    assert told.output.count("Wrong: ") == 1
    assert f"Do: ALTER TABLE agents DROP CONSTRAINT IF EXISTS {HELPER}; or flask db upgrade" in told.output
    command.check(product(postgres_schema_url))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_ends_the_statement_that_is_running(
    postgres_schema_url: str, console_on: Any, tmp_path: Path, number: signal.Signals
) -> None:
    use_the_console = console_on(postgres_schema_url)
    project = _project(tmp_path, postgres_schema_url, "op.execute('SELECT pg_sleep(600)')")
    waiting = "SELECT 1 FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep%%' AND datname = current_database()"

    def signal_when_it_waits() -> None:
        while not rows_of(postgres_schema_url, waiting):
            pass
        os.kill(os.getpid(), number)

    sender = threading.Thread(target=signal_when_it_waits)
    sender.start()
    refusal = _refusal(project)
    sender.join()

    assert refusal == f"Interrupted. The step upgrade {HEAD} -> next, next was undone."
    use_the_console()


def test_a_step_that_does_other_things_besides_says_that_they_are_to_be_undone_by_hand(
    postgres_schema_url: str, tmp_path: Path
) -> None:
    run_sql(postgres_schema_url, FILLED)
    step = f"op.add_column('agents', sa.Column('b', sa.Integer()))\n{NOT_NULL}"
    project = _project(tmp_path, postgres_schema_url, step)

    with _before("VALIDATE", _raise(KeyboardInterrupt)):
        refusal = _refusal(project)

    assert "It does other things besides op.set_not_null: undo those by hand" in refusal
    run_sql(postgres_schema_url, "ALTER TABLE agents DROP COLUMN b")
    command.upgrade(project.config(), "head")


def test_what_another_filled_in_the_middle_of_a_fill_is_kept(
    postgres_schema_url: str, console_on: Any, tmp_path: Path
) -> None:
    console_on(postgres_schema_url)
    project = _project(tmp_path, postgres_schema_url, FILL)

    with _before("UPDATE agents", lambda: run_sql(postgres_schema_url, "UPDATE agents SET status_reason = 'newer'")):
        command.upgrade(project.config(), "head")

    assert rows_of(postgres_schema_url, "SELECT DISTINCT status_reason FROM agents") == [("newer",)]
