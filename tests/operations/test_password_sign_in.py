"""Who may use a password, and the way back in: a link of the terminal, which needs neither a password nor the provider.

The console has a provider that does not answer, so nothing here can depend on it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask

from agents_app.config_sign_on import PasswordSignIn
from agents_app.db import db, now
from agents_app.errors import Conflict, InvalidInput, NotFound, NotSignedIn
from agents_app.models import Event, Identity, User, UserSession
from agents_app.operations import (
    accounts,
    invitations,
    password_sign_in,
    session_records,
    sessions,
    user_details,
    users,
)
from agents_app.operations.permissions import Actor, Visitor
from agents_app.values.choices import Door, Role, SignInMethod
from tests.conftest import OpenConsole
from tests.make import PASSWORD, make_user

ISSUER = "http://127.0.0.1:9"
PROVIDER = {"OIDC_ISSUER": ISSUER, "OIDC_CLIENT_ID": "console", "OIDC_CLIENT_SECRET": "secret-of-the-tests"}
HERE = Visitor("192.0.2.1", "test")
NEW = "another pass phrase 94"
INSTEAD = "signs in with 127.0.0.1:9, not with a password."
YOU = "You sign in with 127.0.0.1:9, not with a password."


class Consoles:
    """The console on one database, with other settings after each restart."""

    def __init__(self, url: str, open_console: OpenConsole) -> None:
        self._url, self._open = url, open_console

    @contextmanager
    def running(self, passwords: str | None = None, **texts: str) -> Iterator[Flask]:
        """The console with PASSWORD_SIGN_IN, and a provider; without a provider if it is None."""
        settings = {} if passwords is None else {**PROVIDER, "PASSWORD_SIGN_IN": passwords}
        app = self._open(self._url, **{**settings, **texts})
        with app.app_context():
            yield app


@pytest.fixture
def consoles(schema_url: str, open_console: OpenConsole) -> Consoles:
    """The console, on both databases."""
    return Consoles(schema_url, open_console)


@pytest.fixture
def ada(consoles: Consoles) -> Actor:
    """An admin with the password PASSWORD."""
    with consoles.running() as app:
        return make_user(app, email="ada@example.org", name="Ada")


def link(person: Actor, issuer: str = ISSUER, **fields: Any) -> None:
    """Link a person to an identity at the provider."""
    known = {"account_id": person.account_id, "user_id": person.user_id, "issuer": issuer, "subject": "ada-1"}
    with db.transaction() as session:
        session.add(Identity(name=person.name, email=person.email, **{**known, **fields}))


def operator(person: Actor) -> Actor:
    return Actor(person.account_id, "root (terminal)", Door.TERMINAL, role=Role.ADMIN)


def sign_in(email: str = "ada@example.org", password: str = PASSWORD) -> str:
    found = sessions.sign_in(HERE, email, password)
    assert isinstance(found, str)
    return found


def use(code: str) -> str:
    found = invitations.choose_password(HERE, code, {"password": NEW})
    assert isinstance(found, str)
    return found


def events(action: str) -> list[dict[str, Any]]:
    with db.reading() as connection:
        return list(connection.scalars(sa.select(Event.details).where(Event.action == action)))


def count(table: type[Any]) -> int:
    with db.reading() as connection:
        return connection.scalar(sa.select(sa.func.count()).select_from(table)) or 0


def deactivate(person: Actor) -> None:
    with db.transaction() as session:
        session.execute(sa.update(User).where(User.id == person.user_id).values(is_active=False))


@pytest.mark.parametrize("passwords", ["off", "another.person@example.org"])
def test_the_right_password_signs_nobody_in_who_may_use_none(consoles: Consoles, ada: Actor, passwords: str) -> None:
    with consoles.running(passwords):
        with pytest.raises(NotSignedIn, match=YOU):
            sign_in()
        assert count(UserSession) == 0
        assert events("user.password_refused") == [{"host": "127.0.0.1:9"}]


def test_a_wrong_password_does_not_tell_who_may_use_one(consoles: Consoles, ada: Actor) -> None:
    with consoles.running("off"):
        for email in (ada.email, "nobody@example.org"):
            with pytest.raises(NotSignedIn, match=sessions.WRONG):
                sign_in(email, "not the pass phrase 27")
        assert events("user.password_refused") == []


def test_who_is_linked_uses_no_password_while_passwords_are_on(consoles: Consoles, ada: Actor) -> None:
    with consoles.running("on") as app:
        link(ada)
        with pytest.raises(NotSignedIn, match=YOU):
            sign_in()

        assert sign_in(make_user(app).email)


def test_who_is_linked_to_an_earlier_provider_uses_a_password(consoles: Consoles, ada: Actor) -> None:
    with consoles.running("on"):
        link(ada, "https://earlier.example.org")
        assert sign_in()
    with consoles.running():
        assert sign_in()


def test_named_people_use_a_password_linked_or_not_however_their_address_is_written(
    consoles: Consoles, ada: Actor
) -> None:
    with consoles.running("bob@example.org, ADA@Example.org"):
        assert sign_in()
        link(ada)
        assert sign_in()


@pytest.mark.parametrize(
    ("rule", "is_linked", "is_allowed"),
    [
        (PasswordSignIn(), True, False),
        (PasswordSignIn(), False, True),
        (PasswordSignIn(is_on=False), False, False),
        (PasswordSignIn(False, ("ada@example.org",)), True, True),
        (PasswordSignIn(False, ("a@example.org", "da@example.org", "ada@example.org.uk")), False, False),
    ],
    ids=["on, linked", "on", "off", "named", "not named"],
)
def test_the_rule_by_setting(rule: PasswordSignIn, is_linked: bool, is_allowed: bool) -> None:
    assert password_sign_in.is_allowed(rule, "ada@example.org", is_linked) is is_allowed


def test_a_session_by_password_ends_when_the_setting_changes_and_says_why(consoles: Consoles, ada: Actor) -> None:
    with consoles.running():
        session_id = sign_in()
    with consoles.running("on"):
        assert sessions.authenticate(HERE, session_id).user_id == ada.user_id
    with consoles.running("off"), pytest.raises(NotSignedIn, match=YOU) as refusal:
        sessions.authenticate(HERE, session_id)
    assert refusal.value.code == "passwords_off"


def test_a_session_by_password_ends_when_its_person_is_linked(consoles: Consoles, ada: Actor) -> None:
    with consoles.running("on"):
        session_id = sign_in()
        link(ada)
        with pytest.raises(NotSignedIn, match=YOU):
            sessions.authenticate(HERE, session_id)


def test_a_session_through_the_provider_ends_when_the_console_has_another_one_or_none(
    consoles: Consoles, ada: Actor
) -> None:
    with consoles.running("on"):
        link(ada)
        with db.transaction() as session:
            user = session.get_one(User, ada.user_id)
            session_id = session_records.start(session, user, HERE, method=SignInMethod.PROVIDER)
        sessions.authenticate(HERE, session_id)
    for settings in ({"passwords": None}, {"passwords": "on", "OIDC_ISSUER": "http://127.0.0.1:10"}):
        with consoles.running(**settings), pytest.raises(NotSignedIn):
            sessions.authenticate(HERE, session_id)


@pytest.mark.parametrize("method", [method for method in SignInMethod if method is not SignInMethod.PASSWORD])
def test_other_sessions_go_on_with_passwords_off_and_the_provider_away(
    consoles: Consoles, ada: Actor, method: SignInMethod
) -> None:
    with consoles.running("off"):
        link(ada)
        with db.transaction() as session:
            user = session.get_one(User, ada.user_id)
            ends_at = now() + timedelta(hours=1)
            session_id = session_records.start(session, user, HERE, method=method, ends_at=ends_at)

        assert sessions.authenticate(HERE, session_id).ends_at == ends_at
        assert sessions.authenticate(HERE, session_id).method is method
        assert sessions.listing(ada, session_id)[0]["method"] == method


def test_who_may_use_no_password_cannot_change_theirs(consoles: Consoles, ada: Actor) -> None:
    values = {"current_password": PASSWORD, "password": NEW}
    with consoles.running("off"):
        with pytest.raises(Conflict, match=YOU):
            user_details.change_password(ada, "", values)
        assert not user_details.may_use_password(ada)
    with consoles.running():
        user_details.change_password(ada, "", values)


def test_nobody_is_invited_to_join_with_a_password_while_passwords_are_off(consoles: Consoles, ada: Actor) -> None:
    sentence = "Passwords are off. People join by signing in with 127.0.0.1:9."
    with consoles.running():
        code = invitations.invite(ada, {"role": "viewer"})
    with consoles.running("off"):
        for actor in (ada, operator(ada)):
            with pytest.raises(Conflict, match=sentence):
                invitations.invite(actor, {"role": "viewer"})
        values = {"name": "Bob", "email": "bob@example.org", "password": NEW}
        with pytest.raises(Conflict, match=sentence):
            invitations.read_link(code)
        with pytest.raises(Conflict, match=sentence):
            invitations.join(HERE, code, values)
        assert count(User) == 1
    with consoles.running("on"):
        assert invitations.join(HERE, code, values)


def test_only_a_named_address_joins_with_a_password(consoles: Consoles, ada: Actor) -> None:
    with consoles.running("bob@example.org"):
        code = invitations.invite(ada, {"role": "viewer"})
        with pytest.raises(InvalidInput) as refusal:
            invitations.join(HERE, code, {"name": "Eve", "email": "eve@example.org", "password": NEW})
        assert refusal.value.fields == [("/email", f"The person with this address {INSTEAD}")]

        session_id = invitations.join(HERE, code, {"name": "Bob", "email": "Bob@example.org", "password": NEW})
        assert isinstance(session_id, str)
        assert sessions.authenticate(HERE, session_id).method is SignInMethod.PASSWORD


def test_a_reset_link_of_a_page_gives_no_password_to_who_may_use_none(consoles: Consoles, ada: Actor) -> None:
    assert ada.user_id
    with consoles.running():
        code = invitations.make_reset_link(ada, ada.user_id)
    with consoles.running("off"):
        with pytest.raises(Conflict, match=f"Ada {INSTEAD}"):
            invitations.make_reset_link(ada, ada.user_id)
        with pytest.raises(Conflict, match=YOU):
            invitations.read_link(code)
        with pytest.raises(Conflict, match=YOU):
            use(code)
    with consoles.running("on"):
        assert sessions.authenticate(HERE, use(code)).method is SignInMethod.PASSWORD


@pytest.mark.parametrize("passwords", ["off", "on", "bob@example.org"])
def test_a_link_of_the_terminal_signs_in_who_may_use_no_password(
    consoles: Consoles, ada: Actor, passwords: str
) -> None:
    assert ada.user_id
    with consoles.running(passwords):
        link(ada)
        code = invitations.make_reset_link(operator(ada), ada.user_id)
        found = invitations.read_link(code)
        assert (found["by_operator"], found["uses_password"]) == (True, False)

        session_id = use(code)

        assert sessions.authenticate(HERE, session_id).method is SignInMethod.LINK
        assert events("user.signed_in") == [{"method": "link"}]
        with pytest.raises(NotFound):
            use(code)
        with pytest.raises(NotSignedIn, match=YOU):
            sign_in(password=NEW)


def test_a_link_of_the_terminal_activates_who_has_no_role_at_the_provider(consoles: Consoles, ada: Actor) -> None:
    assert ada.user_id
    with consoles.running("off"):
        link(ada, has_lost_role=True)
        deactivate(ada)

        code = invitations.make_reset_link(operator(ada), ada.user_id)

        assert sessions.authenticate(HERE, use(code)).user_id == ada.user_id
        assert len(events("user.activated")) == 1
        with db.reading() as connection:
            assert not connection.scalar(sa.select(Identity.has_lost_role))


@pytest.mark.parametrize("passwords", ["off", None])
def test_a_link_of_the_terminal_activates_nobody_whom_an_admin_deactivated(
    consoles: Consoles, ada: Actor, passwords: str | None
) -> None:
    assert ada.user_id
    with consoles.running(passwords):
        link(ada)
        deactivate(ada)
        with pytest.raises(Conflict, match=r"Ada is deactivated\. Activate them first\."):
            invitations.make_reset_link(operator(ada), ada.user_id)


def test_the_set_up_page_signs_in_its_admin_with_passwords_off(consoles: Consoles) -> None:
    values = {"account_name": "Acme", "name": "Ada", "email": "ada@example.org", "password": PASSWORD}
    with consoles.running("off"):
        session_id = accounts.claim(HERE, values, "")

        assert sessions.authenticate(HERE, session_id).method is SignInMethod.SET_UP


def test_the_list_of_people_says_how_each_can_sign_in(consoles: Consoles, ada: Actor) -> None:
    def ways() -> dict[str, list[SignInMethod]]:
        return {person["name"]: person["ways_in"] for person in users.listing(ada)}

    with consoles.running("on") as app:
        make_user(app, account_id=ada.account_id, name="Bob", password_hash=None)
        assert ways() == {"Ada": ["password"], "Bob": []}
        link(ada)
        assert ways() == {"Ada": ["provider"], "Bob": []}
    with consoles.running("ada@example.org"):
        assert ways() == {"Ada": ["password", "provider"], "Bob": []}
    with consoles.running():
        assert ways() == {"Ada": ["password"], "Bob": []}


def test_a_deleted_person_has_no_identity_and_no_session_left(consoles: Consoles, ada: Actor) -> None:
    assert ada.user_id
    with consoles.running("off") as app:
        make_user(app, account_id=ada.account_id)
        link(ada)
        session_id = use(invitations.make_reset_link(operator(ada), ada.user_id))
        users.delete(operator(ada), ada.user_id)

        assert (count(Identity), count(UserSession)) == (0, 0)
        with pytest.raises(NotSignedIn, match="Sign in to continue"):
            sessions.authenticate(HERE, session_id)
