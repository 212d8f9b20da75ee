"""API tokens: which values are valid, what is stored, and how a token is authenticated."""

import re
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
import sqlalchemy as sa
from flask import Flask

from agents_app.db import db, now
from agents_app.errors import InvalidInput, NotFound, NotSignedIn
from agents_app.models import ApiToken, Event, User
from agents_app.operations import token_text, tokens
from agents_app.operations.permissions import Actor, Visitor
from agents_app.values.choices import Door, Role, Scope
from tests.make import make_agent, make_token, make_user


@pytest.fixture
def admin(app: Flask) -> Actor:
    """An admin of a new account."""
    return make_user(app)


def stored(text: str) -> Any:
    """The row of a token."""
    with db.reading() as connection:
        return connection.execute(sa.select(ApiToken.__table__).where(ApiToken.key_id == text[4:16])).one()


def authenticated(text: str) -> Actor:
    """The actor of a token, from a new address."""
    return tokens.authenticate(Visitor(f"test {uuid4().hex}"), text)


@pytest.mark.parametrize(
    ("values", "pointer"),
    [
        ({"scopes": ["read"]}, "/name"),
        ({"name": "ci"}, "/scopes"),
        ({"name": "ci", "scopes": []}, "/scopes"),
        ({"name": "ci", "scopes": "read"}, "/scopes"),
        ({"name": "ci", "scopes": ["admin"]}, "/scopes"),
        ({"name": "ci", "scopes": [["read"]]}, "/scopes"),
        ({"name": "ci", "scopes": ["read"], "expires_in_days": 0}, "/expires_in_days"),
        ({"name": "ci", "scopes": ["read"], "expires_in_days": 3_651}, "/expires_in_days"),
        ({"name": "ci", "scopes": ["runtime"], "agent_ids": ["all"]}, "/agent_ids"),
        ({"name": "ci", "scopes": ["runtime"], "agent_ids": [str(uuid4())]}, "/agent_ids"),
        ({"name": "ci", "scopes": ["read"], "role": "admin"}, "/role"),
    ],
)
def test_a_token_with_bad_values_is_not_made(app: Flask, admin: Actor, values: dict[str, Any], pointer: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        tokens.create(admin, values)

    assert [where for where, _ in refusal.value.fields] == [pointer]
    assert tokens.listing(admin) == []


def test_a_token_cannot_be_limited_to_agents_of_another_account(app: Flask, admin: Actor) -> None:
    foreign = make_agent(app, make_user(app))

    with pytest.raises(InvalidInput):
        tokens.create(admin, {"name": "ci", "scopes": ["runtime"], "agent_ids": [str(foreign)]})


def test_a_token_of_another_account_is_not_found(app: Flask, admin: Actor) -> None:
    make_token(app, admin)
    token_id = tokens.listing(admin)[0]["id"]
    outsider = make_user(app)

    with pytest.raises(NotFound):
        tokens.revoke(outsider, token_id)

    assert tokens.listing(outsider) == []
    assert len(tokens.listing(admin)) == 1


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: "",
        lambda text: text[:-1],
        lambda text: text + "a",
        lambda text: text + "\n",
        lambda text: text.upper(),
        lambda text: text.replace("agc_", "agc-"),
        lambda text: text[:20] + ("a" if text[20] != "a" else "b") + text[21:],
        lambda text: "\N{FULLWIDTH LATIN SMALL LETTER A}" + text[1:],
    ],
)
def test_a_damaged_token_is_refused(app: Flask, admin: Actor, damage: Any) -> None:
    with pytest.raises(NotSignedIn):
        authenticated(damage(make_token(app, admin)))


def test_the_parts_of_two_tokens_cannot_be_mixed(app: Flask, admin: Actor) -> None:
    one, other = make_token(app, admin), make_token(app, admin)
    body = one[:17] + other[17:57]

    with pytest.raises(NotSignedIn):
        authenticated(body + token_text.checksum(body))


def test_a_token_with_an_unknown_pepper_is_refused(app: Flask, admin: Actor) -> None:
    text = make_token(app, admin)
    with db.transaction() as session:
        session.execute(sa.update(ApiToken).where(ApiToken.key_id == text[4:16]).values(pepper_id="p9"))

    with pytest.raises(NotSignedIn):
        authenticated(text)


def test_a_token_has_the_form_that_secret_scanners_look_for(app: Flask, admin: Actor) -> None:
    text = make_token(app, admin)

    assert re.fullmatch(r"agc_[A-Za-z0-9]{12}\.[A-Za-z0-9]{46}", text)
    assert text != make_token(app, admin)


def test_no_stored_or_listed_text_is_a_valid_token(app: Flask, admin: Actor) -> None:
    text = make_token(app, admin)

    assert text[17:57] not in str(stored(text))
    assert text[17:57] not in str(tokens.listing(admin))


@pytest.mark.parametrize(("days", "expected"), [(None, 90), (7, 7)])
def test_a_token_expires(app: Flask, admin: Actor, days: int | None, expected: int) -> None:
    tokens.create(admin, {"name": "ci", "scopes": ["read"], "expires_in_days": days})

    left = tokens.listing(admin)[0]["expires_at"] - now()

    assert timedelta(days=expected - 1) < left <= timedelta(days=expected)


def test_write_includes_read(app: Flask, admin: Actor) -> None:
    found = authenticated(make_token(app, admin, "write"))

    assert found.scopes == {Scope.READ, Scope.WRITE}
    assert (found.role, found.door, found.account_id) == (Role.ADMIN, Door.TOKEN, admin.account_id)


def test_the_last_use_is_written_once_a_minute(app: Flask, admin: Actor) -> None:
    text = make_token(app, admin)
    authenticated(text)
    first = stored(text).last_used_at
    authenticated(text)
    again = stored(text).last_used_at
    with db.transaction() as session:
        long_ago = now() - timedelta(minutes=2)
        session.execute(sa.update(ApiToken).where(ApiToken.key_id == text[4:16]).values(last_used_at=long_ago))
    authenticated(text)

    assert first == again
    assert stored(text).last_used_at > first


def test_a_token_of_an_operator_is_made_for_a_user(app: Flask, admin: Actor) -> None:
    operator = replace(admin, user_id=None, door=Door.TERMINAL, name="root")
    for_only_admin = tokens.create(operator, {"name": "ci", "scopes": ["write"]})[1]
    editor = make_user(app, "editor", admin.account_id)
    for_editor = tokens.create(operator, {"name": "ci", "scopes": ["write"]}, editor.email.upper())[1]
    for_runtimes = tokens.create(operator, {"name": "ci", "scopes": ["runtime"]})[1]

    assert authenticated(for_only_admin).user_id == admin.user_id
    assert authenticated(for_editor).role is Role.EDITOR
    assert authenticated(for_runtimes).user_id is None


def test_an_operator_must_name_the_user_if_there_is_more_than_one_admin(app: Flask, admin: Actor) -> None:
    operator = replace(admin, user_id=None, door=Door.TERMINAL)
    make_user(app, "admin", admin.account_id)
    outsider = make_user(app)

    for email in (None, outsider.email, "nobody@example.org"):
        with pytest.raises(InvalidInput) as refusal:
            tokens.create(operator, {"name": "ci", "scopes": ["read"]}, email)
        assert [pointer for pointer, _ in refusal.value.fields] == ["/user"]


def test_a_token_whose_maker_is_deactivated_has_no_role(app: Flask, admin: Actor) -> None:
    maker = make_user(app, "admin", admin.account_id)
    text = make_token(app, maker, "write")
    with db.transaction() as session:
        session.execute(sa.update(User).where(User.id == maker.user_id).values(is_active=False))

    assert authenticated(text).role is None


def test_making_and_revoking_are_events_without_the_token(app: Flask, admin: Actor) -> None:
    text = make_token(app, admin)
    tokens.revoke(admin, tokens.listing(admin)[0]["id"])

    with db.reading() as connection:
        rows = connection.execute(sa.select(Event.__table__).where(Event.account_id == admin.account_id)).all()
    assert {row.action for row in rows} == {"token.created", "token.revoked"}
    assert text[17:] not in str(rows)
