"""The names that `flask db migrate` gives to the files of a difference, and to their steps."""

from argparse import Namespace
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.script import ScriptDirectory

from tests.dbtools.everyday_changes import CHANGES, declare
from tests.dbtools.test_generated_steps import new_project
from tests.dbtools.tools import Project

DEFAULT = CHANGES["a required column with a default in Python"]
PARTS = ["", "_fill_agents_purpose", "_not_null_agents_purpose"]


def _steps(project: Project, message: str | None, revision: str | None = None) -> list[Path]:
    config = project.config()
    config.cmd_opts = Namespace(autogenerate=True)
    known = set(project.versions.glob("*.py"))
    command.revision(config, message, autogenerate=True, rev_id=revision)
    steps = ScriptDirectory(str(project.folder)).walk_revisions()
    return [path for path in (Path(step.path) for step in reversed(list(steps))) if path not in known]


def _titles(project: Project) -> list[str]:
    return [step.doc for step in reversed(list(ScriptDirectory(str(project.folder)).walk_revisions()))][1:]


@pytest.mark.parametrize(
    ("message", "words"),
    [
        ("add_purpose", "add_purpose"),
        ("Big change", "big_change"),
        ('it\'s "big" \\ 100%: a/b', "it_s_big_100_a_b"),
        ("two\nlines", "two_lines"),
        ("größer 大", "größer_大"),
        ("''", ""),
        ("", ""),
        (None, ""),
    ],
)
def test_each_file_has_the_words_of_the_message_and_its_part(
    tmp_path: Path, sqlite_url: str, message: str | None, words: str
) -> None:
    project = new_project(tmp_path, sqlite_url)
    declare(project.metadata, DEFAULT.models())

    names = [path.stem.partition("_")[2] for path in _steps(project, message)]
    command.upgrade(project.config(), "head")

    assert names == [f"{words}{part}".strip("_") or "change" for part in PARTS]
    assert _titles(project) == names


@pytest.mark.parametrize("letter", ["x", "大", "x "])
def test_the_part_is_in_the_name_also_after_a_very_long_message(tmp_path: Path, sqlite_url: str, letter: str) -> None:
    project = new_project(tmp_path, sqlite_url)
    declare(project.metadata, DEFAULT.models())

    names = [path.stem for path in _steps(project, letter * 400)]

    assert [name.endswith(part) for name, part in zip(names, PARTS, strict=True)] == [True, True, True]
    assert max(len(name.encode()) for name in names) < 140


@pytest.mark.parametrize("message", [None, "大" * 200])
def test_one_marked_file_is_marked_whatever_its_message(tmp_path: Path, sqlite_url: str, message: str | None) -> None:
    project = new_project(tmp_path, sqlite_url)
    declare(project.metadata, CHANGES["no default"].models())

    (file,) = _steps(project, message)

    assert "\nafter_release = True\n" in file.read_text()
    assert len(file.stem.encode()) < 140


@pytest.mark.parametrize("revision", [None, "0123456789ab"])
def test_a_list_of_the_files_has_the_order_of_the_steps(tmp_path: Path, sqlite_url: str, revision: str | None) -> None:
    project = new_project(tmp_path, sqlite_url)
    declare(project.metadata, DEFAULT.models())

    files = _steps(project, "change", revision)

    assert files == sorted(files)
    assert len(files) == 3


def test_names_that_are_longer_than_those_of_postgresql(tmp_path: Path, database_url: str) -> None:
    name = "a_column_with_a_name_of_sixty_characters_that_is_very_long_x"
    project = new_project(tmp_path, database_url)
    models = CHANGES["a nullable column"].models()
    models["agents"] |= {
        name: sa.Column(sa.ForeignKey("accounts.id"), index=True),
        "long_unique": sa.UniqueConstraint(name, "title"),
    }
    declare(project.metadata, models)

    _steps(project, "change")
    command.upgrade(project.config(), "head")

    command.check(project.config())
    command.downgrade(project.config(), "tables")
