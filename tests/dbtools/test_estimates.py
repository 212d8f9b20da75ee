"""How long the fills of a plan take: from the rows a second that this database has seen, and never made up."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from alembic.script import ScriptDirectory
from sqlalchemy import event

from agents_app.dbtools.position import read_position
from agents_app.dbtools.review.estimates import duration_text
from agents_app.dbtools.review.plan import make_plan
from tests.dbtools.conftest import FlaskDb
from tests.dbtools.interrupted_steps import HEAD
from tests.dbtools.tools import Project, create_engine, run_sql

ROWS = """
INSERT INTO t (id) WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 12000)
SELECT n FROM numbers
"""
ADD = "op.add_column('t', sa.Column('{0}', sa.Integer()))"
FILL = """
rows = sa.table('t', sa.column('id', sa.Integer()), sa.column('{0}', sa.Integer()))
op.fill_rows(rows, rows.c.{0}.is_(None), lambda row: {{'{0}': row.id}}, '')
"""
UPDATE = "op.execute('UPDATE t SET b = 1 WHERE id > 500')"


@pytest.fixture
def project(tmp_path: Path, schema_url: str) -> Project:
    """A table of 12,000 rows, after the migrations of the console."""
    run_sql(schema_url, "CREATE TABLE t (id integer PRIMARY KEY)", ROWS, "DELETE FROM applied_steps")
    project = Project(tmp_path, schema_url)
    project.revision(HEAD, "pass")
    project.revision("add_b", ADD.format("b"))
    project.revision("fill_b", FILL.format("b"))
    project.revision("update_b", UPDATE)
    return project


def estimates(flask_db: FlaskDb, project: Project) -> list[dict[str, Any]]:
    """The estimates of the pending steps."""
    plan = json.loads(flask_db(project.url, "plan", "--json", project=project).stdout)
    return [found for step in plan["steps"] for found in step["estimates"]]


def test_without_a_measured_run_no_time_is_made_up(flask_db: FlaskDb, project: Project) -> None:
    output = flask_db(project.url, "plan", project=project).output

    # The new column is empty in every row.
    unknown = "how long it takes is not known: no run has shown the speed of this database yet"
    assert f"   fills at most 12,000 rows of t: {unknown}\n" in output
    assert f"   updates 11,500 rows of t: {unknown}\n" in output
    assert [found["seconds"] for found in estimates(flask_db, project)] == [None, None]


def test_after_a_run_the_time_comes_from_its_speed_and_the_rows_that_are_left(
    flask_db: FlaskDb, project: Project
) -> None:
    assert flask_db(project.url, "deploy", project=project).exit_code == 0
    newest = json.loads(flask_db(project.url, "deployments", "--json").stdout)["deployments"][0]
    assert [(step["filled_rows"], step["updated_rows"]) for step in newest["steps"]] == [
        (None, None),
        (12_000, None),
        (None, 11_500),
    ]
    assert "11,500 rows changed by UPDATE" in flask_db(project.url, "deployments", newest["id"]).output
    run_sql(
        project.url,
        "UPDATE t SET b = NULL WHERE id <= 6000",
        "UPDATE deployment_steps SET seconds = 4 WHERE seconds > 0",
    )
    project.revision("fill_again", FILL.format("b"))
    project.revision("update_again", UPDATE)
    project.revision("fill_few", FILL.format("b").replace("is_(None)", "__eq__(7000)"))

    output = flask_db(project.url, "plan", project=project).output

    run = newest["id"][:8]
    assert f"   fills 6,000 rows of t: about 2 s, as it was 3,000 rows a second in deployment {run}\n" in output
    assert f"   updates 11,500 rows of t: about 4 s, as it was 2,875 rows a second in deployment {run}\n" in output
    assert output.count(" rows of t: ") == 2
    first, second = estimates(flask_db, project)
    assert first == {
        "table": "t",
        "verb": "fills",
        "rows": 6_000,
        "is_counted": True,
        "seconds": 2.0,
        "rows_a_second": 3_000.0,
        "deployment": run,
    }
    assert (second["rows"], second["seconds"]) == (11_500, 4.0)


def test_a_plan_for_a_page_reads_no_table(project: Project) -> None:
    sent: list[str] = []
    engine = create_engine(project.url)
    event.listen(engine, "before_cursor_execute", lambda *call: sent.append(call[2]))
    with engine.connect() as connection:
        script = ScriptDirectory.from_config(project.config())
        steps = make_plan(connection, script, read_position(connection, script), counts=False).steps

    assert [table.rows for table in steps[1].tables] == [None]
    assert [text for text in sent if re.search(r"count\(", text)] == []
    assert [text for text in sent if re.search(r"FROM t\b", text) and "LIMIT" not in text] == []


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.2, "1 s"), (90, "90 s"), (150, "2 min"), (7_000, "117 min"), (9_000, "2.5 h")]
)
def test_a_time_is_rounded(seconds: float, text: str) -> None:
    assert duration_text(seconds) == text
