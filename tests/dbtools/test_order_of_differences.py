"""Differences are written and applied in one order, whatever the order in a set of Python."""

from argparse import Namespace
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from alembic import command
from alembic.script import ScriptDirectory

from tests.dbtools.tools import Project, read_schema

COLUMNS = [f"c{number}" for number in range(6)]
# Each table refers to the one before it. This is not the order of the names.
TABLES = ["m", "z", "a", "q", "b", "x"]


def created(parent: str, name: str) -> str:
    """The line of a step that creates a table with a foreign key."""
    key = f"sa.Column('parent_id', sa.Integer(), sa.ForeignKey('{parent}.id', name=op.f('fk_{name}_parent')))"
    return f"op.create_table('{name}', sa.Column('id', sa.Integer(), primary_key=True), {key})"


def schema(url: str) -> dict[str, Any]:
    """The schema, whatever the order of columns: one that is added again is the last one."""
    found = read_schema(url)
    for table in found["tables"].values():
        table["columns"].sort(key=lambda column: column["name"])
    return found


def migrate(project: Project) -> list[str]:
    """Write the files of the difference, and return their names."""
    config = project.config()
    config.cmd_opts = Namespace(autogenerate=True)
    command.revision(config, "less", autogenerate=True)
    return [step.doc for step in ScriptDirectory(str(project.folder)).walk_revisions()][-2::-1]


def test_tables_without_a_model_are_dropped_before_the_tables_they_refer_to(tmp_path: Path, database_url: str) -> None:
    project = Project(tmp_path, database_url)
    columns = "".join(f", sa.Column('{name}', sa.Text())" for name in COLUMNS)
    kept = f"op.create_table('kept', sa.Column('id', sa.Integer(), primary_key=True){columns})"
    tables = [created(parent, name) for parent, name in zip(["kept", *TABLES], TABLES, strict=False)]
    project.revision("all", "\n".join([kept, *tables]))
    command.upgrade(project.config(), "head")
    before = schema(project.url)
    sa.Table("kept", project.metadata, sa.Column("id", sa.Integer(), primary_key=True))

    files = migrate(project)
    command.upgrade(project.config(), "head")

    assert files == [
        *(f"less_drop_kept_{name}" for name in COLUMNS),
        *(f"less_drop_{name}" for name in reversed(TABLES)),
    ]
    assert read_schema(project.url)["tables"].keys() == {"kept"}
    command.downgrade(project.config(), "all")
    assert schema(project.url) == before
