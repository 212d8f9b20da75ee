"""Runs with steps of every kind are stopped at random statements, again and again, until they are done.

Between two runs the database is as before or after a step, or `flask db status` names what is left.
"""

import random
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from alembic import command

from agents_app import dbtools
from agents_app.database.url import parse_url
from agents_app.db import db
from agents_app.dbtools.database.connections import connect
from agents_app.dbtools.records.history import KeptDeployment, read_deployments
from tests import postgres
from tests.dbtools.conftest import FlaskDb
from tests.dbtools.interrupted_steps import TERMINATE_MIGRATIONS
from tests.dbtools.killed_runs import (
    ROWS,
    STEPS,
    add_model,
    kill_this_process,
    project_with_every_step,
    run_in_process,
    wait_until_no_migration_runs,
)
from tests.dbtools.tools import Project, fetch_rows, read_schema, run_sql

pytestmark = pytest.mark.long

Schema = dict[str, Any]
# Another number stops the runs at other statements.
SEED = 13
ORDER = list(STEPS)
FIRST_PHASE, LAST = "no_index", ORDER[-1]


class StoppedRuns:
    """A database on which each run is stopped at statements that chance has chosen once."""

    def __init__(self, project: Project, flask_db: FlaskDb, actions: Sequence[Callable[[], object]]) -> None:
        self.project, self.url, self.actions = project, project.url, actions
        self._flask_db, self._output = flask_db, project.folder / "output"
        self.random = random.Random(SEED)
        self.schemas: dict[str, Schema] = {}
        self.written = 0

    def run(self, *words: str) -> tuple[int, str]:
        """Run `flask db ...`."""
        result = self._flask_db(self.url, *words, project=self.project)
        return result.exit_code, f"{result.output}{_unexpected(result.exception)}"

    def learn_schemas(self) -> None:
        """Read the schema after each step, and undo all but the first step."""
        for name in ORDER:
            command.upgrade(self.project.config(), name)
            self.schemas[name] = schema_of(self.url)
        command.downgrade(self.project.config(), "tables")
        assert schema_of(self.url) == self.schemas["tables"]

    def stop_often(self, stops: int, most: int, write: str | None, *words: str) -> None:
        """Stop a command so often, each time at one of the next `most` statements, and then let it end."""
        for number in range(stops):
            act, at = self.random.choice(self.actions), self.random.randint(1, most)
            before, revision = self.deployments(), self.revision()
            code = run_in_process(lambda: self.run(*words), act, at, self._output)
            where = f"seed {SEED}, {' '.join(words)} {number}: {getattr(act, '__name__', '')} at {at}"
            if code == 0:
                break
            if code > 0:
                _assert_one_error(self._output.read_text(), where)
            wait_until_no_migration_runs(self.url)
            self._check(before, revision, where)
            if write:
                self.written += 1
                run_sql(self.url, write.format(number=100 + self.written, value=1000 + self.written * 10))
        code, output = self.run(*words)
        assert code == 0, (SEED, output)

    def _check(self, before: list[KeptDeployment], old_revision: str, where: str) -> None:
        revision, found = self.revision(), schema_of(self.url)
        status = self.run("status")[1]
        known = [self.schemas[name] for name in _neighbours(revision)]
        left = [name for name in sorted(_names(found) - set().union(*map(_names, known))) if name not in status]
        assert not left, (where, revision, status)
        assert without(found, _names(found) - _names(known[0])) in [
            without(one, _names(one) - _names(known[0])) for one in known
        ], (where, revision)
        applied = {row[0] for row in fetch_rows(self.url, "SELECT revision FROM applied_steps")}
        assert applied & set(ORDER) == set(ORDER[: ORDER.index(revision) + 1]), where
        deployments = self.deployments()
        if len(deployments) > len(before):
            # It can be killed after its end.
            is_done = deployments[0].to_revision == revision and deployments[0].outcome == "done"
            assert is_done or deployments[0].outcome in ("interrupted", "failed"), where
        else:
            assert revision == old_revision, where
        pending = status.partition("Pending")[2].partition("\n")[0].split(",")
        assert [name.strip() for name in pending] == ORDER[ORDER.index(revision) + 1 :] or revision == LAST, where

    def deployments(self) -> list[KeptDeployment]:
        """The deployments that the database keeps."""
        with connect(parse_url(self.url)) as connection:
            return read_deployments(connection, 100) or []

    def revision(self) -> str:
        """The revision of the database."""
        ((found,),) = fetch_rows(self.url, "SELECT version_num FROM alembic_version")
        return str(found)


def _unexpected(error: BaseException | None) -> str:
    # The command would print a traceback.
    return "" if error is None or isinstance(error, SystemExit) else f"Traceback: {error!r}"


def _neighbours(revision: str) -> list[str]:
    # A step before or after this one can be done, but not be recorded.
    number = ORDER.index(revision)
    return ORDER[number : number + 2] + ORDER[max(number - 1, 0) : number]


def _assert_one_error(output: str, where: str) -> None:
    lines = [line for line in output.splitlines() if line.startswith("Error: ")]
    assert len(lines) == 1, (where, output)
    assert "Traceback" not in output, (where, output)


def schema_of(url: str) -> Schema:
    """The tables of the test, in any order of columns and labels."""
    found = read_schema(url)
    tables = {name: table for name, table in found["tables"].items() if name in ("t", "gone")}
    for table in tables.values():
        table["columns"].sort(key=lambda column: str(column["name"]))
        table["checks"] = [{**check, "sqltext": sorted(check["sqltext"].split("'"))} for check in table["checks"]]
    enums = {enum["name"]: sorted(enum["labels"]) for enum in found["enums"] if enum["name"] == "shade"}
    return {"tables": tables, "enums": enums}


def _names(schema: Schema) -> set[str]:
    # The indexes and constraints.
    kinds = ("foreign keys", "unique", "checks", "indexes")
    return {str(part["name"]) for table in schema["tables"].values() for kind in kinds for part in table[kind]}


def without(schema: Schema, names: set[str]) -> Schema:
    """The schema without these indexes and constraints."""
    tables = {
        name: {
            kind: [part for part in parts if part.get("name") not in names] if isinstance(parts, list) else parts
            for kind, parts in table.items()
        }
        for name, table in schema["tables"].items()
    }
    return {**schema, "tables": tables}


def stop_until_done(runs: StoppedRuns, stops: int, most: int) -> None:
    """Upgrade in both phases and downgrade, with so many stops of each run."""
    run_sql(runs.url, "DELETE FROM applied_steps")
    runs.learn_schemas()
    run_sql(runs.url, *ROWS)
    of_old = "INSERT INTO t (id, a, shade) VALUES ({number}, {value}, 'NEW')"
    of_new = "INSERT INTO t (id, b, c, shade) VALUES ({number}, {number} * 7, {value}, 'NEW')"
    batch = ("--batch-size", "2")

    runs.stop_often(stops, most, of_old, "deploy", "--no-backup", *batch)
    assert runs.revision() == FIRST_PHASE
    run_sql(runs.url, of_old.format(number=99, value=990))
    runs.stop_often(stops, most, of_new, "deploy", "--finish", "--no-backup", *batch)

    assert runs.revision() == LAST
    assert fetch_rows(runs.url, "SELECT count(*), sum(b) - sum(id * 7) FROM t") == [(8 + runs.written, 0)]
    assert fetch_rows(runs.url, "SELECT count(*) FROM t WHERE c = id * 10") == [(8 + runs.written,)]
    assert "No problems found." in runs.run("status")[1], runs.run("status")[1]
    assert runs.run("check") == (0, "No new upgrade operations detected.\n")

    runs.stop_often(stops // 2, most, None, "downgrade", "tables")
    assert schema_of(runs.url) == runs.schemas["tables"]
    assert fetch_rows(runs.url, "SELECT count(*) FROM t") == [(8 + runs.written,)]
    assert fetch_rows(runs.url, "SELECT count(*) FROM deployments WHERE outcome IS NULL") == [(0,)]


@pytest.fixture(autouse=True)
def _model() -> Iterator[None]:
    # `flask db status` compares the database with these.
    table = add_model(db.metadata)
    yield
    db.metadata.remove(table)


def test_runs_that_are_killed_at_random_statements_on_sqlite(
    sqlite_schema_url: str, tmp_path: Path, flask_db: FlaskDb
) -> None:
    runs = StoppedRuns(project_with_every_step(tmp_path, sqlite_schema_url), flask_db, [kill_this_process])

    stop_until_done(runs, 5, 180)


def test_runs_that_are_stopped_at_random_statements_on_postgresql(
    cluster: postgres.Cluster, tmp_path: Path, flask_db: FlaskDb
) -> None:
    with postgres.database(cluster.url) as url:
        dbtools.upgrade_to_head(parse_url(url))

        def disconnect() -> None:
            fetch_rows(url, TERMINATE_MIGRATIONS)

        def restart_the_server() -> None:
            cluster.kill()
            cluster.start()

        actions = [kill_this_process, kill_this_process, disconnect, restart_the_server]
        stop_until_done(StoppedRuns(project_with_every_step(tmp_path, url), flask_db, actions), 6, 25)
