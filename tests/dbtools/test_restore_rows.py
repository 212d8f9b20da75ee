"""Saved rows are restored completely, or not at all, with the cause in one line."""

from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.util import CommandError

from agents_app.database.url import parse_url
from agents_app.dbtools.runner.error_messages import readable_errors
from agents_app.dbtools.saved_rows.restore import BATCH_SIZE, RestoredRows, restore_rows
from tests.dbtools.tools import Project, fetch_rows, run_sql

FAMILY = """
op.create_table('parents', sa.Column('id', sa.Integer(), primary_key=True), sa.Column('kind', sa.Text()))
op.create_table('children',
    sa.Column('id', sa.Integer(), primary_key=True),
    sa.Column('parent_id', sa.Integer(), sa.ForeignKey('parents.id', ondelete='CASCADE')),
    sa.Column('note', sa.Text(), nullable=False, server_default='none'))
"""
FAMILY_ROWS = (
    "INSERT INTO parents VALUES (1, 'a'), (2, NULL), (3, '')",
    "INSERT INTO children VALUES (1, 1, 'none'), (2, 1, 'x'), (3, 2, 'y')",
)
DROP_FAMILY = "op.drop_table('children')\nop.drop_table('parents')"
DROP_NOTE = "with op.batch_alter_table('children') as batch:\n    batch.drop_column('note')"
ADD_NOTE = "op.add_column('children', sa.Column('note', sa.Text(), nullable=False, server_default='none'))"


@pytest.fixture
def project(tmp_path: Path, database_url: str) -> Project:
    """A folder of migrations, on SQLite and on PostgreSQL."""
    return Project(tmp_path, database_url)


@pytest.fixture
def family(project: Project) -> Project:
    """Parents and children. The second migration creates their tables; its downgrade drops them."""
    project.revision("none", "pass")
    project.revision("one", FAMILY, DROP_FAMILY)
    command.upgrade(project.config(), "head")
    run_sql(project.url, *FAMILY_ROWS)
    return project


@pytest.fixture
def notes(project: Project) -> Project:
    """Parents and children. The last migration adds the column `note`; its downgrade drops it."""
    project.revision("none", FAMILY.replace(", nullable=False, server_default='none'", ""))
    project.revision("zero", DROP_NOTE)
    project.revision("one", ADD_NOTE, DROP_NOTE)
    command.upgrade(project.config(), "head")
    run_sql(project.url, *FAMILY_ROWS)
    return project


def test_a_path_without_saved_rows_is_refused(sqlite_schema_url: str, tmp_path: Path) -> None:
    (tmp_path / "text").write_text("hello\n")
    (tmp_path / "empty").mkdir()

    assert "There is no " in _refusal(sqlite_schema_url, tmp_path / "absent")
    assert "There are no saved rows in" in _refusal(sqlite_schema_url, tmp_path / "empty")
    assert "is not a file of saved rows" in _refusal(sqlite_schema_url, tmp_path / "text")


def test_rows_without_their_table_are_refused(family: Project, backup_folder: Path) -> None:
    folder = _down(family, backup_folder)

    assert "There is no table parents for these rows. They were saved at revision one" in _refusal(family.url, folder)


def test_more_rows_than_one_batch_are_restored(family: Project, backup_folder: Path) -> None:
    many = BATCH_SIZE + 1
    run_sql(family.url, *(f"INSERT INTO parents (id) VALUES ({number})" for number in range(4, many + 1)))

    _restore(family.url, _down_and_up(family, backup_folder))

    assert fetch_rows(family.url, "SELECT count(*) FROM parents") == [(many,)]


def test_rows_of_another_database_type_are_refused(family: Project, backup_folder: Path) -> None:
    folder = _down_and_up(family, backup_folder)
    others = {"sqlite": "postgresql", "postgresql": "sqlite"}
    name = parse_url(family.url).get_backend_name()
    for file in folder.iterdir():
        file.write_text(file.read_text().replace(f'"{name}"', f'"{others[name]}"'))

    assert "These rows are from " in _refusal(family.url, folder)


def test_missing_columns_are_named(family: Project, backup_folder: Path) -> None:
    folder = _down_and_up(family, backup_folder)
    run_sql(family.url, "ALTER TABLE parents RENAME COLUMN kind TO sort")

    assert "The table parents has no column kind for these rows" in _refusal(family.url, folder)


def test_a_required_column_without_values_is_named(family: Project, backup_folder: Path) -> None:
    folder = _down_and_up(family, backup_folder)
    run_sql(family.url, "DROP TABLE children", "DROP TABLE parents")
    run_sql(family.url, "CREATE TABLE parents (id integer PRIMARY KEY, kind text, extra text NOT NULL)")

    assert "The table parents needs extra, which these rows do not have" in _refusal(family.url, folder)


def test_existing_rows_are_counted_and_nothing_is_changed(family: Project, backup_folder: Path) -> None:
    folder = _down_and_up(family, backup_folder)
    run_sql(family.url, "INSERT INTO parents VALUES (7, 'new')", "INSERT INTO children VALUES (2, 7, 'n'), (3, 7, 'n')")

    assert "The table children already contains 2 of these rows. Nothing was changed." in _refusal(family.url, folder)

    assert fetch_rows(family.url, "SELECT id FROM parents") == [(7,)]


def test_rows_without_parents_are_refused(family: Project, backup_folder: Path) -> None:
    folder = _down_and_up(family, backup_folder)

    refusal = _refusal(family.url, next(folder.glob("*children*")))

    assert "foreign key" in refusal or "3 of children without parents" in refusal
    assert "Nothing was changed" in refusal
    assert "\n" not in refusal
    assert fetch_rows(family.url, "SELECT * FROM children") == []


@pytest.mark.parametrize("damage", ["truncated", "missing line", "broken line", "extra line"])
def test_a_damaged_file_is_refused_and_nothing_is_changed(family: Project, backup_folder: Path, damage: str) -> None:
    folder = _down_and_up(family, backup_folder)
    file = next(folder.glob("*children*"))
    header, *rows, end = file.read_text().splitlines(keepends=True)
    texts = {
        "truncated": [header, *rows],
        "missing line": [header, *rows[1:], end],
        "broken line": [header, rows[0][:4], *rows[1:], end],
        "extra line": [header, *rows, end, rows[0]],
    }
    file.write_text("".join(texts[damage]))

    assert "is damaged" in _refusal(family.url, folder)

    assert fetch_rows(family.url, "SELECT * FROM parents") == []


def test_newer_values_are_counted_and_nothing_is_changed(notes: Project, backup_folder: Path) -> None:
    folder = _down_and_up(notes, backup_folder)
    run_sql(notes.url, "UPDATE children SET note = 'newer' WHERE id = 2")

    assert "children.note already has other values in 1 row. Nothing was changed." in _refusal(notes.url, folder)

    assert _notes(notes.url) == [(1, "none"), (2, "newer"), (3, "none")]


def test_values_of_rows_without_a_key_are_refused(project: Project, backup_folder: Path) -> None:
    project.revision("none", "op.create_table('t', sa.Column('a', sa.Integer()), sa.Column('b', sa.Integer()))")
    project.revision("one", "op.drop_column('t', 'b')", "op.add_column('t', sa.Column('b', sa.Integer()))")
    command.upgrade(project.config(), "none")
    run_sql(project.url, "INSERT INTO t VALUES (1, 2)")
    command.upgrade(project.config(), "one")
    command.downgrade(project.config(), "none")

    assert "The rows of t had no primary key" in _refusal(project.url, _folder(backup_folder))


def test_parents_and_children_are_restored(family: Project, backup_folder: Path) -> None:
    before = _all_rows(family.url)
    folder = _down_and_up(family, backup_folder)

    restored = _restore(family.url, folder)

    assert restored == [RestoredRows("parents", None, 3, 0, 0), RestoredRows("children", None, 3, 0, 0)]
    assert _all_rows(family.url) == before


def test_values_are_restored_to_their_rows(notes: Project, backup_folder: Path) -> None:
    folder = _down_and_up(notes, backup_folder)
    run_sql(notes.url, "DELETE FROM children WHERE id = 3", "INSERT INTO children VALUES (4, 1, 'new')")

    assert _restore(notes.url, folder) == [RestoredRows("children", "note", 2, 0, 1)]

    assert _notes(notes.url) == [(1, "none"), (2, "x"), (4, "new")]


def test_existing_rows_can_be_kept(family: Project, backup_folder: Path) -> None:
    folder = _down_and_up(family, backup_folder)
    run_sql(family.url, "INSERT INTO parents VALUES (1, 'newer')")

    assert _restore(family.url, folder, keep=True)[0] == RestoredRows("parents", None, 2, 1, 0)

    assert fetch_rows(family.url, "SELECT * FROM parents ORDER BY id") == [(1, "newer"), (2, None), (3, "")]


def test_newer_values_can_be_kept(notes: Project, backup_folder: Path) -> None:
    folder = _down_and_up(notes, backup_folder)
    run_sql(notes.url, "UPDATE children SET note = 'newer' WHERE id = 2")

    assert _restore(notes.url, folder, keep=True) == [RestoredRows("children", "note", 2, 1, 0)]

    assert _notes(notes.url) == [(1, "none"), (2, "newer"), (3, "y")]


def test_rows_that_refer_to_each_other_are_restored(project: Project, backup_folder: Path) -> None:
    columns = "sa.Column('id', sa.Integer(), primary_key=True), sa.Column('boss', sa.Integer(), sa.ForeignKey('t.id'))"
    project.revision("none", "pass")
    project.revision("one", f"op.create_table('t', {columns})", "op.drop_table('t')")
    command.upgrade(project.config(), "head")
    run_sql(project.url, "INSERT INTO t VALUES (1, 3), (2, 1), (3, 2)")

    _restore(project.url, _down_and_up(project, backup_folder))

    assert fetch_rows(project.url, "SELECT * FROM t ORDER BY id") == [(1, 3), (2, 1), (3, 2)]


def _down(project: Project, backup_folder: Path) -> Path:
    command.downgrade(project.config(), "-1")
    return _folder(backup_folder)


def _down_and_up(project: Project, backup_folder: Path) -> Path:
    folder = _down(project, backup_folder)
    command.upgrade(project.config(), "head")
    return folder


def _folder(backup_folder: Path) -> Path:
    return sorted(backup_folder.iterdir())[-1]


def _restore(url: str, path: Path, *, keep: bool = False) -> list[RestoredRows]:
    return restore_rows(parse_url(url), path, sa.MetaData(), keep=keep)


def _refusal(url: str, path: Path) -> str:
    with pytest.raises(CommandError) as refusal, readable_errors(parse_url(url)):
        _restore(url, path)
    return str(refusal.value)


def _all_rows(url: str) -> list[list[tuple[object, ...]]]:
    return [fetch_rows(url, f"SELECT * FROM {table} ORDER BY id") for table in ("parents", "children")]


def _notes(url: str) -> list[tuple[object, ...]]:
    return fetch_rows(url, "SELECT id, note FROM children ORDER BY id")
