"""Names and email addresses: what every door refuses, and what a change of them ends. Refusals first."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest
import sqlalchemy as sa
from flask import Flask

from agents_app.db import db
from agents_app.errors import Forbidden, InvalidInput, NotFound, NotSignedIn, Throttled
from agents_app.models import Event, User
from agents_app.operations import accounts, invitations, sessions, user_details, user_records
from agents_app.operations.permissions import Actor, Visitor
from agents_app.values.choices import Door
from tests.make import PASSWORD, make_user

ONE_LINE = "Write this on one line, without control characters."
AN_ADDRESS = "Write an email address, such as ada@example.org."
BAD = [
    ("name", " ", "Enter your name."),
    ("name", "\u200b", "Enter your name."),
    ("name", "Ada\nKing", ONE_LINE),
    ("name", "x" * 256, "Use at most 255 characters."),
    ("name", 7, "Write this as text."),
    (
        "name",
        "Ada \u202egnik",
        "Remove the direction mark U+202E (right-to-left override) at character 5: it changes how the text reads.",
    ),
    ("name", "A\0da", "Remove the invalid characters (U+0000 or an unpaired surrogate)."),
    ("email", "", "Enter an email address."),
    ("email", "ada", AN_ADDRESS),
    ("email", "ada@one@two.example", AN_ADDRESS),
    ("email", f"{'x' * 250}@example.org", AN_ADDRESS),
    ("email", "a\td\na@example.org", ONE_LINE),
]
Door_ = Callable[[Actor, dict[str, Any]], object]


@pytest.fixture
def ada(app: Flask) -> Actor:
    """An admin of a new account, with an IP address of her own."""
    return replace(make_user(app), visitor=Visitor(uuid4().hex, "test"))


def details(actor: Actor, **changes: Any) -> dict[str, Any]:
    """The values of the form on the page Your profile."""
    return {"name": actor.name, "email": actor.email, "current_password": PASSWORD, **changes}


def new_email() -> str:
    return f"{uuid4().hex}@example.org"


def change(actor: Actor, session_id: str = "", **changes: Any) -> list[str]:
    return user_details.change_own_details(actor, session_id, details(actor, **changes))


def stored(actor: Actor) -> tuple[str, str]:
    with db.reading() as connection:
        name, email = connection.execute(sa.select(User.name, User.email).where(User.id == actor.user_id)).one()
    return name, email


def is_signed_in(session_id: str) -> bool:
    try:
        sessions.authenticate(Visitor(), session_id)
    except NotSignedIn:
        return False
    return True


def by_set_up(_admin: Actor, values: dict[str, Any]) -> object:
    return accounts.create({"account_name": "Apex", "password": PASSWORD, **values})


def by_joining(admin: Actor, values: dict[str, Any]) -> object:
    code = invitations.invite(admin, {"role": "viewer"})
    return invitations.join(Visitor(), code, {"password": PASSWORD, **values})


def in_the_profile(admin: Actor, values: dict[str, Any]) -> object:
    return user_details.change_own_details(admin, "", {"current_password": PASSWORD, **values})


def at_the_terminal(admin: Actor, values: dict[str, Any]) -> object:
    assert admin.user_id is not None
    return user_details.change(admin, admin.user_id, values)


@pytest.mark.parametrize("door", [by_set_up, by_joining, in_the_profile, at_the_terminal])
def test_every_door_refuses_the_same_names_and_addresses_with_the_same_sentence(
    app: Flask, ada: Actor, door: Door_
) -> None:
    for name, value, sentence in BAD:
        with pytest.raises(InvalidInput) as refusal:
            door(ada, {"name": "Edith", "email": new_email(), name: value})
        assert refusal.value.fields == [(f"/{name}", sentence)]

    assert stored(ada) == (ada.name, ada.email)


@pytest.mark.parametrize("door", [by_set_up, by_joining, in_the_profile, at_the_terminal])
def test_an_address_of_a_person_of_any_account_is_taken(app: Flask, ada: Actor, door: Door_) -> None:
    other = make_user(app)

    with pytest.raises(InvalidInput) as refusal:
        door(ada, {"name": "Edith", "email": f" {other.email.upper()} "})

    ((pointer, sentence),) = refusal.value.fields
    assert (pointer, sentence.startswith(user_records.TAKEN)) == ("/email", True)
    assert stored(ada) == (ada.name, ada.email)


def test_a_wrong_password_changes_nothing_and_does_not_say_that_an_address_is_taken(app: Flask, ada: Actor) -> None:
    for email in (make_user(app).email, new_email()):
        with pytest.raises(InvalidInput) as refusal:
            change(ada, name="Edith", email=email, current_password="wrong")
        assert refusal.value.fields == [("/current_password", "This is not your current password.")]

    assert stored(ada) == (ada.name, ada.email)


def test_wrong_passwords_and_taken_addresses_are_limited_and_each_is_called_what_it_is(app: Flask, ada: Actor) -> None:
    taken, other = make_user(app).email, replace(make_user(app), visitor=Visitor(uuid4().hex, "test"))
    for _ in range(10):
        with pytest.raises(InvalidInput):
            change(ada, email=taken)
        with pytest.raises(InvalidInput):
            change(other, current_password="wrong")

    with pytest.raises(Throttled) as refusal:
        change(ada, email=new_email())
    assert refusal.value.detail.startswith("Too many email addresses that are taken. Try again in ")
    with pytest.raises(Throttled) as refusal:
        change(other, name="Edith")
    assert refusal.value.detail.startswith("Too many wrong passwords. Try again in ")
    assert change(ada, name="Edith") == ["name"]
    assert sessions.sign_in(ada.visitor, ada.email, PASSWORD)


def test_a_name_or_an_address_that_is_the_password_is_refused(app: Flask, ada: Actor) -> None:
    password = "plain.quiet.river"
    user_details.change_password(ada, "", {"current_password": PASSWORD, "password": password})

    for changes in ({"name": password.upper()}, {"email": f"{password}@example.org"}):
        with pytest.raises(InvalidInput) as refusal:
            change(ada, **changes, current_password=password)
        assert refusal.value.fields == [
            ("", "Your password would be your name or your email address. Change the password first.")
        ]


def test_only_an_admin_changes_another_person_and_only_in_the_same_account(app: Flask, ada: Actor) -> None:
    editor, outsider = make_user(app, "editor", ada.account_id), make_user(app)
    assert ada.user_id

    with pytest.raises(Forbidden):
        user_details.change(editor, ada.user_id, {"name": "Edith"})
    with pytest.raises(NotFound):
        user_details.change(outsider, ada.user_id, {"name": "Edith"})


def test_a_new_name_ends_no_session_and_is_an_event_with_both_names(app: Flask, ada: Actor) -> None:
    current, other = (sessions.sign_in(ada.visitor, ada.email, PASSWORD) for _ in range(2))

    assert change(ada, current, name=" Ada King ") == ["name"]

    assert stored(ada) == ("Ada King", ada.email)
    assert (is_signed_in(current), is_signed_in(other)) == (True, True)
    with db.reading() as connection:
        row = connection.execute(
            sa.select(Event.__table__).where(Event.account_id == ada.account_id, Event.action == "user.renamed")
        ).one()
    assert (row.actor_name, row.target_name, row.details) == (ada.name, "Ada King", {"before": ada.name})


def test_a_new_address_ends_the_other_sessions_and_the_link_to_choose_a_password(app: Flask, ada: Actor) -> None:
    current, other = (sessions.sign_in(ada.visitor, ada.email, PASSWORD) for _ in range(2))
    assert ada.user_id
    code, email = invitations.make_reset_link(ada, ada.user_id), new_email()

    assert change(ada, current, email=email.upper()) == ["email"]

    assert stored(ada) == (ada.name, email)
    assert (is_signed_in(current), is_signed_in(other)) == (True, False)
    with pytest.raises(NotFound):
        invitations.read_link(code)
    with pytest.raises(NotSignedIn):
        sessions.sign_in(Visitor(uuid4().hex), ada.email, PASSWORD)
    assert sessions.sign_in(ada.visitor, email, PASSWORD)
    with db.reading() as connection:
        rows = connection.execute(sa.select(Event.__table__).where(Event.account_id == ada.account_id)).all()
    assert email not in str(rows)


def test_a_form_that_changes_nothing_says_so_and_adds_no_event(app: Flask, ada: Actor) -> None:
    assert change(ada) == []
    assert ada.user_id
    assert not user_details.change(ada, ada.user_id, {"name": ada.name})

    with db.reading() as connection:
        assert not connection.execute(sa.select(Event.id).where(Event.account_id == ada.account_id)).all()


def test_an_operator_changes_one_of_both_and_keeps_an_old_value_that_this_release_would_refuse(
    app: Flask, ada: Actor
) -> None:
    operator = replace(ada, user_id=None, door=Door.TERMINAL, name="root")
    old = "Ada \u202eKing"
    with db.transaction() as session:
        session.execute(sa.update(User).where(User.id == ada.user_id).values(name=old))
    session_id, email = sessions.sign_in(ada.visitor, ada.email, PASSWORD), new_email()
    assert ada.user_id

    assert user_details.change(operator, ada.user_id, {"email": email})

    assert stored(ada) == (old, email)
    assert not is_signed_in(session_id)


TAKERS: dict[str, Callable[[Actor, str], object]] = {
    "profile": lambda ada, email: change(ada, email=email),
    "operator": lambda ada, email: user_details.change(ada, ada.user_id or uuid4(), {"email": email}),
    "join": lambda ada, email: invitations.join(
        Visitor(), invitations.invite(ada, {"role": "viewer"}), {"name": "Grace", "email": email, "password": PASSWORD}
    ),
    "new account": lambda _, email: accounts.create(
        {"account_name": "Second", "name": "Grace", "email": email, "password": PASSWORD}
    ),
}


# SQLite has one writer at a time.
@pytest.mark.parametrize("console", ["postgresql"], indirect=True)
@pytest.mark.parametrize("taker", TAKERS)
def test_an_address_that_another_person_takes_at_the_same_time_is_refused_at_its_field(ada: Actor, taker: str) -> None:
    email, taken = new_email(), []

    def take(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        if statement.startswith(("INSERT INTO users ", "UPDATE users ")) and not taken:
            taken.append(email)
            values = {"account_id": ada.account_id, "email": email, "name": "First", "role": "viewer"}
            with db.engine.begin() as other:
                other.execute(sa.insert(User).values(values))

    sa.event.listen(db.engine, "before_cursor_execute", take)
    try:
        with pytest.raises(InvalidInput) as refusal:
            TAKERS[taker](ada, email)
    finally:
        sa.event.remove(db.engine, "before_cursor_execute", take)

    assert taken
    ((field, sentence),) = refusal.value.fields
    assert field == "/email"
    assert sentence.startswith(user_records.TAKEN)
