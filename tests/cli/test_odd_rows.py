"""Commands that read print rows of other releases and other programs, as far as the columns allow them."""

import json
from typing import Any
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa
from flask import Flask

from agents_app.db import db, now
from agents_app.models import Account, Agent, AgentVersion, ApiToken, EncryptionKey, Event, Invitation, User
from tests.conftest import OpenConsole
from tests.make import make_agent, make_token, make_user

CONFIGS: list[Any] = [
    {},
    [],
    ["host"],
    "host",
    7,
    {"host": ["a", 5], "dialect": {"x": 1}, "color": "red"},
    {"host": None, "password": {"$enc": None}, "other": {"$enc": ["v1:k1:AAAA"]}},
    {"password": {"$enc": "v9:k9:AAAA"}, "schema_allow_list": [1, None, {"a": "b"}]},
    {"nested": {"password": {"$enc": "v1:k1:AAAA"}}},
]
FACTS: list[Any] = [
    {},
    [],
    "none",
    {"/api_key": None},
    {"/api_key": []},
    {"/api_key": {}},
    {"/api_key": {"set_by": None, "last_four": 5, "set_at": "some day"}},
    {"/connection_config/password": {"set_by": {"name": "Ada"}}, "/of_another_release": {"last_four": "wxyz"}},
]
DETAILS: list[Any] = [
    [],
    "text",
    5,
    {"version": [1]},
    {"version": {"a": 1}, "count": "many"},
    {"target": 1, "role": [1]},
]
KEPT: list[Any] = [[], "text", {}, {"sealed": []}, {"sealed": {"/api_key": 5, "/b": None}}, {"sealed": {"/c": "junk"}}]
SNAPSHOTS: list[Any] = [[], "text", {}, {"name": None}, {"name": {"a": 1}}, {"name": "x", "connection_config": []}]
SCOPES: list[Any] = [[], {}, ["admin", 5], "read", [None]]


@pytest.fixture
def app(schema_url: str, open_console: OpenConsole) -> Flask:
    """An app with a database of its own that has odd rows."""
    console = open_console(schema_url)
    maker = make_user(console, name="")
    ids = [make_agent(console, maker, api_key="sk-123456789-wxyz") for _ in range(len(CONFIGS) + len(FACTS))]
    for _ in SCOPES:
        make_token(console, maker)
    with console.app_context(), db.transaction() as session:
        for agent_id, config in zip(ids, CONFIGS, strict=False):
            change(
                session, Agent, Agent.id == agent_id, connection_config=config, updated_at=None, api_key="junk", name=""
            )
        for agent_id, facts in zip(ids[len(CONFIGS) :], FACTS, strict=True):
            change(session, Agent, Agent.id == agent_id, secret_facts=facts, created_by=None, version=-1)
        session.add(User(account_id=maker.account_id, email="", name="\x1b[2J", role="viewer", is_active=False))
        session.add(Account(name=""))
        session.add(EncryptionKey(key_id="?", check_value=""))
        invitation = {"role": "owner", "made_by": "", "expires_at": now().replace(year=2999)}
        session.add(Invitation(account_id=maker.account_id, digest="x", **invitation))
        for scopes, token_id in zip(SCOPES, session.scalars(sa.select(ApiToken.id)).all(), strict=True):
            change(session, ApiToken, ApiToken.id == token_id, scopes=scopes, agent_ids=scopes, expires_at=None)
        for details in DETAILS:
            session.add(an_event(maker.account_id, details))
        session.add_all(a_deletion(maker.account_id, snapshot=odd) for odd in SNAPSHOTS)
        session.add_all(a_deletion(maker.account_id, kept_secrets=odd) for odd in KEPT)
    return console


def change(session: Any, table: Any, which: Any, **values: Any) -> None:
    session.execute(sa.update(table).where(which).values(**values).execution_options(synchronize_session=False))


def an_event(account_id: UUID, details: Any) -> Event:
    what = {"action": "agent.deleted", "target_kind": "robot", "target_id": uuid4(), "details": details}
    return Event(account_id=account_id, door="window", actor_name="", **what)


def a_deletion(account_id: UUID, **odd: Any) -> AgentVersion:
    given = {
        "snapshot": {"name": "Sales"},
        "changes": [],
        "kept_secrets": {"sealed": {"/api_key": "v1:k1:AAAA"}},
        **odd,
    }
    return AgentVersion(
        agent_id=uuid4(), version=3, account_id=account_id, action="agent.deleted", actor_name="", **given
    )


def typed(app: Flask, *words: str) -> Any:
    return app.test_cli_runner().invoke(args=words, catch_exceptions=False)


@pytest.mark.parametrize(
    "command",
    [
        "agents list",
        "events list",
        "users list",
        "users invitations",
        "tokens list",
        "accounts list",
        "secrets status",
        "secrets verify",
    ],
)
def test_every_list_command_prints_odd_rows(app: Flask, command: str) -> None:
    with app.app_context(), db.reading() as connection:
        account_id = connection.scalar(sa.select(Account.id).where(Account.name == "Acme"))
    account = () if command.startswith(("accounts", "secrets")) else ("--account", str(account_id))
    # These two commands report secrets that cannot be decrypted; they do not fail.
    wanted = 1 if command.startswith("secrets") else 0

    table = typed(app, *command.split(), *account)
    found = typed(app, *command.split(), *account, "--json")

    assert (table.exit_code, found.exit_code) == (wanted, wanted), table.stderr
    assert "Error" not in table.stderr + found.stderr
    assert json.loads(found.stdout)["items"]
    assert "\x1b" not in table.output


def test_every_agent_can_be_shown(app: Flask) -> None:
    with app.app_context(), db.reading() as connection:
        rows = connection.execute(sa.select(Agent.id, Agent.account_id)).all()

    for row in rows:
        for form in ((), ("--json",)):
            shown = typed(app, "agents", "show", str(row.id), "--account", str(row.account_id), *form)
            assert (shown.exit_code, shown.stderr) == (0, "")
    assert len(rows) == len(CONFIGS) + len(FACTS)


def test_an_agent_of_a_type_that_a_later_release_added_is_listed_and_shown(app: Flask) -> None:
    with app.app_context():
        with db.transaction() as session:
            row = session.execute(sa.select(Agent.id, Agent.account_id).limit(1)).one()
            is_sqlite = session.get_bind().dialect.name == "sqlite"
            later = (
                "PRAGMA ignore_check_constraints = ON" if is_sqlite else "ALTER TYPE connectiontype ADD VALUE 'ORACLE'"
            )
            session.execute(sa.text(later))
        with db.transaction() as session:
            change = sa.text("UPDATE agents SET connection_type = 'ORACLE' WHERE id = :id")
            session.execute(change.bindparams(sa.bindparam("id", row.id, Agent.id.type)))

    for words in (["list"], ["show", str(row.id)]):
        shown = typed(app, "agents", *words, "--account", str(row.account_id))
        assert (shown.exit_code, "ORACLE" in shown.stdout) == (0, True)
