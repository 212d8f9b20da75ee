"""While a migration runs or waits for a lock, a running console still answers requests."""

import pytest
from alembic import command
from alembic.util import CommandError
from sqlalchemy.exc import SQLAlchemyError

from agents_app import dbtools
from agents_app.database.url import parse_url
from tests import make
from tests.conftest import OpenConsole
from tests.dbtools.tools import console_config, create_engine, repeat_in_thread

# Longer than a migration waits for its lock.
SET_READER_TIMEOUT = "SET statement_timeout = '3s'"
LOCK_TIMEOUT_S = 1


def test_requests_are_answered_while_steps_are_undone_and_applied(schema_url: str, open_console: OpenConsole) -> None:
    app = open_console(schema_url)
    person = make.make_user(app)
    make.make_agent(app, person)
    headers = {"Authorization": f"Bearer {make.make_token(app, person)}"}
    statuses: list[int] = []

    def list_agents() -> None:
        statuses.append(app.test_client().get("/api/v1/agents", headers=headers).status_code)

    with repeat_in_thread(list_agents):
        for _ in range(3):
            command.downgrade(console_config(schema_url), "18ad6f3c902e")
            command.upgrade(console_config(schema_url), "head")

    assert set(statuses) == {200}


def test_readers_are_answered_while_a_migration_waits_for_its_lock(postgres_schema_url: str) -> None:
    failures: list[SQLAlchemyError] = []
    answers: list[int] = []
    lock_settings = dbtools.LockSettings(migration_timeout=0, table_timeout=LOCK_TIMEOUT_S, attempts=3, retry_delay=0.1)
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
            command.downgrade(dbtools.alembic_config(parse_url(postgres_schema_url), lock_settings), "61e7b29d3f0c")

    assert answers
    assert failures == []
