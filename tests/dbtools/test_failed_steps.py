"""A step of each kind fails: one line, exit code 1, and the running release works straight afterwards."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest
from flask import Flask

from tests.conftest import OpenConsole
from tests.dbtools.conftest import FlaskDb
from tests.dbtools.interrupted_steps import HEAD, NOT_NULL_STEP, project_with_step
from tests.dbtools.tools import Project, create_engine, fetch_rows, read_schema, run_sql
from tests.make import agent_values, make_agent, make_token, make_user

pytestmark = pytest.mark.long

AGENTS = "/api/v1/agents"
BOTH, POSTGRESQL = ("sqlite", "postgresql"), ("postgresql",)
BATCH = "with op.batch_alter_table('agents') as batch:\n    batch."
ROWS = "rows = sa.table('agents', sa.column('id', sa.Uuid()), sa.column('owner', sa.Text()))\nnames = [1, 0]\n"
FEW_TRIES = ("--tries", "2", "--lock-timeout", "0.1")


class FailedStep(NamedTuple):
    """A step, a part of the error, the databases, options of the command, and whether another session has a lock."""

    step: str
    error: str
    databases: tuple[str, ...] = BOTH
    options: tuple[str, ...] = ()
    is_locked: bool = False


STEPS = {
    "fill": FailedStep(
        f"{ROWS}op.fill_rows(rows, rows.c.owner.is_(None), lambda row: {{'owner': str(1 // names.pop(0))}}, '')",
        "raised ZeroDivisionError: ",
        options=("--batch-size", "1"),
    ),
    "not null": FailedStep(NOT_NULL_STEP, "without a value in status_reason"),
    "unique": FailedStep("op.add_unique_constraint('uq', 'agents', ['connection_type'])", "unique"),
    "unique index": FailedStep(
        "op.create_index_concurrently('ux', 'agents', ['connection_type'], unique=True)", "unique"
    ),
    "index": FailedStep(
        "op.create_index_concurrently('ix', 'agents', [sa.text('(1 / (length(name) - length(name)))')])",
        "division by zero",
        POSTGRESQL,
    ),
    "check": FailedStep(f"{BATCH}create_check_constraint(op.f('ck'), \"name = 'x'\")", "ck"),
    "foreign key": FailedStep("op.execute('UPDATE agents SET account_id = id')", "accounts"),
    "no such constraint": FailedStep("op.validate_constraint('nowhere', 'agents')", "nowhere", POSTGRESQL),
    "label": FailedStep("op.add_enum_value('nowhere', 'NEW')", "nowhere", POSTGRESQL),
    "label in use": FailedStep("op.remove_enum_value('connectiontype', 'DB')", "label db in connection_type"),
    "require": FailedStep("op.require('SELECT 1 FROM agents', 'There are agents.')", "There are agents."),
    "python": FailedStep(
        "op.add_column('agents', sa.Column('b', sa.Integer()))\n[][1]", "next.py, line 12, raised IndexError: "
    ),
    "file": FailedStep("open('/nowhere')", "next.py, line 11, raised FileNotFoundError: "),
    "sql": FailedStep("op.add_column('agents', sa.Column('b', sa.Integer()))\nop.execute('NONSENSE')", "NONSENSE"),
    "drop": FailedStep("op.drop_table('connection_tests')", "Blocked by process", POSTGRESQL, FEW_TRIES, True),
    "column": FailedStep(
        "op.add_column('agents', sa.Column('b', sa.Integer()))", "Blocked by process", POSTGRESQL, FEW_TRIES, True
    ),
    "slow": FailedStep(
        "op.execute('LOCK TABLE agents')\nop.execute('SELECT pg_sleep(60)')",
        "A statement was ended after",
        POSTGRESQL,
        ("--statement-timeout", "0.2"),
    ),
}


@pytest.fixture
def use_the_console(schema_url: str, open_console: OpenConsole) -> Callable[[], None]:
    """Creates, changes, lists and deletes an agent through the API of the running release. Two agents are there."""
    app = open_console(schema_url)
    admin = make_user(app)
    for _ in range(2):
        make_agent(app, admin)
    token = make_token(app, admin, "write", "read")
    return lambda: _create_change_list_and_delete(app, {"Authorization": f"Bearer {token}"})


def _create_change_list_and_delete(app: Flask, headers: dict[str, str]) -> None:
    client = app.test_client(use_cookies=False)
    created = client.post(AGENTS, json=agent_values(), headers=headers)
    assert created.status_code == 201, created.json
    address = f"{AGENTS}/{created.json['id']}"
    assert client.patch(address, json={"description": "New."}, headers=headers).status_code == 200
    assert len(client.get(AGENTS, headers=headers).json["items"]) == 3
    assert client.delete(address, headers=headers).status_code in (200, 204)


@contextmanager
def _locked(url: str, is_locked: bool) -> Iterator[None]:
    if not is_locked:
        yield
        return
    with create_engine(url).connect() as other:
        other.exec_driver_sql("SELECT count(*) FROM agents, connection_tests")
        yield


def _assert_fails(project: Project, flask_db: FlaskDb, kind: str, *words: str) -> None:
    failed = STEPS[kind]
    with _locked(project.url, failed.is_locked):
        run = flask_db(project.url, *words, *failed.options, project=project)
    assert (run.exit_code, type(run.exception)) == (1, SystemExit), (kind, run.exception)
    errors = [line for line in run.output.splitlines() if line.startswith("Error: ")]
    assert len(errors) == 1, (kind, words, run.output)
    # The sentences of the databases differ.
    assert failed.error.lower() in errors[0].lower(), (kind, words, errors)


def _assert_refuses(project: Project, flask_db: FlaskDb, kind: str) -> None:
    run = flask_db(project.url, "deploy", "--yes", "--no-backup", *STEPS[kind].options, project=project)
    assert (run.exit_code, type(run.exception)) == (1, SystemExit), (kind, run.output, run.exception)


def test_after_a_failed_step_of_each_kind_the_running_release_works(
    schema_url: str, use_the_console: Callable[[], None], flask_db: FlaskDb, tmp_path: Path
) -> None:
    database = schema_url.partition(":")[0]
    run_sql(schema_url, "DELETE FROM applied_steps")
    schema = read_schema(schema_url)
    for kind in [name for name, failed in STEPS.items() if database in failed.databases]:
        project = project_with_step(tmp_path, schema_url, STEPS[kind].step)

        _assert_fails(project, flask_db, kind, "upgrade")
        use_the_console()
        if not STEPS[kind].is_locked:
            # The checks before the backup stop some of the steps.
            run_sql(schema_url, "UPDATE agents SET owner = NULL")
            _assert_refuses(project, flask_db, kind)
            assert read_schema(schema_url) == schema, kind
            use_the_console()
        assert fetch_rows(schema_url, "SELECT version_num FROM alembic_version") == [(HEAD,)]
        run_sql(schema_url, "UPDATE agents SET owner = NULL")
        assert "was left by" not in flask_db(schema_url, "status", project=project).output, kind
