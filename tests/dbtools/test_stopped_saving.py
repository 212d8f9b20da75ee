"""A step that drops rows and is stopped: no file of rows that are still there, and what cannot be known is said."""

from pathlib import Path

import pytest
from alembic import command

from tests import postgres
from tests.dbtools.interrupted_steps import TERMINATE_MIGRATIONS, run_before_statement, upgrade_error
from tests.dbtools.tools import Project, fetch_rows, run_sql


def _project(folder: Path, url: str) -> Project:
    run_sql(url, "CREATE TABLE t (a text)", "INSERT INTO t VALUES ('x')")
    project = Project(folder, url)
    project.revision("one", "op.drop_table('t')")
    return project


def test_where_only_the_connection_is_lost_the_file_of_rows_that_are_still_there_goes(
    postgres_url: str, tmp_path: Path, backup_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    project = _project(tmp_path, postgres_url)

    with run_before_statement("DROP TABLE", lambda: fetch_rows(postgres_url, TERMINATE_MIGRATIONS)):
        upgrade_error(project)

    assert "restore-rows" not in capsys.readouterr().err
    assert list(backup_folder.iterdir()) == []
    assert fetch_rows(postgres_url, "SELECT * FROM t") == [("x",)]


def test_where_the_server_cannot_be_asked_the_file_stays_and_this_is_said(
    cluster: postgres.Cluster, tmp_path: Path, backup_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with postgres.database(cluster.url) as url:
        project = _project(tmp_path, url)
        with run_before_statement("DROP TABLE", cluster.kill):
            upgrade_error(project)
        cluster.start()

        (folder,) = backup_folder.iterdir()
        sentence = "It is unknown whether the saved rows were dropped: the server does not answer. If they were: "
        assert f"{sentence}flask db restore-rows {folder}" in capsys.readouterr().err
        assert fetch_rows(url, "SELECT * FROM t") == [("x",)]
        command.upgrade(project.config(), "head")
