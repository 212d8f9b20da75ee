"""The users of an account, and the links with which they join: refusals first."""

import threading
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
import sqlalchemy as sa
from flask import Flask

from agents_app.db import db, now
from agents_app.errors import Conflict, Forbidden, InvalidInput, NotFound, NotSignedIn, Repeated
from agents_app.models import Account, Agent, Event, Invitation, User
from agents_app.operations import (
    accounts,
    agent_reads,
    events,
    invitation_records,
    invitations,
    sessions,
    tokens,
    user_details,
    user_records,
    users,
)
from agents_app.operations.permissions import Visitor
from agents_app.schemas.events import EventQuery
from agents_app.schemas.users import UserValues
from agents_app.values.choices import Role
from agents_app.values.fields import parse
from tests import make

FROM_HERE = Visitor("192.0.2.9", "test")


def grace(**changes: str) -> dict[str, str]:
    """The values of the form to join."""
    return {"name": "Grace Hopper", "email": f"{uuid4().hex}@acme.example", "password": make.PASSWORD, **changes}


def sign_in(email: str) -> str:
    return sessions.sign_in(FROM_HERE, email, make.PASSWORD)


def is_signed_in(session_id: str) -> bool:
    try:
        sessions.authenticate(Visitor(), session_id)
    except NotSignedIn:
        return False
    return True


@pytest.mark.parametrize("role", [Role.VIEWER, Role.EDITOR])
def test_only_admins_manage_people(app: Flask, role: Role) -> None:
    admin = make.make_user(app)
    other = make.make_user(app, role, admin.account_id)

    for act in (
        lambda: users.listing(other),
        lambda: users.delete(other, admin.user_id),
        lambda: users.deactivate(other, admin.user_id),
        lambda: users.change_role(other, other.user_id, {"role": "admin"}),
        lambda: invitations.invite(other, {"role": "admin"}),
        lambda: invitations.make_reset_link(other, admin.user_id),
        lambda: invitations.listing(other),
        lambda: invitations.withdraw(other, uuid4()),
        lambda: accounts.rename(other, {"name": "Mine"}),
        lambda: accounts.delete(other, other.account_name),
    ):
        with pytest.raises(Forbidden):
            act()


def test_users_of_another_account_are_not_found(app: Flask) -> None:
    mine, theirs = make.make_user(app), make.make_user(app)

    for act in (
        lambda: users.delete(mine, theirs.user_id),
        lambda: users.deactivate(mine, theirs.user_id),
        lambda: users.activate(mine, theirs.user_id),
        lambda: users.change_role(mine, theirs.user_id, {"role": "viewer"}),
        lambda: invitations.make_reset_link(mine, theirs.user_id),
    ):
        with pytest.raises(NotFound):
            act()

    assert [person["id"] for person in users.listing(mine)] == [mine.user_id]


def test_the_last_admin_cannot_be_removed(app: Flask) -> None:
    admin = make.make_user(app)
    make.make_user(app, Role.EDITOR, admin.account_id)

    for act in (
        lambda: users.delete(admin, admin.user_id),
        lambda: users.deactivate(admin, admin.user_id),
        lambda: users.change_role(admin, admin.user_id, {"role": "viewer"}),
    ):
        with pytest.raises(Conflict) as refusal:
            act()
        assert refusal.value.code == "last_admin"


def test_two_admins_cannot_remove_each_other_at_the_same_time(app: Flask) -> None:
    ada = make.make_user(app)
    person = make.make_user(app, Role.ADMIN, ada.account_id)
    start, refused = threading.Barrier(2), []

    def remove(actor, other) -> None:
        with app.app_context():
            start.wait()
            try:
                users.deactivate(actor, other.user_id)
            except Forbidden as refusal:
                refused.append(refusal.code)

    threads = [threading.Thread(target=remove, args=pair) for pair in ((ada, person), (person, ada))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert refused == ["role_missing"]


@pytest.mark.parametrize(
    "lose", [users.deactivate, lambda admin, one: users.change_role(admin, one, {"role": "viewer"})]
)
def test_an_actor_who_has_just_lost_the_role_of_admin_can_make_no_link(app: Flask, lose: Any) -> None:
    admin = make.make_user(app)
    former = make.make_user(app, Role.ADMIN, admin.account_id)
    lose(admin, former.user_id)

    for act in (
        lambda: invitations.invite(former, {"role": "admin"}),
        lambda: invitations.make_reset_link(former, admin.user_id),
        lambda: users.activate(former, former.user_id),
        lambda: users.change_role(former, former.user_id, {"role": "admin"}),
        lambda: tokens.create(former, {"name": "ci", "scopes": ["runtime"]}),
    ):
        with pytest.raises(Forbidden) as refusal:
            act()
        assert refusal.value.code == "role_missing"


def test_a_changed_role_and_a_deactivation_end_every_session(app: Flask) -> None:
    admin = make.make_user(app)
    person = make.make_user(app, Role.EDITOR, admin.account_id)

    session_id = sign_in(person.email)
    users.change_role(admin, person.user_id, {"role": "viewer"})
    assert not is_signed_in(session_id)

    session_id = sign_in(person.email)
    users.deactivate(admin, person.user_id)
    assert not is_signed_in(session_id)
    with pytest.raises(NotSignedIn):
        sign_in(person.email)

    users.activate(admin, person.user_id)
    assert is_signed_in(sign_in(person.email))


def test_an_operation_that_changes_nothing_returns_false_and_adds_no_event(app: Flask) -> None:
    admin = make.make_user(app)
    person = make.make_user(app, Role.EDITOR, admin.account_id)
    acts: list[Callable[[], bool]] = [
        lambda: users.change_role(admin, person.user_id, {"role": "viewer"}),
        lambda: users.deactivate(admin, person.user_id),
        lambda: users.activate(admin, person.user_id),
        lambda: accounts.rename(admin, {"name": " Apex "}),
    ]

    assert [(act(), act()) for act in acts] == [(True, False)] * len(acts)

    done = [item["action"] for item in events.listing(admin, EventQuery()).items]
    assert done == ["account.renamed", "user.activated", "user.deactivated", "user.role_changed"]


def test_the_agents_of_a_deleted_user_stay_without_a_creator(app: Flask) -> None:
    admin = make.make_user(app)
    person = make.make_user(app, Role.EDITOR, admin.account_id)
    agent_id = make.make_agent(app, person, name="Hers")

    users.delete(admin, person.user_id)

    agent = agent_reads.read(admin, agent_id)
    assert (agent["created_by"], agent["updated_by"]) == (None, person.name)


def test_an_admin_can_be_removed_if_there_is_another_one(app: Flask) -> None:
    ada = make.make_user(app)
    person = make.make_user(app, Role.ADMIN, ada.account_id)

    users.delete(ada, ada.user_id)

    assert [person["id"] for person in users.listing(person)] == [person.user_id]


def test_a_password_change_needs_the_current_password_and_ends_the_other_sessions(app: Flask) -> None:
    ada = make.make_user(app)
    current, other = sign_in(ada.email), sign_in(ada.email)

    with pytest.raises(InvalidInput) as refusal:
        user_details.change_password(ada, current, {"current_password": "wrong", "password": "another-quiet-4-river"})
    assert refusal.value.fields == [("/current_password", "This is not your current password.")]
    with pytest.raises(InvalidInput):
        user_details.change_password(ada, current, {"current_password": make.PASSWORD, "password": make.PASSWORD})

    user_details.change_password(ada, current, {"current_password": make.PASSWORD, "password": "another-quiet-4-river"})

    assert (is_signed_in(current), is_signed_in(other)) == (True, False)
    with pytest.raises(NotSignedIn):
        sign_in(ada.email)


@pytest.mark.parametrize(
    ("note", "sentence"),
    [
        ("x" * 201, "Use at most 200 characters."),
        ("For\nGrace", "Write this on one line, without control characters."),
        (7, "Write this as text."),
    ],
)
def test_a_note_that_breaks_a_rule_makes_no_link(app: Flask, note: object, sentence: str) -> None:
    admin = make.make_user(app)

    with pytest.raises(InvalidInput) as refusal:
        invitations.invite(admin, {"role": "editor", "note": note})

    assert refusal.value.fields == [("/note", sentence)]
    assert invitations.listing(admin) == []


def test_the_note_of_a_link_is_listed_and_neither_in_its_events_nor_for_the_holder_of_the_link(app: Flask) -> None:
    admin, note = make.make_user(app), "Grace, finance"
    code = invitations.invite(admin, {"role": "editor", "note": f" {note} "}, "a form")
    withdrawn = invitations.invite(admin, {"role": "editor", "note": "Edith"})

    assert {row["note"] for row in invitations.listing(admin)} == {note, "Edith"}
    assert note not in str(invitations.read_link(code))
    with pytest.raises(Repeated):
        invitations.invite(admin, {"role": "editor", "note": "Another"}, "a form")

    invitations.withdraw(admin, next(row["id"] for row in invitations.listing(admin) if row["note"] == "Edith"))
    invitations.join(FROM_HERE, code, grace())
    found = events.listing(admin, EventQuery()).items
    assert {"user.invited", "user.joined", "user.invitation_withdrawn"} < {item["action"] for item in found}
    assert not [text for text in (note, "Edith") if text in str(found)]
    assert withdrawn


def test_a_link_lets_one_person_join_once_in_its_role(app: Flask) -> None:
    admin = make.make_user(app)
    code = invitations.invite(admin, {"role": "editor"})

    assert invitations.read_link(code)["role"] == "editor"
    session_id = invitations.join(FROM_HERE, code, grace())

    joined = sessions.authenticate(Visitor(), session_id)
    assert (joined.account_id, joined.role, joined.name) == (admin.account_id, Role.EDITOR, "Grace Hopper")
    with pytest.raises(NotFound):
        invitations.join(FROM_HERE, code, grace())


def test_an_address_in_use_is_refused_and_the_link_still_works(app: Flask) -> None:
    admin, other = make.make_user(app), make.make_user(app)
    code = invitations.invite(admin, {"role": "viewer"})

    with pytest.raises(InvalidInput) as refusal:
        invitations.join(FROM_HERE, code, grace(email=other.email.upper()))

    assert refusal.value.fields == [("/email", f"{user_records.TAKEN}Use another address, or sign in.")]
    assert invitations.join(FROM_HERE, code, grace())


def test_withdrawn_old_and_unknown_links_get_the_same_refusal(app: Flask) -> None:
    admin = make.make_user(app)
    withdrawn = invitations.invite(admin, {"role": "viewer"})
    invitations.withdraw(admin, invitations.listing(admin)[0]["id"])
    old = invitations.invite(admin, {"role": "viewer"})
    with db.transaction() as session:
        session.execute(sa.update(Invitation).values(expires_at=now()))

    for code in (withdrawn, old, "no such code", "\ud800"):
        with pytest.raises(NotFound) as refusal:
            invitations.read_link(code)
        assert refusal.value.detail == invitation_records.GONE


def test_a_reset_link_changes_the_password_and_ends_every_session(app: Flask) -> None:
    admin = make.make_user(app)
    person = make.make_user(app, Role.VIEWER, admin.account_id)
    before = sign_in(person.email)
    first = invitations.make_reset_link(admin, person.user_id)
    code = invitations.make_reset_link(admin, person.user_id)

    with pytest.raises(NotFound):
        invitations.choose_password(FROM_HERE, first, {"password": "another-quiet-4-river"})
    with pytest.raises(NotFound):
        invitations.join(FROM_HERE, code, grace())
    session_id = invitations.choose_password(FROM_HERE, code, {"password": "another-quiet-4-river"})

    assert (is_signed_in(before), is_signed_in(session_id)) == (False, True)


@pytest.mark.parametrize("event", ["a new password", "another role", "a deactivation"])
def test_a_reset_link_ends_when_it_is_no_longer_needed(app: Flask, event: str) -> None:
    admin = make.make_user(app)
    person = make.make_user(app, Role.VIEWER, admin.account_id)
    code = invitations.make_reset_link(admin, person.user_id)

    if event == "a new password":
        words = {"current_password": make.PASSWORD, "password": "another-quiet-4-river"}
        user_details.change_password(person, sign_in(person.email), words)
    elif event == "another role":
        users.change_role(admin, person.user_id, {"role": "editor"})
    else:
        users.deactivate(admin, person.user_id)
        users.activate(admin, person.user_id)

    with pytest.raises(NotFound):
        invitations.choose_password(FROM_HERE, code, {"password": "another-quiet-5-river"})


def test_an_account_is_deleted_with_everything_in_it_once_its_name_is_typed(app: Flask) -> None:
    admin, other = make.make_user(app), make.make_user(app)
    make.make_agent(app, admin)
    kept = make.make_agent(app, other)

    with pytest.raises(InvalidInput):
        accounts.delete(admin, "acme")
    accounts.delete(admin, "Acme")

    mine = (admin.account_id, other.account_id)
    with db.reading() as connection:
        assert connection.scalars(sa.select(Agent.id).where(Agent.account_id.in_(mine))).all() == [kept]
        assert connection.scalars(sa.select(User.id).where(User.account_id.in_(mine))).all() == [other.user_id]
        assert connection.scalar(sa.select(Event.id).where(Event.account_id == admin.account_id)) is None
        farewell = sa.select(Event.target_name).where(Event.target_id == admin.account_id)
        assert connection.scalars(farewell.where(Event.action == "account.deleted")).all() == ["Acme"]


def test_a_former_admin_can_neither_rename_nor_delete_the_account(app: Flask) -> None:
    admin = make.make_user(app)
    was_admin = make.make_user(app, Role.ADMIN, admin.account_id)
    users.change_role(admin, was_admin.user_id, {"role": "viewer"})

    for act in (lambda: accounts.rename(was_admin, {"name": "Mine"}), lambda: accounts.delete(was_admin, "Acme")):
        with pytest.raises(Forbidden):
            act()

    with db.reading() as connection:
        assert connection.scalar(sa.select(Account.name).where(Account.id == admin.account_id)) == "Acme"


@pytest.mark.parametrize("email", ["admin@localhost", "root@db", "ada@mail.example.org", "ada@[10.0.0.1]", "ö@büro"])
def test_an_address_needs_no_dot_in_its_domain(email: str) -> None:
    person = parse(UserValues, {"name": "Ada", "email": email, "password": make.PASSWORD})

    assert person.email == email


@pytest.mark.parametrize("email", ["ada", "@localhost", "ada@", "ada@.org", "ada@example.", "a@b@c", "ada @localhost"])
def test_an_invalid_email_address_is_refused(email: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        parse(UserValues, {"name": "Ada", "email": email, "password": make.PASSWORD})

    assert refusal.value.fields == [("/email", "Write an email address, such as ada@example.org.")]


@pytest.mark.parametrize("end", ["sign out", "deactivate"])
def test_who_has_no_session_any_more_was_last_seen_at_their_last_action(app: Flask, end: str) -> None:
    admin = make.make_user(app)
    other = make.make_user(app, Role.EDITOR, admin.account_id)
    with app.app_context():
        assert {one["last_seen_at"] for one in users.listing(admin)} == {None}
        session_id = sign_in(other.email)
        started = now()
        if end == "deactivate":
            users.deactivate(admin, other.user_id)
        else:
            sessions.sign_out(sessions.authenticate(FROM_HERE, session_id), session_id)
        (seen_at,) = (one["last_seen_at"] for one in users.listing(admin) if one["id"] == other.user_id)

        assert abs((seen_at - started).total_seconds()) < 60
