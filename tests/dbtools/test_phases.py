"""The two phases of a deployment: `flask db deploy`, and `flask db deploy --finish` for marked steps."""

import json
from pathlib import Path

import pytest
from alembic import command

from agents_app.dbtools.phases import FINISH, Phase, targets_of
from agents_app.dbtools.position import Position, Step
from tests.dbtools.conftest import FlaskDb
from tests.dbtools.interrupted_steps import HEAD
from tests.dbtools.tools import Project, fetch_rows, mostly_long, run_sql

ADD = "op.add_column('t', sa.Column('{name}', sa.Integer()))"
DROP = "with op.batch_alter_table('t') as batch:\n    batch.drop_column('{name}')"
MARK = "\nafter_release = True\n"


class Phases(Project):
    """Migrations of a table with a row: `+name` is an unmarked step that adds a column, `!name` a marked one."""

    def add(self, *steps: str) -> None:
        """Add steps."""
        for step in steps:
            name = step[1:]
            path = self.revision(name, ADD.format(name=name), DROP.format(name=name))
            if step[0] == "!":
                path.write_text(path.read_text() + MARK)


@pytest.fixture
def project(tmp_path: Path, schema_url: str) -> Phases:
    """Migrations after those of the console, on both databases."""
    run_sql(schema_url, "CREATE TABLE t (id integer PRIMARY KEY)", "INSERT INTO t VALUES (1)")
    # The files of the steps before are not in the folder of the test.
    run_sql(schema_url, "DELETE FROM applied_steps")
    project = Phases(tmp_path, schema_url)
    project.revision(HEAD, "pass")
    return project


def current(project: Project) -> str:
    """The revision of the database."""
    ((found,),) = fetch_rows(project.url, "SELECT version_num FROM alembic_version")
    return str(found)


def position(current: str | None, *steps: str) -> Position:
    """A position among steps that are written as those of `Phases`."""
    names = [step[1:] for step in steps]
    found = zip(steps, names, [None, *names], strict=False)
    return Position(
        current, tuple(Step(name, name, step[0] == "!", (before,) if before else ()) for step, name, before in found)
    )


@pytest.mark.parametrize(
    ("steps", "next_phase", "finish", "is_ready", "is_blocked"),
    [
        (["+a"], "", "", True, False),
        (["+a", "+b"], "b", "b", False, False),
        (["+a", "!b"], "", "b", True, False),
        (["+a", "!b", "!c"], "", "bc", True, False),
        (["+a", "+b", "!c"], "b", "bc", False, False),
        (["+a", "!b", "+c"], "", "b", False, True),
        (["+a", "+b", "!c", "+d", "!e"], "b", "bc", False, True),
        (["+a", "!b", "+c", "!d"], "", "b", False, True),
        (["!a", "+b"], "b", "b", False, False),
    ],
)
def test_the_phases_end_at_marked_steps(
    steps: list[str], next_phase: str, finish: str, is_ready: bool, is_blocked: bool
) -> None:
    found = position("a", *steps)

    assert "".join(step.name for step in found.next_phase) == next_phase
    assert "".join(step.name for step in found.finish) == finish
    assert (found.is_ready, found.is_blocked) == (is_ready, is_blocked)
    assert found.is_finish_pending == (is_ready and bool(found.pending))


def test_an_empty_database_takes_every_step_at_once_and_is_not_ready() -> None:
    found = position(None, "+a", "!b", "+c", "!d")

    assert found.next_phase == found.finish == found.pending
    assert (found.is_ready, found.is_blocked, found.waiting) == (False, False, ())


def test_a_database_that_is_ahead_is_ready() -> None:
    found = position("newer", "+a", "!b")

    assert (found.is_ready, found.is_finish_pending, found.is_blocked) == (True, False, False)


def test_an_unmarked_step_after_a_pending_marked_one_is_refused(project: Phases, flask_db: FlaskDb) -> None:
    project.add("+two", "!three", "+four", "!five")

    for words in (("deploy",), ("deploy", "--yes"), ("deploy", "--dry-run"), ("plan",)):
        run = flask_db(project.url, *words, project=project)
        assert run.exit_code == 1, words
        assert "The step four follows three" in run.output
        assert "flask db deploy --finish, then flask db deploy" in run.output
    assert current(project) == HEAD
    assert "four follows three" in flask_db(project.url, "status", project=project).output

    for words, reached in ((("--finish",), "three"), ((), "four"), (("--finish",), "five")):
        assert flask_db(project.url, "deploy", "--no-backup", *words, project=project).exit_code == 0
        assert current(project) == reached


def test_a_deployment_stops_before_the_first_marked_step_and_finish_applies_the_block(
    project: Phases, flask_db: FlaskDb
) -> None:
    project.add("+two", "+three", "!four", "!five")

    dry_run = json.loads(flask_db(project.url, "deploy", "--dry-run", "--json", project=project).stdout)
    assert [step["name"] for step in dry_run["plan"]["steps"]] == ["two", "three"]
    first = flask_db(project.url, "deploy", project=project)
    assert (first.exit_code, current(project)) == (0, "three")
    assert "Applied 2 steps" in first.output
    assert "The database is at three." in first.output
    assert f"2 steps pending. {FINISH}" in first.output

    again = flask_db(project.url, "deploy", project=project)
    assert (again.exit_code, "The database is at three. Nothing to do now." in again.output) == (0, True)
    finish = flask_db(project.url, "deploy", "--finish", project=project)
    assert (finish.exit_code, current(project)) == (0, "five")
    assert FINISH not in finish.output
    assert "Applied 2 steps" in finish.output
    assert "The database is at head, five." in finish.output
    again = flask_db(project.url, "deploy", "--finish", project=project)
    assert (again.exit_code, "at head, five. Nothing to do." in again.output) == (0, True)


@pytest.mark.parametrize(
    ("mark", "what"),
    mostly_long(
        [
            ("after_releases = True", "two.py contains after_releases, which has no meaning."),
            ("after_relase = True", "two.py contains after_relase, which has no meaning."),
            ("after_release = 'no'", "In two.py, after_release is 'no', which is neither True nor False."),
            ("after_release = None", "In two.py, after_release is None, which is neither True nor False."),
        ],
        2,
    ),
)
def test_a_mark_that_is_not_clear_is_refused_before_a_step_is_applied_in_the_wrong_phase(
    project: Phases, flask_db: FlaskDb, mark: str, what: str
) -> None:
    path = project.revision("two", "op.drop_column('t', 'id')")
    path.write_text(f"{path.read_text()}\n{mark}\n")

    for words in (("plan",), ("deploy", "--yes"), ("upgrade",), ("status", "--check")):
        run = flask_db(project.url, *words, project=project)
        assert (run.exit_code, what in run.output) == (1, True), words
    assert current(project) == HEAD


def test_finish_also_applies_pending_steps_before_the_marked_ones(project: Phases, flask_db: FlaskDb) -> None:
    project.add("+two", "!three")

    run = flask_db(project.url, "deploy", "--finish", "--no-backup", project=project)

    assert (run.exit_code, current(project)) == (0, "three")


def test_a_danger_of_the_second_phase_stops_only_finish(project: Phases, flask_db: FlaskDb) -> None:
    project.add("+two")
    path = project.revision("three", "op.execute('DROP TABLE t')")
    path.write_text(path.read_text() + MARK)

    assert flask_db(project.url, "deploy", "--no-backup", project=project).exit_code == 0
    assert flask_db(project.url, "deploy", "--finish", "--no-backup", project=project).exit_code == 1
    assert current(project) == "two"
    assert flask_db(project.url, "deploy", "--finish", "--yes", "--no-backup", project=project).exit_code == 0
    assert current(project) == "three"


def test_plan_and_status_show_both_phases(project: Phases, flask_db: FlaskDb) -> None:
    project.add("+two", "!three", "!four")
    phases = {"deploy": ["two"], "finish": ["three", "four"]}

    lines = flask_db(project.url, "plan", project=project).output.splitlines()
    steps = [line for line in lines if not line.startswith("   ")]
    assert [line[:9] for line in steps] == ["1. upgrad", "When no p", "2. upgrad", "3. upgrad"]
    plan = json.loads(flask_db(project.url, "plan", "--json", project=project).stdout)
    status = json.loads(flask_db(project.url, "status", "--json", project=project).stdout)
    assert plan["phases"] == status["phases"] == phases
    assert [step["after_release"] for step in plan["steps"]] == [False, True, True]
    assert (status["is_ready"], status["is_finish_pending"]) == (False, False)

    output = flask_db(project.url, "status", project=project).output
    assert "Pending    two, three, four\nDeploy     two\nFinish     three, four\n" in output
    command.upgrade(project.config(), "two")
    output = flask_db(project.url, "status", project=project).output
    assert "Finish     three, four\nReady. When no process" in output
    status = json.loads(flask_db(project.url, "status", "--json", project=project).stdout)
    assert (status["is_ready"], status["is_finish_pending"]) == (True, True)
    assert "migrations.pending" not in [problem["code"] for problem in status["problems"]]


def test_upgrade_head_applies_marked_and_unmarked_steps(project: Phases, flask_db: FlaskDb) -> None:
    project.add("+two", "!three", "+four", "!five")

    assert flask_db(project.url, "upgrade", "head", project=project).exit_code == 0
    assert current(project) == "five"


def test_a_deployment_of_an_empty_database_applies_marked_steps(
    database_url: str, tmp_path: Path, flask_db: FlaskDb
) -> None:
    project = Phases(tmp_path, database_url)
    project.revision("first", "op.create_table('t', sa.Column('id', sa.Integer(), primary_key=True))")
    project.add("!two", "+three", "!four")

    assert "Applied 4 steps" in flask_db(database_url, "deploy", project=project).output
    assert current(project) == "four"


@pytest.mark.parametrize("joins", [True, False])
def test_a_marked_step_of_one_branch_does_not_hold_the_other_one(joins: bool) -> None:
    marked, other = Step("m", "m", after_release=True, after=("a",)), Step("u", "u", after=("a",))
    merge = Step("j", "j", after=("m", "u"), only_joins=joins)
    before = Position("a", (Step("a", "a"), marked, other, merge))
    after = Position("u", (Step("a", "a"), other, marked, merge))

    assert [step.name for step in before.pending] == ["u", "m", "j"]
    assert [step.name for step in before.next_phase] == ["u"]
    assert [step.name for step in before.finish] == (["u", "m", "j"] if joins else ["u", "m"])
    assert targets_of(before, Phase.FINISH) == (["j"] if joins else ["u", "m"])
    # A merge that changes something must not run while the marked step is pending.
    assert (before.is_ready, before.is_blocked) == (False, not joins)
    assert (after.is_ready, after.is_finish_pending, after.is_blocked) == (joins, joins, not joins)


@pytest.mark.long
def test_after_a_merge_each_phase_applies_the_steps_of_both_branches(project: Phases, flask_db: FlaskDb) -> None:
    project.add("+one", "!two", "+three", "!four")
    path = project.versions / "three.py"
    path.write_text(path.read_text().replace("down_revision = 'two'", f"down_revision = {HEAD!r}"))
    assert flask_db(project.url, "merge", "heads", "-m", "join", project=project).exit_code == 0

    first = flask_db(project.url, "deploy", "--no-backup", project=project)
    assert (first.exit_code, "Applied 2 steps" in first.output, "3 steps pending" in first.output) == (0, True, True)
    versions = "SELECT version_num FROM alembic_version ORDER BY 1"
    assert fetch_rows(project.url, versions) == [("one",), ("three",)]
    assert "Nothing to do now." in flask_db(project.url, "deploy", "--no-backup", project=project).output
    status = json.loads(flask_db(project.url, "status", "--json", project=project).stdout)
    assert (status["is_ready"], status["is_finish_pending"], status["is_blocked"]) == (True, True, False)

    finish = flask_db(project.url, "deploy", "--finish", "--no-backup", project=project)
    assert (finish.exit_code, "Applied 3 steps" in finish.output) == (0, True), finish.output
    assert "Nothing is pending." in flask_db(project.url, "plan", project=project).output


@pytest.mark.parametrize("words", mostly_long([(("deploy",),), (("deploy", "--finish"),), (("upgrade",),)], 3))
def test_tables_without_a_revision_are_not_taken_for_an_empty_database(
    schema_url: str, flask_db: FlaskDb, words: tuple[str, ...]
) -> None:
    run_sql(schema_url, "DELETE FROM alembic_version")

    run = flask_db(schema_url, *words)

    assert run.exit_code == 1
    assert "flask db stamp head" in run.output
    status = json.loads(flask_db(schema_url, "status", "--json").stdout)
    assert (status["is_ready"], status["current"]) == (False, None)
    assert fetch_rows(schema_url, "SELECT count(*) FROM deployments WHERE outcome = 'done'") != [(0,)]
