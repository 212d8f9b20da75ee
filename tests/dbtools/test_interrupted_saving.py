"""A step that drops rows is interrupted: the files of rows that still exist are removed, or the user is informed."""

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


def test_the_file_is_removed_if_the_connection_is_lost_before_the_drop(
    postgres_url: str, tmp_path: Path, backup_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    project = _project(tmp_path, postgres_url)

    with run_before_statement("DROP TABLE", lambda: fetch_rows(postgres_url, TERMINATE_MIGRATIONS)):
        upgrade_error(project)

    assert "restore-rows" not in capsys.readouterr().err
    assert list(backup_folder.iterdir()) == []
    assert fetch_rows(postgres_url, "SELECT * FROM t") == [("x",)]


def test_the_file_is_kept_and_reported_if_the_server_does_not_answer(
    cluster: postgres.Cluster, tmp_path: Path, backup_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with postgres.database(cluster.url) as url:
        project = _project(tmp_path, url)
        with run_before_statement("DROP TABLE", cluster.kill):
            upgrade_error(project)
        cluster.start()

        (folder,) = backup_folder.iterdir()
        message = "It is unknown whether the saved rows were dropped: the server does not answer. If they were: "
        assert f"{message}flask db restore-rows {folder}" in capsys.readouterr().err
        assert fetch_rows(url, "SELECT * FROM t") == [("x",)]
        command.upgrade(project.config(), "head")
