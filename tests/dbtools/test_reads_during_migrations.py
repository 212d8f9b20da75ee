"""While a migration runs or waits for a lock, a running console still answers requests."""

import shutil
from pathlib import Path

import pytest
from alembic import command
from alembic.util import CommandError
from psycopg2.extensions import get_wait_callback, set_wait_callback
from psycopg2.extras import wait_select
from sqlalchemy.exc import SQLAlchemyError

from agents_app import dbtools
from agents_app.paths import ROOT
from tests import make
from tests.conftest import OpenConsole
from tests.dbtools.tools import REVISION, console_config, create_engine, head_revision, repeat_in_thread

# Longer than a migration waits for its lock.
SET_READER_TIMEOUT = "SET statement_timeout = '3s'"
LOCK_TIMEOUT_S = 1

TABLE = "sa.table('agents', sa.column('id', sa.Uuid()), sa.column('purpose'))"
# Steps that follow head, as those of the next release do: what each does, and what undoes it.
NEXT_STEPS = {
    "add_notes": (
        "op.create_table('notes', sa.Column('id', sa.Uuid(), sa.ForeignKey('agents.id'), primary_key=True))",
        "op.drop_table('notes')",
    ),
    "add_purpose": (
        "op.add_column('agents', sa.Column('purpose', sa.Text()))",
        "with op.batch_alter_table('agents') as batch: batch.drop_column('purpose')",
    ),
    "fill_purpose": (
        f"op.fill_rows({TABLE}, sa.column('purpose').is_(None), lambda _: {{'purpose': 'known'}}, '')",
        "pass",
    ),
    "add_purpose_index": (
        "op.create_index_concurrently('ix_agents_purpose', 'agents', ['purpose'])",
        "op.drop_index_concurrently('ix_agents_purpose', 'agents')",
    ),
}


def test_requests_are_answered_while_steps_are_undone_and_applied(
    schema_url: str, open_console: OpenConsole, tmp_path: Path
) -> None:
    config, head = console_config(schema_url), head_revision()
    config.set_main_option("script_location", str(shutil.copytree(ROOT / "migrations", tmp_path / "migrations")))
    for after, (name, (upgrade, downgrade)) in zip([head, *NEXT_STEPS], NEXT_STEPS.items(), strict=False):
        text = REVISION.format(name=name, after=after, upgrade=f"    {upgrade}", downgrade=f"    {downgrade}")
        (tmp_path / "migrations" / "versions" / f"{name}.py").write_text(text)
    app = open_console(schema_url)
    person = make.make_user(app)
    make.make_agent(app, person)
    headers = {"Authorization": f"Bearer {make.make_token(app, person)}"}
    statuses: list[int] = []

    def list_agents() -> None:
        statuses.append(app.test_client().get("/api/v1/agents", headers=headers).status_code)

    with repeat_in_thread(list_agents):
        for _ in range(3):
            command.upgrade(config, "head")
            command.downgrade(config, head)

    assert set(statuses) == {200}


def test_a_migration_leaves_the_wait_callback_of_the_process_as_it_was(sqlite_schema_url: str) -> None:
    set_wait_callback(wait_select)
    try:
        command.upgrade(console_config(sqlite_schema_url), "head")

        assert get_wait_callback() is wait_select
    finally:
        set_wait_callback(None)


def test_readers_are_answered_while_a_migration_waits_for_its_lock(postgres_schema_url: str) -> None:
    failures: list[SQLAlchemyError] = []
    answers: list[int] = []
    limits = dbtools.Limits(migration_timeout=0, table_timeout=LOCK_TIMEOUT_S, attempts=3, retry_delay=0.1)
    engine = create_engine(postgres_schema_url)
    # The next downgrade drops columns, which locks out all other sessions.
    command.downgrade(console_config(postgres_schema_url), "d90b4f6a7c21")

    def read() -> None:
        try:
            with engine.begin() as connection:
                connection.exec_driver_sql(SET_READER_TIMEOUT)
                answers.append(connection.exec_driver_sql("SELECT count(*) FROM agents").scalar_one())
        except SQLAlchemyError as error:
            failures.append(error)

    with engine.connect() as lock_holder, repeat_in_thread(read):
        lock_holder.exec_driver_sql("SELECT * FROM agents")
        with pytest.raises(CommandError, match="Blocked by process"):
            command.downgrade(console_config(postgres_schema_url, limits), "61e7b29d3f0c")

    assert answers
    assert failures == []
