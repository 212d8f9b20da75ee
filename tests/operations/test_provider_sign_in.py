"""People who come from the provider: known by issuer and subject, with the role that the provider gives."""

import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from flask import Flask

from agents_app.db import db, now
from agents_app.errors import Conflict, ConsoleError, NotAdmitted, NotFound, NotSignedIn, Throttled
from agents_app.models import Account, Event, Identity, LoginAttempt, SecondFactor, User
from agents_app.operations import (
    accounts,
    identities,
    invitations,
    passwords,
    provider_sign_in,
    sessions,
    user_details,
    users,
)
from agents_app.operations.identity_records import Claim
from agents_app.operations.permissions import Actor, Visitor
from agents_app.sign_on.errors import SignOnRefused
from agents_app.sign_on.person import Person
from agents_app.values.choices import Door, Role, SignInMethod
from tests.conftest import OpenConsole
from tests.make import PASSWORD, make_account, make_user

ISSUER = "https://id.example.org/realm"
SETTINGS = {"OIDC_ISSUER": ISSUER, "OIDC_CLIENT_ID": "console", "OIDC_CLIENT_SECRET": "secret-of-the-tests"}
SOON = now() + timedelta(hours=1)
ANN = Person(ISSUER, "ann-1", "Ann", "ann@example.org", True, ("editor",), False, None, None)
VISITOR = Visitor("192.0.2.7", "test")


@pytest.fixture
def alone(schema_url: str, open_console: OpenConsole) -> Iterator[Flask]:
    """A console with a provider and without an account, with its context."""
    app = open_console(schema_url, **SETTINGS)
    with app.app_context():
        yield app


@pytest.fixture
def app(alone: Flask, request: pytest.FixtureRequest) -> Flask:
    """The console with one account."""
    return alone


@pytest.fixture
def admin(app: Flask) -> Actor:
    """The admin of the one account."""
    return make_user(app)


def enter(person: Person = ANN, **changes: Any) -> Actor:
    """Sign in, and return the actor of the session."""
    return sessions.authenticate(VISITOR, provider_sign_in.sign_in(VISITOR, replace(person, **changes)))


def refused(person: Person = ANN, **changes: Any) -> str:
    """Try to sign in, and return the code of the refusal."""
    with pytest.raises(NotAdmitted) as found:
        provider_sign_in.sign_in(VISITOR, replace(person, **changes))
    return found.value.code


def actions() -> list[str]:
    with db.reading() as connection:
        return list(connection.scalars(sa.select(Event.action).order_by(Event.created_at, Event.id)))


def count(model: Any) -> int:
    with db.reading() as connection:
        return connection.scalar(sa.select(sa.func.count()).select_from(model)) or 0


def waiting_id(admin: Actor) -> UUID:
    found: UUID = identities.waiting(admin)[0]["id"]
    return found


def is_signed_in(session_id: str) -> bool:
    try:
        sessions.authenticate(VISITOR, session_id)
    except NotSignedIn:
        return False
    return True


def test_without_an_account_the_console_has_to_be_set_up_first(alone: Flask) -> None:
    assert refused() == "not_set_up"
    assert count(Identity) == 0


def test_a_person_without_a_role_does_not_come_in_and_is_not_stored(admin: Actor) -> None:
    assert refused(role_values=("guest",)) == "no_role"
    assert refused(role_values=(), has_too_many_groups=True) == "too_many_groups"
    assert (count(Identity), count(User)) == (0, 1)
    assert "user.sign_on_refused" in actions()


def test_with_several_accounts_a_new_person_is_refused_unless_the_setting_names_one(
    alone: Flask, open_console: OpenConsole
) -> None:
    beta = make_account(alone, "Beta")
    make_account(alone, "Acme")
    url = alone.config["SQLALCHEMY_DATABASE_URI"].render_as_string(hide_password=False)

    assert refused() == "no_account"
    with open_console(url, **SETTINGS, OIDC_ACCOUNT="Gamma").app_context():
        assert refused() == "no_account"
    with open_console(url, **SETTINGS, OIDC_ACCOUNT="Beta").app_context():
        assert enter().account_id == beta
    with open_console(url, **SETTINGS, OIDC_ACCOUNT=str(beta)).app_context():
        assert enter(subject="ben-1", email=None).account_id == beta


def test_two_accounts_with_one_name_are_ambiguous(alone: Flask, open_console: OpenConsole) -> None:
    make_account(alone)
    make_account(alone)
    url = alone.config["SQLALCHEMY_DATABASE_URI"].render_as_string(hide_password=False)

    with open_console(url, **SETTINGS, OIDC_ACCOUNT="Acme").app_context():
        assert refused() == "no_account"


@pytest.mark.parametrize(("is_verified", "code"), [(True, "address_taken"), (False, "waits")])
def test_nobody_is_found_by_an_address(admin: Actor, is_verified: bool, code: str) -> None:
    assert refused(email=admin.email, is_email_verified=is_verified) == code
    assert refused(email=admin.email, is_email_verified=is_verified) == code

    [waiting] = identities.waiting(admin)
    assert waiting["email"] == (admin.email if is_verified else None)
    assert count(User) == 1
    assert actions() == ["user.identity_waits"]


def test_a_sign_in_at_the_provider_that_is_too_old_stores_nothing(admin: Actor) -> None:
    long_ago = now() - timedelta(hours=13)

    assert refused(authenticated_at=long_ago) == "sign_in_too_old"
    assert refused(ends_at=now() - timedelta(seconds=1)) == "sign_in_too_old"
    assert count(Identity) == 0


def test_a_session_ends_with_the_one_of_the_provider(admin: Actor) -> None:
    moment = now()
    signed_in_before = enter(authenticated_at=moment - timedelta(hours=11))
    ends_soon = enter(ends_at=moment + timedelta(minutes=5))
    ahead = enter(authenticated_at=moment + timedelta(hours=20))

    assert signed_in_before.ends_at == moment + timedelta(hours=1)
    assert ends_soon.ends_at == moment + timedelta(minutes=5)
    assert ahead.ends_at is not None
    assert ahead.ends_at <= now() + timedelta(hours=12)


def test_a_new_person_gets_the_highest_of_their_roles_and_no_password(admin: Actor) -> None:
    ann = enter(role_values=("viewer", "unknown", "admin", "editor"))

    assert (ann.name, ann.email, ann.role, ann.account_id) == ("Ann", "ann@example.org", Role.ADMIN, admin.account_id)
    assert ann.method is SignInMethod.PROVIDER
    with pytest.raises(NotSignedIn):
        sessions.sign_in(VISITOR, "ann@example.org", PASSWORD)
    assert enter(role_values=("admin",)).user_id == ann.user_id
    assert actions()[:2] == ["user.came", "user.signed_in"]


def test_a_person_without_an_address_gets_one_that_no_mail_reaches(admin: Actor) -> None:
    assert enter(email=None).email.endswith("@no-address.invalid")
    assert enter(email=None, subject="ben-1").email.endswith("@no-address.invalid")
    assert enter(email="boss@example.org", is_email_verified=False, subject="eve").email.endswith("@no-address.invalid")
    # It is replaced by the first verified address that is free. An address that is not verified may be that of another.
    assert enter(email="ann@example.com", is_email_verified=False).email.endswith("@no-address.invalid")
    assert enter(email=admin.email).email.endswith("@no-address.invalid")
    assert enter(email="ann@example.com").email == "ann@example.com"


def test_the_subject_of_another_issuer_is_another_person(admin: Actor) -> None:
    enter()
    provider_sign_in.sign_in(VISITOR, replace(ANN, issuer="https://other.example", email=None))

    with db.reading() as connection:
        assert len(set(connection.scalars(sa.select(Identity.user_id)))) == 2


def test_sessions_through_the_provider_are_not_asked_for_a_second_factor(admin: Actor) -> None:
    operator = Actor(admin.account_id, "root", Door.TERMINAL, role=Role.ADMIN)
    accounts.require_second_factor(operator, is_required=True)
    assert not enter().must_set_up_second_factor
    user_id = enter().user_id
    with db.transaction() as session:
        session.add(SecondFactor(user_id=user_id, secret="not read", confirmed_at=now()))

    assert not enter().has_second_factor


def test_a_person_whose_role_went_loses_everything_at_once(app: Flask, admin: Actor, open_console: OpenConsole) -> None:
    first, second = (provider_sign_in.sign_in(VISITOR, replace(ANN, role_values=("admin",))) for _ in range(2))
    ann = sessions.authenticate(VISITOR, first)
    made = invitations.invite(ann, {"role": "admin"})
    operator = Actor(admin.account_id, "root", Door.TERMINAL, role=Role.ADMIN)
    own = invitations.make_reset_link(operator, ann.user_id)
    other = open_console(app.config["SQLALCHEMY_DATABASE_URI"].render_as_string(hide_password=False), **SETTINGS)

    assert refused(role_values=()) == "no_role"

    with other.app_context():
        assert [is_signed_in(first), is_signed_in(second)] == [False, False]
    for code in (made, own):
        with pytest.raises(NotFound):
            invitations.read_link(code)
    [row] = [one for one in users.listing(admin) if one["id"] == ann.user_id]
    assert (row["is_active"], row["has_lost_role"]) == (False, True)
    assert actions()[-1] == "user.role_lost"
    with pytest.raises(Conflict) as kept:
        users.activate(admin, ann.user_id)
    assert kept.value.code == "role_from_provider"

    assert enter(role_values=("viewer",)).role is Role.VIEWER
    assert "user.role_regained" in actions()


def test_the_last_admin_loses_the_role_too_and_the_terminal_gets_back_in(app: Flask) -> None:
    account = make_account(app)
    ann = enter(role_values=("admin",))

    assert refused(role_values=()) == "no_role"

    operator = Actor(account, "root", Door.TERMINAL, role=Role.ADMIN)
    assert users.activate(operator, ann.user_id)
    code = invitations.make_reset_link(operator, ann.user_id)
    assert is_signed_in(invitations.choose_password(VISITOR, code, {"password": "another-quiet-4-river"}))


def test_a_person_whom_an_admin_deactivated_stays_deactivated(admin: Actor) -> None:
    ann = enter()
    users.deactivate(admin, ann.user_id)

    assert refused() == "deactivated"
    assert refused(role_values=()) == "no_role"
    assert refused() == "deactivated"
    users.activate(admin, ann.user_id)
    assert enter().user_id == ann.user_id


def test_a_person_who_lost_the_role_and_whom_an_admin_deactivates_later_stays_deactivated(admin: Actor) -> None:
    ann = enter()
    operator = Actor(admin.account_id, "root", Door.TERMINAL, role=Role.ADMIN)
    assert refused(role_values=()) == "no_role"
    users.activate(operator, ann.user_id)
    users.deactivate(admin, ann.user_id)

    assert refused() == "deactivated"


def test_another_role_ends_the_other_sessions(admin: Actor) -> None:
    before = provider_sign_in.sign_in(VISITOR, ANN)

    after = enter(role_values=("viewer",))

    assert after.role is Role.VIEWER
    assert not is_signed_in(before)
    assert "user.role_from_provider" in actions()


def test_name_and_verified_address_follow_the_provider(admin: Actor) -> None:
    before = provider_sign_in.sign_in(VISITOR, ANN)

    assert enter(name="Ann Other", email="other@example.org").email == "other@example.org"
    assert enter(name="Ann Other", email="third@example.org", is_email_verified=False).email == "other@example.org"
    assert enter(name="Ann Other", email=admin.email).email == "other@example.org"

    assert sessions.authenticate(VISITOR, before).name == "Ann Other"
    assert {"user.renamed", "user.address_changed"} <= set(actions())


def test_pages_cannot_change_what_the_provider_says(app: Flask, admin: Actor) -> None:
    ann = enter(role_values=("admin",))
    set_password(ann)

    with pytest.raises(Conflict) as role:
        users.change_role(admin, ann.user_id, {"role": "viewer"})
    values = {"name": "Another", "email": ann.email, "current_password": PASSWORD}
    with pytest.raises(Conflict) as name:
        user_details.change_own_details(ann, "", values)

    assert (role.value.code, name.value.code) == ("role_from_provider", "role_from_provider")
    assert "id.example.org" in role.value.detail


def set_password(actor: Actor) -> None:
    with db.transaction() as session:
        hashed = passwords.hash_password(PASSWORD)
        session.execute(sa.update(User).where(User.id == actor.user_id).values(password_hash=hashed))


def at_once(app: Flask, *acts: Any) -> list[Any]:
    """Do these at the same time, each in its own thread. Returns results and refusals."""
    found: list[Any] = [None] * len(acts)
    barrier = threading.Barrier(len(acts))

    def run(number: int, act: Any) -> None:
        with app.app_context():
            barrier.wait()
            try:
                found[number] = act()
            except ConsoleError as error:
                found[number] = error

    threads = [threading.Thread(target=run, args=each) for each in enumerate(acts)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


def test_two_first_sign_ins_at_once_make_one_person_and_two_sessions(app: Flask, admin: Actor) -> None:
    found = at_once(app, *[lambda: provider_sign_in.sign_in(VISITOR, ANN)] * 4)

    assert [is_signed_in(session_id) for session_id in found] == [True] * 4
    assert len(set(found)) == 4
    assert (count(User), count(Identity)) == (2, 1)


@pytest.mark.parametrize("act", ["deactivate", "delete", "unlink"])
def test_no_session_is_left_to_a_person_who_is_removed_during_a_sign_in(app: Flask, admin: Actor, act: str) -> None:
    ann = enter()
    remove = {"deactivate": users.deactivate, "delete": users.delete, "unlink": identities.unlink}[act]

    found, done = at_once(app, lambda: provider_sign_in.sign_in(VISITOR, ANN), lambda: remove(admin, ann.user_id))

    assert not isinstance(done, Exception)
    if isinstance(found, str) and is_signed_in(found):
        # The sign-in came second, and made or found a person who may be here.
        assert act != "deactivate"
        assert sessions.authenticate(VISITOR, found).user_id != ann.user_id


def test_an_admin_says_whose_an_identity_is(app: Flask, admin: Actor) -> None:
    assert refused(email=admin.email, role_values=("admin",)) == "address_taken"
    foreign = make_user(app)
    with pytest.raises(NotFound):
        identities.link(foreign, waiting_id(admin), foreign.user_id)
    with pytest.raises(NotFound):
        identities.link(admin, waiting_id(admin), foreign.user_id)

    identity_id = waiting_id(admin)
    identities.link(admin, identity_id, admin.user_id)

    assert enter(email=admin.email, role_values=("admin",)).user_id == admin.user_id
    with pytest.raises(NotFound):
        identities.link(admin, identity_id, admin.user_id)
    assert identities.waiting(admin) == []


def test_a_person_has_at_most_one_identity(app: Flask, admin: Actor) -> None:
    for subject in ("ann-1", "ann-2"):
        assert refused(subject=subject, email=admin.email) == "address_taken"
    identities.link(admin, waiting_id(admin), admin.user_id)

    with pytest.raises(Conflict) as found:
        identities.link(admin, waiting_id(admin), admin.user_id)

    assert found.value.code == "already_linked"


def test_an_identity_becomes_a_new_person_or_is_dismissed(admin: Actor) -> None:
    assert refused(email=admin.email) == "address_taken"
    identities.dismiss(admin, waiting_id(admin))
    assert count(Identity) == 0
    assert refused(email=admin.email) == "address_taken"

    added = identities.add_person(admin, waiting_id(admin))

    ann = enter(email=admin.email)
    assert (ann.user_id, ann.role) == (added, Role.EDITOR)
    assert ann.email.endswith("@no-address.invalid")


def test_unlinking_ends_the_sessions_through_the_provider_and_no_others(admin: Actor) -> None:
    ann = enter()
    operator = Actor(admin.account_id, "root", Door.TERMINAL, role=Role.ADMIN)
    code = invitations.make_reset_link(operator, ann.user_id)
    by_link = invitations.choose_password(VISITOR, code, {"password": "another-quiet-4-river"})
    by_provider = provider_sign_in.sign_in(VISITOR, ANN)

    assert identities.unlink(admin, ann.user_id)
    assert not identities.unlink(admin, ann.user_id)

    assert (is_signed_in(by_link), is_signed_in(by_provider)) == (True, False)
    assert refused() == "address_taken"


def test_a_person_links_and_unlinks_themselves(app: Flask, admin: Actor) -> None:
    claim = Claim(ISSUER, "ann-1", "Ann", None)
    this = sessions.sign_in(VISITOR, admin.email, PASSWORD)
    identities.link_own(admin, this, claim, SOON)
    assert sessions.authenticate(VISITOR, this).method is SignInMethod.PROVIDER
    assert enter(role_values=("admin",), email=None).user_id == admin.user_id
    other = make_user(app, account_id=admin.account_id)
    for actor, code in ((admin, "already_linked"), (other, "linked_to_another")):
        with pytest.raises(Conflict) as found:
            identities.link_own(actor, "", claim, SOON)
        assert found.value.code == code

    assert identities.unlink_own(admin)
    assert not is_signed_in(this)
    assert identities.own(admin) is None
    assert sessions.sign_in(VISITOR, admin.email, PASSWORD)


def test_a_person_without_a_password_does_not_unlink_themselves(admin: Actor) -> None:
    ann = enter()

    with pytest.raises(Conflict) as found:
        identities.unlink_own(ann)

    assert found.value.code == "no_password"


def test_an_identity_that_waits_is_taken_over_by_the_person_who_links_it(admin: Actor) -> None:
    assert refused(email=admin.email) == "address_taken"

    identities.link_own(admin, "", Claim(ISSUER, "ann-1", "Ann", admin.email), SOON)

    assert identities.waiting(admin) == []
    assert count(Identity) == 1


def test_an_identity_without_a_role_is_not_linked(admin: Actor) -> None:
    with pytest.raises(NotAdmitted):
        provider_sign_in.claim_of(VISITOR, replace(ANN, role_values=()))

    claim, ends_at = provider_sign_in.claim_of(VISITOR, replace(ANN, ends_at=now() + timedelta(minutes=2)))
    assert claim == Claim(ISSUER, "ann-1", "Ann", "ann@example.org")
    assert ends_at < now() + timedelta(minutes=3)


def fail(code: str, visitor: Visitor = VISITOR) -> None:
    """Sign in with an answer that the provider refuses."""
    with pytest.raises(SignOnRefused), provider_sign_in.attempt(visitor):
        raise SignOnRefused("refused", code=code)


def test_guesses_are_counted_by_address_and_refused_before_the_provider_is_asked(admin: Actor) -> None:
    for _ in range(100):
        fail("invalid_grant")

    asked = []
    with pytest.raises(Throttled, match="Too many failed sign-ins"), provider_sign_in.attempt(VISITOR):
        asked.append(True)
    assert asked == []
    assert count(LoginAttempt) == 100
    assert actions().count("user.sign_on_failed") == 100
    with provider_sign_in.attempt(Visitor("192.0.2.8")):
        pass
    # The way in with a password is counted apart.
    assert sessions.sign_in(VISITOR, admin.email, PASSWORD)


@pytest.mark.parametrize("code", sorted(provider_sign_in.NO_GUESSES))
def test_trouble_with_the_provider_is_no_guess(admin: Actor, code: str) -> None:
    fail(code)

    assert count(LoginAttempt) == 0


def test_a_session_that_is_linked_ends_when_that_of_the_provider_does(admin: Actor) -> None:
    this = sessions.sign_in(VISITOR, admin.email, PASSWORD)
    assert isinstance(this, str)
    ends_at = now() + timedelta(minutes=2)

    identities.link_own(admin, this, Claim(ISSUER, "ann-1", "Ann", None), ends_at)

    assert sessions.authenticate(VISITOR, this).ends_at == ends_at


def test_a_deleted_account_takes_its_identities_along(app: Flask, admin: Actor) -> None:
    enter()

    with db.transaction() as session:
        session.execute(sa.delete(Account).where(Account.id == admin.account_id))

    assert count(Identity) == 0
