"""Steps that do not form a line: two last migrations, and the merge that joins them."""

import json
import re
from pathlib import Path

import pytest

from agents_app.cli.commands import schema_behind_error
from agents_app.dbtools.position import Position, Step
from tests.dbtools.conftest import FlaskDb
from tests.dbtools.tools import Project, fetch_rows, mostly_long, read_schema

TABLE = ("op.create_table('{0}', sa.Column('a', sa.Integer()))", "op.drop_table('{0}')")
REMEDIES = ("set down_revision", "flask db merge heads")


@pytest.fixture
def project(tmp_path: Path, database_url: str) -> Project:
    """Four migrations: `first`, and after it `left` and `right`, with `further` after `left`."""
    project = Project(tmp_path, database_url)
    for name in ("first", "left", "further", "right"):
        path = project.revision(name, *(text.format(name) for text in TABLE))
    path.write_text(path.read_text().replace("down_revision = 'further'", "down_revision = 'first'"))
    return project


def _versions(url: str) -> list[str]:
    return sorted(row[0] for row in fetch_rows(url, "SELECT version_num FROM alembic_version"))


def _tables(url: str) -> set[str]:
    return {name for name in read_schema(url)["tables"] if len(name) < 8}


def test_two_last_migrations_are_named_with_their_files_and_the_remedies(flask_db: FlaskDb, project: Project) -> None:
    flask_db(project.url, "upgrade", "further", project=project)

    for words in (("status", "--check"), ("check",), ("migrate", "-m", "x"), ("plan",), ("deploy",), ("upgrade",)):
        run = flask_db(project.url, *words, project=project)
        assert run.exit_code == 1, words
        for part in ("further.py", "right.py", *REMEDIES):
            assert part in run.output, words
    status = flask_db(project.url, "status", project=project).output
    assert "  Do: Put the migrations in order first, then: flask db deploy\n" in status
    assert "Head       further and right\n" in status
    assert _tables(project.url) == {"first", "left", "further"}
    assert not list(project.folder.parent.glob("backups/*"))


def test_a_step_without_a_message_has_a_name_that_says_what_it_is(flask_db: FlaskDb, project: Project) -> None:
    assert flask_db(project.url, "merge", "heads", project=project).exit_code == 0
    assert flask_db(project.url, "revision", project=project).exit_code == 0

    pending = json.loads(flask_db(project.url, "status", "--json", project=project).stdout)["pending"]

    assert [step["name"] for step in pending[-2:]] == ["merge_further_right", f"step_{pending[-1]['revision']}"]


def test_the_server_does_not_advise_a_deployment_that_is_refused() -> None:
    first = Step("first", "first")
    position = Position("first", (first, *(Step(name, name, after=("first",)) for name in ("left", "right"))))

    sentence = schema_behind_error(position).detail

    assert "The last ones are left and right; only one is allowed. Run: " in sentence
    assert sentence.endswith(" db status")


@pytest.mark.parametrize("at", mostly_long(["right", "further", "first", "heads"], 4))
def test_after_a_merge_exactly_the_missing_steps_are_planned_and_applied(
    flask_db: FlaskDb, project: Project, at: str
) -> None:
    flask_db(project.url, "upgrade", at, project=project)
    merge = flask_db(project.url, "merge", "heads", "-m", "join", project=project)
    assert merge.exit_code == 0, merge.output
    present = _tables(project.url)

    status = json.loads(flask_db(project.url, "status", "--json", project=project).stdout)
    plan = flask_db(project.url, "plan", project=project)
    deployed = json.loads(flask_db(project.url, "deploy", "--json", "--no-backup", project=project).stdout)

    pending = [step["name"] for step in status["pending"]]
    assert set(pending) == {"first", "left", "further", "right", "join"} - present
    assert re.findall(r"^\d+\. upgrade .*, (\w+)$", plan.output, re.MULTILINE) == pending
    assert (deployed["result"], deployed["applied"]) == ("deployed", len(pending))
    assert _tables(project.url) == {"first", "left", "further", "right"}
    assert "Nothing is pending." in flask_db(project.url, "plan", project=project).output


def test_one_step_back_from_a_merge_says_what_to_type(flask_db: FlaskDb, project: Project) -> None:
    flask_db(project.url, "merge", "heads", "-m", "join", project=project)
    assert flask_db(project.url, "upgrade", project=project).exit_code == 0
    (merge,) = _versions(project.url)

    for verb in ("downgrade", "plan"):
        run = flask_db(project.url, verb, "-1", project=project)
        assert run.exit_code == 1
        assert f"The step {merge} joins further and right, so that -1 is not clear." in run.stderr
        assert "flask db downgrade further, which keeps right too." in run.stderr
        assert "To undo further and right too: flask db downgrade first" in run.stderr
    assert _versions(project.url) == [merge]

    _assert_planned_is_done(flask_db, project, "further", 1)
    assert _versions(project.url) == ["further", "right"]
    for verb in ("downgrade", "plan"):
        run = flask_db(project.url, verb, "-1", project=project)
        assert "The database is at " in run.stderr
        assert "is not clear" in run.stderr
    at = re.search(r"^Revision +(.*)$", flask_db(project.url, "status", project=project).output, re.MULTILINE)
    assert at is not None
    assert sorted(at[1].split(", ")) == ["further", "right"]

    assert flask_db(project.url, "upgrade", project=project).exit_code == 0
    _assert_planned_is_done(flask_db, project, "first", 4)
    assert _tables(project.url) == {"first"}


def _assert_planned_is_done(flask_db: FlaskDb, project: Project, target: str, count: int) -> None:
    plan = flask_db(project.url, "plan", target, project=project).output
    assert len(re.findall(r"^\d+\. downgrade", plan, re.MULTILINE)) == count
    assert flask_db(project.url, "downgrade", "--no-backup", target, project=project).stderr.count("Done: ") == count


def test_for_a_database_at_two_last_migrations_the_merge_is_named(flask_db: FlaskDb, project: Project) -> None:
    assert flask_db(project.url, "upgrade", "heads", project=project).exit_code == 0

    for verb in ("status", "plan", "deploy"):
        run = flask_db(project.url, verb, project=project)
        assert (run.exit_code, "flask db merge heads" in run.output) == (1, True), verb
