"""Factories for tests. A test gives only the values that matter to it, and the others are set here."""

import uuid
from functools import cache
from pathlib import Path
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from flask import Flask

from agents_app.app import create_app
from agents_app.config import Settings, load
from agents_app.connections import TYPES
from agents_app.db import UtcDateTime, db, now
from agents_app.models import Agent, ConnectionTest, User
from agents_app.operations import agents, event_records, passwords, test_results, tokens, version_marks
from agents_app.operations.permissions import Actor
from agents_app.probes.results import Result
from agents_app.values.choices import Door, Role, Scope

PASSWORD = "a long pass phrase 27"
KEYS = {
    "SECRET_KEY": "Zk3vXy8Qm1TtLw6RbNc4HsJd9GfPa2Ue",
    "ENCRYPTION_KEYS": "k1:nA9s0m3Qe7b2Vt5yXw8Rz1Lc4Kj6Hg0Pf2Du5Si8Tao=",
    "TOKEN_PEPPERS": "p1:Qw3er5Ty7ui9Op1as2Df4gh6Jk8lZx0cVb3nM5qWe7E=",
}
DATABASE = {
    "dialect": "postgresql",
    "host": "db.example.org",
    "database": "sales",
    "username": "reader",
}
POWER_BI = {
    "tenant_id": "contoso.example.org",
    "client_id": "6f9619ff-8b86-4011-b42d-00c04fc964ff",
    "workspace_id": "0c0ffee0-1111-4222-8333-444455556666",
    "dataset_id": "0da7a5e7-1111-4222-8333-444455556666",
}


def make_settings(url: str, **texts: str) -> Settings:
    """Settings as an operator writes them, with keys for tests. `texts` are by the name of the variable."""
    # Without this, the page System would read the backups of the checkout.
    texts = {"BACKUP_FOLDER": str(Path.home() / "backups"), **texts}
    return load({**KEYS, "DATABASE_URL": url, **texts}, None)


def make_app(url: str, **texts: str) -> Flask:
    """The app on a database that has its tables."""
    return create_app(make_settings(url, **texts))


def cookie_name(app: Flask) -> str:
    """The name of the session cookie of this console."""
    return str(app.config["SESSION_COOKIE_NAME"])


def make_account(app: Flask, name: str = "Acme") -> UUID:
    """Make an account without users. Returns its id."""
    account_id = uuid.uuid4()
    # Without later columns, so that a test can do it with the tables of an earlier release.
    added = sa.text("INSERT INTO accounts (id, name, created_at) VALUES (:id, :name, :created_at)")
    types = sa.bindparam("id", type_=sa.Uuid), sa.bindparam("created_at", type_=UtcDateTime)
    with app.app_context(), db.transaction() as session:
        session.execute(added.bindparams(*types), {"id": account_id, "name": name, "created_at": now()})
    return account_id


def make_user(app: Flask, role: str = "admin", account_id: UUID | None = None, **fields: Any) -> Actor:
    """Make a user with PASSWORD, in a new account unless one is given. Returns their actor on the pages."""
    account_id = account_id or make_account(app)
    known = {"email": f"{uuid.uuid4().hex}@example.org", "name": role.title(), "password_hash": _hash_of_password()}
    user = User(id=uuid.uuid4(), account_id=account_id, role=Role(role), **{**known, **fields})
    with app.app_context(), db.transaction() as session:
        session.add(user)
    return Actor(
        account_id, user.name, Door.PAGE, user_id=user.id, role=user.role, email=user.email, account_name="Acme"
    )


def make_token(app: Flask, maker: Actor, *scopes: str, agent_ids: tuple[UUID, ...] = ()) -> str:
    """Make an API token with these scopes (`read` if none is given) for any user. Returns its text."""
    # For a user who is not an admin, an operator at the terminal makes the token.
    is_admin = maker.role is Role.ADMIN
    actor = maker if is_admin else Actor(maker.account_id, maker.name, Door.TERMINAL, role=Role.ADMIN)
    values = {"name": "ci", "scopes": list(scopes or ("read",)), "agent_ids": [str(one) for one in agent_ids]}
    with app.app_context():
        return tokens.create(actor, values, maker.email)[1]


def runtime_actor(actor: Actor, agent_ids: tuple[UUID, ...] = ()) -> Actor:
    """The actor of a new runtime token of this account, in the context of an app."""
    operator = Actor(actor.account_id, actor.name, Door.TERMINAL, role=Role.ADMIN)
    values = {"name": "ci", "scopes": [Scope.RUNTIME], "agent_ids": [str(one) for one in agent_ids]}
    token_id, _ = tokens.create(operator, values)
    known = {"token_id": token_id, "scopes": frozenset({Scope.RUNTIME}), "agent_ids": frozenset(agent_ids)}
    return Actor(actor.account_id, "token ci", Door.TOKEN, **known)


def make_agent(app: Flask, actor: Actor, **changes: Any) -> UUID:
    """Make an agent as this actor. Returns its id."""
    with app.app_context():
        return agents.create(actor, agent_values(**changes))[0]


def marked_version(agent_id: UUID) -> str:
    """The version of a stored agent as runtimes know it, with its marks."""
    row = sa.select(Agent.id, Agent.version, Agent.updated_at).where(Agent.id == agent_id)
    with db.reading() as connection:
        return version_marks.runtime_marked(*connection.execute(row).one())


def make_last_test(app: Flask, actor: Actor, agent_id: UUID, **results: Result) -> None:
    """Store results as the last test of an agent that has none: `connection`, `model` or both."""
    outcome, cause = test_results.outcome_and_cause(test_results.stored(results))
    row = ConnectionTest(agent_id=agent_id, account_id=actor.account_id, version=1, actor_name=actor.name)
    row.outcome, row.cause, row.result = outcome, cause, test_results.stored(results)
    row.valid_for_version = row.version
    with app.app_context(), db.transaction() as session:
        session.add(row)
        event_records.add(session, actor, "agent.tested", ("agent", agent_id, "Sales"), outcome=outcome, cause=cause)


def agent_values(**changes: Any) -> dict[str, Any]:
    """The values of a whole agent. The fields of `connection_config` are merged."""
    config = {**_least_config(changes.get("connection_type", "DB")), **changes.pop("connection_config", {})}
    return {"name": "Sales", "connection_type": "DB", "connection_config": config, **changes}


def _least_config(kind: object) -> dict[str, Any]:
    declaration = next((declared for known, declared in TYPES.items() if known == kind), None)
    if declaration is None or kind in ("DB", "POWERBI"):
        return POWER_BI if kind == "POWERBI" else DATABASE
    return {name: value for name, value in declaration.example.items() if name not in declaration.secret_names()}


@cache
def _hash_of_password() -> str:
    return passwords.hash_password(PASSWORD)
