"""Every action adds one event with its actor, and every event has a sentence on the page Activity."""

import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa
from flask import Flask

from agents_app import operations
from agents_app.db import db
from agents_app.errors import InvalidInput, NotSignedIn
from agents_app.models import AgentVersion, Event
from agents_app.operations import (
    accounts,
    agents,
    bulk_agents,
    connection_tests,
    events,
    invitations,
    runtime,
    second_factors,
    sessions,
    tokens,
    user_details,
    users,
)
from agents_app.operations.permissions import PERMISSIONS, Actor, Visitor
from agents_app.values.choices import Scope
from agents_app.web.activity_sentences import SENTENCES
from tests import second_factor
from tests.api.test_permissions import forged
from tests.make import PASSWORD, agent_values, make_agent, make_user

FROM_HERE = Visitor("192.0.2.9", "test")
A_NAME = re.compile(r'"((?:agent|user|token|secrets|access|account)\.[a-z_]+)"')


@dataclass
class Scene:
    """An account with an admin, and the records to act on."""

    app: Flask
    admin: Actor

    def agent(self) -> UUID:
        """A new agent."""
        return make_agent(self.app, self.admin)

    def changed(self) -> UUID:
        """An agent at version 2."""
        agent_id = self.agent()
        agents.update(self.admin, agent_id, {"name": "Orders"})
        return agent_id

    def deleted(self) -> UUID:
        """A deleted agent."""
        agent_id = self.agent()
        agents.delete(self.admin, agent_id)
        return agent_id

    def disabled(self) -> UUID:
        """A disabled agent."""
        agent_id = self.agent()
        agents.disable(self.admin, agent_id, {"reason": "Moving."})
        return agent_id

    def person(self, **fields: Any) -> UUID:
        """Another user of the account."""
        found = make_user(self.app, "viewer", self.admin.account_id, **fields).user_id
        assert found is not None
        return found

    def invitation(self) -> UUID:
        """A link to join."""
        invitations.invite(self.admin, {"role": "viewer"})
        found: UUID = invitations.listing(self.admin)[0]["id"]
        return found

    def token(self) -> UUID:
        """A new API token."""
        return tokens.create(self.admin, {"name": "ci", "scopes": ["read"], "agent_ids": []})[0]

    def enter(self) -> str:
        """A new session of the admin."""
        return sessions.sign_in(FROM_HERE, self.admin.email, PASSWORD)

    def session(self) -> UUID:
        """The row of a new session of the admin."""
        found: UUID = sessions.listing(self.admin, self.enter())[0]["id"]
        return found

    def join(self) -> None:
        """Join with a link."""
        values = {"name": "Grace", "email": f"{uuid4().hex}@example.org", "password": PASSWORD}
        invitations.join(FROM_HERE, invitations.invite(self.admin, {"role": "viewer"}), values)

    def choose_password(self) -> None:
        """Choose a password with a link."""
        code = invitations.make_reset_link(self.admin, self.person())
        invitations.choose_password(FROM_HERE, code, {"password": "another long phrase 28"})

    def change_password(self) -> None:
        """Change the password."""
        values = {"current_password": PASSWORD, "password": "another long phrase 28"}
        user_details.change_password(self.admin, self.enter(), values)

    def change_address(self) -> None:
        """Change the email address of a person."""
        user_details.change(self.admin, self.person(), {"email": f"{uuid4().hex}@example.org"})

    def with_factor(self, act: Callable[[Actor], object]) -> None:
        """Do something as the admin, who has just given a code."""
        second_factor.set_up(self.admin)
        act(second_factor.confirmed(self.admin))

    def colleague_with_factor(self) -> UUID:
        """Another user of the account, who has a second factor."""
        colleague = make_user(self.app, "viewer", self.admin.account_id)
        second_factor.set_up(colleague)
        return second_factor.stored_id(colleague)

    def remove_factor(self) -> None:
        """Remove the second factor of the admin."""
        values = {"current_password": PASSWORD, "code": second_factor.set_up(self.admin)[0]}
        second_factors.remove(self.admin, "x", values)

    def give_code(self, code: str) -> None:
        """Confirm with a code."""
        second_factors.confirm(self.admin, "x", {"code": code})

    def give_wrong_code(self) -> None:
        """Confirm with a wrong code."""
        second_factor.set_up(self.admin)
        with suppress(InvalidInput):
            self.give_code("wrong")

    def stop_requiring(self) -> None:
        """Require a second factor, and stop that."""
        operator = replace(self.admin, user_id=None)
        for is_required in (True, False):
            accounts.require_second_factor(operator, is_required=is_required)

    def fetch(self) -> None:
        """Fetch an agent as a runtime."""
        token = replace(self.admin, token_id=self.token(), scopes=frozenset({Scope.RUNTIME}))
        runtime.fetch(token, self.agent())


ACTS: dict[str, Callable[[Scene], object]] = {
    "agent.created": lambda it: it.agent(),
    "agent.updated": lambda it: agents.update(it.admin, it.agent(), {"name": "Orders"}),
    "agent.cloned": lambda it: agents.clone(it.admin, it.agent()),
    "agent.enabled": lambda it: agents.enable(it.admin, it.disabled()),
    "agent.disabled": lambda it: it.disabled(),
    "agent.deleted": lambda it: it.deleted(),
    "agent.bulk": lambda it: bulk_agents.act(it.admin, {"act": "enable", "ids": [str(it.disabled())]}),
    "agent.change_undone": lambda it: bulk_agents.undo(
        it.admin, bulk_agents.act(it.admin, {"act": "enable", "ids": [str(it.disabled())]}).id
    ),
    "agent.version_restored": lambda it: agents.restore_version(it.admin, it.changed(), 1),
    "agent.restored": lambda it: agents.restore_deleted(it.admin, it.deleted()),
    "agent.tested": lambda it: connection_tests.run(it.admin, it.agent()),
    "agent.changes_tested": lambda it: connection_tests.run(
        it.admin, it.agent(), {"connection_config": {"table_allow_list": ["orders"]}}
    ),
    "agent.values_tested": lambda it: connection_tests.run_unsaved(it.admin, agent_values()),
    "agent.fetched": lambda it: it.fetch(),
    "user.second_factor_added": lambda it: second_factor.set_up(it.admin),
    "user.second_factor_removed": lambda it: it.remove_factor(),
    "user.second_factor_reset": lambda it: second_factors.reset(it.admin, it.colleague_with_factor()),
    "user.recovery_codes_made": lambda it: it.with_factor(second_factors.make_recovery_codes),
    "user.recovery_code_used": lambda it: it.give_code(second_factor.set_up(it.admin)[0]),
    "user.code_given": lambda it: it.give_code(second_factor.set_up(it.admin)[0]),
    "user.code_refused": lambda it: it.give_wrong_code(),
    "account.second_factor_required": lambda it: it.with_factor(
        lambda admin: accounts.require_second_factor(admin, is_required=True)
    ),
    "account.second_factor_optional": lambda it: it.stop_requiring(),
    "user.invited": lambda it: invitations.invite(it.admin, {"role": "editor"}),
    "user.invitation_withdrawn": lambda it: invitations.withdraw(it.admin, it.invitation()),
    "user.joined": lambda it: it.join(),
    "user.reset_link_made": lambda it: invitations.make_reset_link(it.admin, it.person()),
    "user.password_reset": lambda it: it.choose_password(),
    "user.password_changed": lambda it: it.change_password(),
    "user.renamed": lambda it: user_details.change(it.admin, it.person(), {"name": "Edith"}),
    "user.address_changed": lambda it: it.change_address(),
    "user.role_changed": lambda it: users.change_role(it.admin, it.person(), {"role": "editor"}),
    "user.deactivated": lambda it: users.deactivate(it.admin, it.person()),
    "user.activated": lambda it: users.activate(it.admin, it.person(is_active=False)),
    "user.deleted": lambda it: users.delete(it.admin, it.person()),
    "user.signed_in": lambda it: it.enter(),
    "user.signed_out": lambda it: sessions.sign_out(it.admin, it.enter()),
    "user.session_ended": lambda it: sessions.end(it.admin, it.session()),
    "user.other_sessions_ended": lambda it: sessions.end_others(it.admin, it.enter()),
    "token.created": lambda it: it.token(),
    "token.rotated": lambda it: tokens.rotate(it.admin, it.token(), {}),
    "token.revoked": lambda it: tokens.revoke(it.admin, it.token()),
    "account.renamed": lambda it: accounts.rename(it.admin, {"name": "Apex"}),
    "access.denied": lambda it: events.record_denial(it.admin, "POST web.tokens.new", "Only an admin can do this."),
}
# These belong to no account, to a new one, or to all. Other tests check these events, two of them below.
OTHERS = {
    "account.created",
    "account.deleted",
    "account.purged",
    "user.sign_in_failed",
    "token.refused",
    "secrets.rotated",
    "secrets.key_given_up",
    "secrets.private_key_removed",
}
# These need a provider. The tests of `provider_sign_in.py` and `password_sign_in.py` show them.
OF_PROVIDER = {
    *("user.came", "user.role_from_provider", "user.role_lost", "user.role_regained"),
    *("user.identity_waits", "user.identity_linked", "user.identity_unlinked", "user.identity_dismissed"),
    *("user.made_of_identity", "user.sign_on_failed", "user.sign_on_refused", "user.password_refused"),
}


@pytest.mark.parametrize("action", ACTS)
def test_an_action_adds_one_event_with_its_actor(app: Flask, action: str) -> None:
    scene = Scene(app, make_user(app, name="Ada"))

    ACTS[action](scene)

    mine = sa.select(Event.actor_name).where(Event.account_id == scene.admin.account_id, Event.action == action)
    with db.reading() as connection:
        assert connection.scalar(mine.limit(2)) in ("Ada", "Viewer", "Grace")
        assert len(connection.execute(mine).all()) == 1


def test_every_recorded_action_has_a_sentence_and_a_test() -> None:
    folder = Path(operations.__file__).parent
    texts = [
        file.read_text().replace("AgentVersion.DELETED", f'"{AgentVersion.DELETED}"') for file in folder.glob("*.py")
    ]
    recorded = {name for text in texts for name in A_NAME.findall(text)} - set(PERMISSIONS)

    assert recorded == set(SENTENCES) == set(ACTS) | OTHERS | OF_PROVIDER


def test_the_first_event_of_an_account_is_its_creation(app: Flask) -> None:
    email = f"{uuid4().hex}@example.org"
    account_id = accounts.create({"account_name": "Apex", "name": "Ada", "email": email, "password": PASSWORD})

    mine = sa.select(Event.action, Event.actor_name, Event.target_name).where(Event.account_id == account_id)
    with db.reading() as connection:
        assert connection.execute(mine).all() == [("account.created", "Ada", "Apex")]


def test_an_unknown_token_is_an_event_with_the_address_and_without_the_token(app: Flask) -> None:
    address, token = uuid4().hex, forged()

    with pytest.raises(NotSignedIn):
        tokens.authenticate(Visitor(address), token)

    with db.reading() as connection:
        row = connection.execute(sa.select(Event.__table__).where(Event.address == address)).one()
    assert (row.action, row.account_id) == ("token.refused", None)
    assert token[4:16] not in str(row)
