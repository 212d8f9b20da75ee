"""An account with a record of every kind that a URL can name, and every kind of caller."""

import re
from typing import Any
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa
from flask import Flask

from agents_app.db import db
from agents_app.models import Identity, Invitation, UserSession
from agents_app.operations import agents, bulk_agents, invitations, tokens
from tests.make import make_agent, make_token, make_user
from tests.security.conftest import Caller


class Tenant:
    """One account with a record of every kind that a URL can name. Records for a request are created new."""

    def __init__(self, app: Flask) -> None:
        self.app = app
        self.latest: UUID | None = None
        self.admin = make_user(app)
        account = self.admin.account_id
        self.people = {"admin": self.admin} | {role: make_user(app, role, account) for role in ("viewer", "editor")}
        self.people["foreign"] = make_user(app)
        self.token = make_token(app, self.admin, "write", "runtime")
        self.token_id = self._row(tokens.listing)["id"]

    def caller(self, kind: str) -> Caller:
        """A caller of this kind."""
        if kind == "ended":
            caller = Caller(self.app, self.admin)
            ends = sa.delete(UserSession).where(UserSession.user_id == self.admin.user_id)
            self._change(ends)
            return caller
        return Caller(self.app, self.people.get(kind), self.token if kind == "token" else None)

    def fresh(self, name: str) -> object:
        """A new record for this parameter of a URL."""
        with self.app.app_context():
            made: object = {
                "agent_id": self._agent,
                "external_id": self._external_id,
                "version": self._earlier_version,
                "bulk_id": self._bulk_act,
                "deleted_id": self._deleted_agent,
                "token_id": self._token,
                "user_id": self._person,
                "row_id": self._foreign_session,
                "invitation_id": self._invitation,
                "identity_id": self._identity,
                "name": lambda: "swagger-ui.css",
                "filename": lambda: "app.css",
            }[name]()
        if isinstance(made, UUID) and name == "agent_id":
            self.latest = made
        return made

    def path(self, rule: str) -> str:
        """The path of a rule with ids of new records, and with the code that the page requires."""
        path = re.sub(r"<(?:\w+:)?(\w+)>", lambda found: str(self.fresh(found[1])), rule)
        with self.app.app_context():
            if rule == "/join":
                return f"{path}?code={invitations.invite(self.admin, {'role': 'viewer'})}"
            if rule == "/reset":
                return f"{path}?code={invitations.make_reset_link(self.admin, self._person())}"
        return path

    def _agent(self) -> UUID:
        return make_agent(self.app, self.admin)

    def _external_id(self) -> str:
        external_id = uuid4().hex
        make_agent(self.app, self.admin, external_id=external_id)
        return external_id

    def _earlier_version(self) -> int:
        """The number of a version of the newest agent, which is not its last one."""
        if self.latest:
            agents.update(self.admin, self.latest, {"description": "Changed."})
        return 1

    def _bulk_act(self) -> UUID:
        return bulk_agents.act(self.admin, {"act": "enable", "ids": [str(self._agent())]}).id

    def _deleted_agent(self) -> UUID:
        agent_id = self._agent()
        agents.delete(self.admin, agent_id)
        return agent_id

    def _token(self) -> UUID:
        make_token(self.app, self.admin)
        found: UUID = self._row(tokens.listing)["id"]
        return found

    def _person(self) -> UUID:
        found = make_user(self.app, "viewer", self.admin.account_id).user_id
        assert found is not None
        return found

    def _invitation(self) -> UUID:
        invitations.invite(self.admin, {"role": "viewer"})
        with db.reading() as connection:
            mine = sa.select(Invitation.id).where(Invitation.account_id == self.admin.account_id)
            found: UUID = connection.scalars(mine.order_by(Invitation.created_at.desc()).limit(1)).one()
            return found

    def _identity(self) -> UUID:
        """An identity that waits, at the provider of the settings where they name one."""
        issuer = self.app.extensions["settings"].oidc_issuer
        url = issuer.url if issuer else "https://id.example.org"
        identity = Identity(id=uuid4(), account_id=self.admin.account_id, issuer=url, subject=uuid4().hex, name="Ann")
        with db.transaction() as session:
            session.add(identity)
        return identity.id

    def _foreign_session(self) -> UUID:
        colleague = make_user(self.app, "viewer", self.admin.account_id)
        Caller(self.app, colleague)
        with db.reading() as connection:
            return connection.scalars(sa.select(UserSession.id).where(UserSession.user_id == colleague.user_id)).one()

    def _row(self, listing: Any) -> dict[str, Any]:
        with self.app.app_context():
            found: dict[str, Any] = listing(self.admin)[0]
            return found

    def _change(self, statement: Any) -> None:
        with self.app.app_context(), db.transaction() as session:
            session.execute(statement)


@pytest.fixture(scope="module")
def tenants() -> dict[Flask, Tenant]:
    """One tenant per database, created once."""
    return {}


@pytest.fixture
def tenant(console: Flask, tenants: dict[Flask, Tenant]) -> Tenant:
    """A tenant on this database."""
    return tenants.setdefault(console, tenants.get(console) or Tenant(console))
