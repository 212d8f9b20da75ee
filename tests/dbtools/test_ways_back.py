"""Ways back that rows stop: one clear line says which rows, and how to continue."""

from pathlib import Path

import pytest
from alembic import command
from alembic.util import CommandError

from tests.dbtools.conftest import FlaskDb
from tests.dbtools.everyday_changes import CHANGES, Change
from tests.dbtools.test_generated_steps import generate, new_project
from tests.dbtools.tools import fetch_rows, run_sql


def test_values_of_a_required_unique_column_are_restored_in_the_middle_of_the_way_back(
    tmp_path: Path, database_url: str, backup_folder: Path, flask_db: FlaskDb
) -> None:
    project = new_project(tmp_path, database_url)
    optional = generate(project, Change(lambda: {"agents": {"title": None, "uq": None}}))[0]
    revision = optional.name.partition("_")[0]
    command.upgrade(project.config(), "head")

    stopped = flask_db(project.url, "downgrade", "tables", project=project)
    flask_db(project.url, "downgrade", revision, project=project)
    restored = flask_db(project.url, "restore-rows", *map(str, backup_folder.glob("rows-*")), project=project)
    again = flask_db(project.url, "downgrade", "tables", project=project)

    line = " ".join(stopped.output.split())
    first = f"flask db downgrade {revision}, then " if project.url.startswith("sqlite") else ""
    assert "2 rows of agents without a value in title. Restore the values that were saved" in line
    assert f"when the column was dropped: {first}flask db restore-rows FOLDER, then run the command again." in line
    assert (stopped.exit_code, restored.exit_code, again.exit_code) == (1, 0, 0), restored.output + again.output
    assert fetch_rows(project.url, "SELECT title FROM agents ORDER BY id") == [("First",), ("Second",)]


def test_a_label_that_rows_hold_is_not_removed(tmp_path: Path, database_url: str) -> None:
    project = new_project(tmp_path, database_url)
    generate(project, CHANGES["a label"])
    command.upgrade(project.config(), "head")
    run_sql(project.url, "UPDATE agents SET kind = 'C'")

    refusal = "2 rows of agents with the label C in kind. Give each row another label, then run the command again."
    with pytest.raises(CommandError, match=refusal):
        command.downgrade(project.config(), "tables")

    run_sql(project.url, "UPDATE agents SET kind = 'A'")
    command.downgrade(project.config(), "tables")
