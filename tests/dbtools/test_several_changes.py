"""Several changes of the models at once, chosen at random: the files of migrate apply, and can be undone."""

import random
import re
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic import command

from tests.dbtools.everyday_changes import AGENT, CHANGES, ONE, THREE, Change
from tests.dbtools.test_generated_steps import answer, generate, new_project, plan_of, schema_of
from tests.dbtools.tools import fetch_rows, run_sql

SEEDS = (0, 1, 2, 3, 5)
ADD_AMOUNT = """
op.add_column('agents', sa.Column('amount', sa.Integer(), server_default='7', nullable=False))
with op.batch_alter_table('agents') as batch:
    batch.alter_column('amount', server_default=None)
"""
CREATE_DATE = re.compile(r"^Create Date: .*$", re.MULTILINE)
# They need the columns that other changes drop, or drop the rows that are counted.
ALONE = {"no table"}


def _chosen(seed: int) -> Change:
    """Up to four changes that do not touch the same things."""
    names = sorted(CHANGES.keys() - ALONE)
    random.Random(seed).shuffle(names)
    taken: set[tuple[str, str]] = set()
    chosen: list[str] = []
    for name in names:
        touched = set(_touched(CHANGES[name]))
        if not touched & taken and len(chosen) < 4:
            chosen.append(name)
            taken |= touched
    sys.stdout.write(f"seed {seed}: {', '.join(chosen)}\n")
    return Change(partial(_merged, chosen))


def _touched(change: Change) -> Iterator[tuple[str, str]]:
    for table, items in change.items().items():
        for name, item in (items or {}).items():
            yield table, name
            # Columns that an index or a rule names must stay as they are.
            text = re.findall(r"\w+", f"{item} {getattr(item, 'expressions', '')} {getattr(item, 'sqltext', '')}")
            if not isinstance(item, sa.Column):
                words = [*text, *map(str, getattr(item, "_pending_colargs", ())), *getattr(item, "column_keys", ())]
                yield from ((table, word) for word in words)
    changed = [item for items in change.items().values() for item in (items or {}).values()]
    if change.answer is not None or any(item is None for item in changed):
        # A column that is gone and one that came may be one renamed column.
        yield "agents", "a column that is gone"


def _merged(names: list[str]) -> dict[str, dict[str, Any] | None]:
    merged: dict[str, dict[str, Any] | None] = {}
    for name in names:
        for table, items in CHANGES[name].items().items():
            merged[table] = {**(merged.get(table) or {}), **(items or {})}
    return merged


@pytest.mark.long
@pytest.mark.parametrize("seed", SEEDS)
def test_several_changes_are_applied_undone_and_applied_again(tmp_path: Path, database_url: str, seed: int) -> None:
    project = new_project(tmp_path, database_url)
    before = schema_of(project.url)
    change = _chosen(seed)
    files = generate(project, change)
    answer(files, True)

    assert not [warning for step in plan_of(project) for warning in step.warnings if warning.level.name == "DANGER"]
    command.upgrade(project.config(), "head")
    after = schema_of(project.url)
    command.check(project.config())
    command.downgrade(project.config(), f"-{len(files)}")
    assert schema_of(project.url) == before
    command.upgrade(project.config(), "head")
    assert schema_of(project.url) == after
    assert fetch_rows(project.url, "SELECT count(*) FROM agents") == [(2,)]


@pytest.mark.long
@pytest.mark.parametrize("seed", SEEDS)
def test_several_changes_have_the_same_files_on_both_databases(
    tmp_path: Path, sqlite_url: str, postgres_url: str, seed: int
) -> None:
    change = _chosen(seed)
    written = [
        [(file.name, CREATE_DATE.sub("", file.read_text())) for file in generate(new_project(tmp_path, url), change)]
        for url in (sqlite_url, postgres_url)
    ]

    assert written[0] == written[1]


def test_a_type_that_becomes_a_new_enum_is_created_first(tmp_path: Path, database_url: str) -> None:
    project = new_project(tmp_path, database_url)
    names = sa.Column(sa.Enum("one", "two", name="known_name", create_constraint=True), nullable=False)
    (first,) = generate(project, Change(lambda: {"agents": {"name": names}}))

    command.upgrade(project.config(), "head")
    command.check(project.config())

    assert "op.create_enum('known_name', 'one', 'two')" in first.read_text()
    assert fetch_rows(project.url, "SELECT name FROM agents ORDER BY id") == [("one",), ("two",)]
    command.downgrade(project.config(), "tables")
    assert fetch_rows(project.url, "SELECT name FROM agents ORDER BY id") == [("one",), ("two",)]


def test_a_required_number_that_no_model_has_is_zero_in_rows_of_the_new_release(
    tmp_path: Path, database_url: str
) -> None:
    project = new_project(tmp_path, database_url)
    project.revision("amount", ADD_AMOUNT, "op.drop_column('agents', 'amount')")
    command.upgrade(project.config(), "head")
    (default, drop) = generate(project, Change(dict))[1:]

    command.upgrade(project.config(), "+1")
    run_sql(project.url, f"INSERT INTO agents {AGENT} VALUES ('{THREE}', 'c', 'C', 'c', '', 1, 'A', NULL, '{ONE}')")

    assert fetch_rows(project.url, "SELECT amount FROM agents ORDER BY id") == [(7,), (7,), (0,)]
    assert "server_default=sa.text('0')" in default.read_text()
    assert "server_default=sa.text('0')" in drop.read_text()
    command.upgrade(project.config(), "head")
    command.downgrade(project.config(), "amount")
