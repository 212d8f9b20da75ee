"""What PostgreSQL has planned for a connection refuses as at first, and ends with the tables it was planned for."""

import pytest
import sqlalchemy as sa
from flask import Flask

from agents_app.database import prepared
from agents_app.db import db
from agents_app.models import Account, ApiToken
from tests.api.conftest import Client
from tests.api.test_statements import counted
from tests.conftest import OpenConsole
from tests.make import make_agent, make_token, make_user

OFTEN = range(prepared.PREPARED_FROM_USE + 1)
NAME = prepared.prepared(sa.select(Account.name).where(Account.id == sa.bindparam("id"), Account.name.notlike("%x")))
PREPARED = sa.text("SELECT count(*) FROM pg_prepared_statements")
# Each of these happens while a connection has its plans.
CHANGES = (
    "ALTER TABLE agents ALTER COLUMN name TYPE varchar(300)",
    "ALTER TABLE api_tokens ALTER COLUMN name TYPE varchar(300)",
    "ALTER TABLE agents ADD COLUMN more text",
)


@pytest.fixture
def app(postgres_schema_url: str, open_console: OpenConsole) -> Flask:
    """A console on PostgreSQL."""
    return open_console(postgres_schema_url)


def change(statement: str) -> None:
    """Change the database."""
    with db.transaction() as session:
        session.execute(sa.text(statement))


def test_a_token_that_is_revoked_or_expired_is_refused_at_once(app: Flask) -> None:
    for ended in ("revoked_at", "expires_at"):
        api = Client(app, make_token(app, make_user(app)))
        for _ in OFTEN:
            assert api.get("/agents").status_code == 200

        with app.app_context(), db.transaction() as session:
            session.execute(sa.update(ApiToken).values({ended: sa.func.now()}))

        assert api.get("/agents").status_code == 401


def test_the_agents_of_another_account_are_not_found(app: Flask) -> None:
    mine, other = make_user(app), make_user(app)
    agent_id, api = make_agent(app, mine), Client(app, make_token(app, mine))
    outsider = Client(app, make_token(app, other))
    for _ in OFTEN:
        assert api.get(f"/agents/{agent_id}").status_code == 200
        assert len(api.get("/agents").json["items"]) == 1

        assert outsider.get(f"/agents/{agent_id}").status_code == 404
        assert outsider.get("/agents").json["items"] == []


@pytest.mark.parametrize("statement", CHANGES)
def test_requests_do_not_notice_that_a_table_changed(app: Flask, statement: str) -> None:
    admin = make_user(app)
    agent_id, api = make_agent(app, admin), Client(app, make_token(app, admin, "read", "runtime"))
    for _ in OFTEN:
        api.get(f"/agents/{agent_id}")
        api.get(f"/agents/{agent_id}/runtime")
    with app.app_context():
        change(statement)

    for _ in OFTEN:
        assert api.get(f"/agents/{agent_id}").status_code == 200
        assert api.get(f"/agents/{agent_id}/runtime").status_code == 200


def test_a_read_whose_session_was_reset_is_done_again(app: Flask) -> None:
    admin = make_user(app)
    with app.test_request_context():
        for _ in OFTEN:
            with db.reading() as connection:
                connection.execute(NAME, {"id": admin.account_id})
        with db.reading() as connection:
            connection.execute(sa.text("DISCARD ALL"))

        with db.reading() as connection:
            assert connection.scalar(NAME, {"id": admin.account_id})


def test_a_transaction_uses_no_plan_of_its_connection(app: Flask) -> None:
    admin = make_user(app)
    with app.test_request_context():
        for _ in OFTEN:
            with db.transaction() as session:
                assert session.scalar(NAME, {"id": admin.account_id})
                assert session.scalar(PREPARED) == 0


def test_a_statement_is_prepared_once_it_was_used_often(app: Flask) -> None:
    admin = make_user(app)
    with app.test_request_context(), db.reading() as connection:
        for use in OFTEN:
            assert connection.scalar(PREPARED) == (use >= prepared.PREPARED_FROM_USE)
            assert connection.scalar(NAME, {"id": admin.account_id})


def test_a_connection_keeps_a_limited_number_of_plans(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prepared, "PREPARED_MAX", 2)
    admin = make_user(app)
    with app.test_request_context(), db.reading() as connection:
        for number in range(4):
            for _ in OFTEN:
                connection.execute(NAME.add_columns(sa.literal_column(str(number))), {"id": admin.account_id})
        assert connection.scalar(PREPARED) == 2


def test_sqlite_gets_the_statement_itself(schema_url: str, open_console: OpenConsole) -> None:
    app = open_console(schema_url)
    admin = make_user(app)
    with counted(app) as statements, app.test_request_context(), db.reading() as connection:
        for _ in OFTEN:
            connection.execute(NAME, {"id": admin.account_id})
    is_postgres = schema_url.startswith("postgresql")
    assert any(one.startswith("EXECUTE") for one in statements) == is_postgres
