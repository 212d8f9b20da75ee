"""Helpers for tests of stopped runs: steps of every kind, and processes that are stopped at a certain statement."""

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.engine import Connection, Engine

from agents_app.database.url import parse_url
from agents_app.dbtools.database.connections import APPLICATION
from tests.dbtools.interrupted_steps import HEAD
from tests.dbtools.tools import Project, create_engine

ROWS = (
    *(f"INSERT INTO t (id, a, shade) VALUES ({number}, {number * 10}, 'NEW')" for number in range(1, 8)),
    *(f"INSERT INTO gone (id, note) VALUES ({number}, 'note {number}')" for number in range(1, 4)),
)
TABLES = """
op.create_table('t',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('a', sa.Integer()),
    sa.Column('shade', sa.Enum('OLD', 'NEW', name='shade', create_constraint=True), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_t')),
)
op.create_index('ix_t_a', 't', ['a'])
op.create_table('gone', sa.Column('id', sa.Integer(), primary_key=True), sa.Column('note', sa.Text()))
"""
BATCH = "with op.batch_alter_table('t') as batch:\n    batch."
FILL = """
rows = sa.table('t', sa.column('id', sa.Integer()), sa.column('b', sa.Integer()))
op.fill_rows(rows, rows.c.b.is_(None), lambda row: {'b': row.id * 7}, 'UPDATE t SET b = id * 7 WHERE b IS NULL')
"""
FOREIGN_KEY = "create_foreign_key(op.f('fk_t_of_t'), 't', ['of'], ['id'], postgresql_not_valid=True)"
COLUMNS = ("b", "c", "of")
ADD_GONE = "op.create_table('gone', sa.Column('id', sa.Integer(), primary_key=True), sa.Column('note', sa.Text()))"
# What each step does, and what its downgrade does. The names of marked steps begin with `finish_`.
STEPS = {
    "tables": (TABLES, "op.drop_table('t')\nop.drop_table('gone')\nop.drop_enum('shade', 'OLD', 'NEW')"),
    "require": ("op.require('SELECT 1 FROM t WHERE id < 0', 'There are negative ids.')", "pass"),
    "column": (
        "\n".join(f"op.add_column('t', sa.Column('{name}', sa.Integer()))" for name in COLUMNS),
        "\n".join(f"{BATCH}drop_column('{name}')" for name in COLUMNS),
    ),
    "label": ("op.add_enum_value('shade', 'DARK')", "op.remove_enum_value('shade', 'DARK')"),
    "fill": (FILL, "pass"),
    "rename": ("op.answer_rename('t', 'a', 'c', is_rename=True)", "pass"),
    "index": ("op.create_index_concurrently('ix_t_b', 't', ['b'])", "op.drop_index_concurrently('ix_t_b', 't')"),
    "check": (
        f"{BATCH}create_check_constraint(op.f('ck_t_b'), 'b > 0', postgresql_not_valid=True)",
        f"{BATCH}drop_constraint(op.f('ck_t_b'), type_='check')",
    ),
    "check_validated": ("op.validate_constraint('ck_t_b', 't')", "pass"),
    "key": (f"{BATCH}{FOREIGN_KEY}", f"{BATCH}drop_constraint(op.f('fk_t_of_t'), type_='foreignkey')"),
    "key_validated": ("op.validate_constraint('fk_t_of_t', 't')", "pass"),
    "unique": (
        "op.add_unique_constraint('uq_t_c', 't', ['c'])",
        f"{BATCH}drop_constraint(op.f('uq_t_c'), type_='unique')",
    ),
    "no_index": ("op.drop_index_concurrently('ix_t_a', 't')", "op.create_index_concurrently('ix_t_a', 't', ['a'])"),
    "finish_not_null": ("op.set_not_null('t', 'b')", f"{BATCH}alter_column('b', nullable=True)"),
    "finish_column": (f"{BATCH}drop_column('a')", "op.add_column('t', sa.Column('a', sa.Integer()))"),
    "finish_label": ("op.remove_enum_value('shade', 'OLD')", "op.add_enum_value('shade', 'OLD')"),
    "finish_table": ("op.drop_table('gone')", ADD_GONE),
}
CHANGES = ("INSERT", "UPDATE", "DELETE", "ALTER", "CREATE", "DROP", "DO ", "\nDO", "LOCK")
MIGRATES = "SELECT 1 FROM pg_stat_activity WHERE application_name = '{}' AND datname = current_database()"


def project_with_every_step(folder: Path, url: str) -> Project:
    """Create migrations with a step of each kind, and the model to which they lead."""
    project = Project(folder, url)
    add_model(project.metadata)
    project.revision(HEAD, "pass")
    for name, (upgrade, downgrade) in STEPS.items():
        path = project.revision(name, upgrade, downgrade)
        if name.startswith("finish_"):
            path.write_text(f"{path.read_text()}\nafter_release = True\n")
    return project


def add_model(metadata: sa.MetaData) -> sa.Table:
    """Add the table to which the steps lead."""
    return sa.Table(
        "t",
        metadata,
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("shade", sa.Enum("NEW", "DARK", name="shade", create_constraint=True), nullable=False),
        sa.Column("b", sa.Integer(), sa.CheckConstraint("b > 0", name="b"), nullable=False, index=True),
        sa.Column("c", sa.Integer(), unique=True),
        sa.Column("of", sa.Integer(), sa.ForeignKey("t.id")),
    )


def run_in_process(command: Callable[[], tuple[int, str]], act: Callable[[], object], at: int, output: Path) -> int:
    """Run a command in a process of its own, and call `act` there before a certain statement or commit.

    `at` counts from the first statement that changes something; with 0, `act` is not called. Returns the exit code,
    which is negative for a signal. `output` has what the command printed.
    """
    child = os.fork()
    if child == 0:
        code = 70
        try:
            _call_before_statement(act, at)
            code, text = command()
            output.write_text(text)
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def _call_before_statement(act: Callable[[], object], at: int) -> None:
    count, is_acting = 0, False

    def listen(_connection: Connection, *rest: Any) -> None:
        nonlocal count, is_acting
        if is_acting or (count == 0 and not (rest and rest[1].startswith(CHANGES))):
            return
        count += 1
        if count == at:
            is_acting = True
            act()
            is_acting = False

    event.listen(Engine, "before_cursor_execute", listen)
    event.listen(Engine, "commit", listen)


def kill_this_process() -> None:
    """Kill the process, as `kill -9` does."""
    os.kill(os.getpid(), signal.SIGKILL)


def wait_until_no_migration_runs(url: str) -> None:
    """Wait until the server has noticed that the sessions of migrations are gone."""
    if parse_url(url).get_backend_name() == "sqlite":
        return
    with create_engine(url).connect() as connection:
        while connection.exec_driver_sql(MIGRATES.format(APPLICATION)).first() is not None:
            connection.rollback()
