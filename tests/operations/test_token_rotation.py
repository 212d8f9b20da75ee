"""Rotating a token, and finding tokens that are not used. Refusals first."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa
from flask import Flask

from agents_app.db import db, now
from agents_app.errors import Conflict, Forbidden, InvalidInput, NotFound, NotSignedIn, Repeated
from agents_app.models import ApiToken, Event
from agents_app.operations import tokens, users
from agents_app.operations.permissions import Actor, Visitor
from agents_app.schemas.tokens import TokenQuery
from agents_app.values.choices import Door, Role
from tests.make import make_agent, make_user

A_TIME = "Write 1h to 168h (hours) or 1d to 7d (days), such as 24h."


@pytest.fixture
def admin(app: Flask) -> Actor:
    """An admin of a new account."""
    return make_user(app)


def make(admin: Actor, **changes: Any) -> tuple[UUID, str]:
    """A token of this admin, and its text."""
    return tokens.create(admin, {"name": "ci", "scopes": ["write"], **changes})


def operator_of(admin: Actor) -> Actor:
    """The operator at the terminal, in the account of this admin."""
    return replace(admin, user_id=None, door=Door.TERMINAL, name="root")


def store(token_id: UUID, **columns: Any) -> None:
    with db.transaction() as session:
        session.execute(sa.update(ApiToken).where(ApiToken.id == token_id).values(**columns))


def stored(token_id: UUID) -> Any:
    with db.reading() as connection:
        return connection.execute(sa.select(ApiToken.__table__).where(ApiToken.id == token_id)).one()


def who(text: str) -> Actor:
    return tokens.authenticate(Visitor(uuid4().hex), text)


def count(admin: Actor) -> int:
    with db.reading() as connection:
        query = sa.select(sa.func.count()).select_from(ApiToken).where(ApiToken.account_id == admin.account_id)
        return connection.scalar(query) or 0


@pytest.mark.parametrize("overlap", ["0h", "169h", "8d", "-1h", "24", "1.5h", "1 week", "forever", 24, True, ["1h"]])
def test_an_overlap_outside_an_hour_to_seven_days_is_refused(app: Flask, admin: Actor, overlap: object) -> None:
    token_id, text = make(admin)

    with pytest.raises(InvalidInput) as refusal:
        tokens.rotate(admin, token_id, {"overlap": overlap})

    assert refusal.value.fields == [("/overlap", A_TIME)]
    assert (count(admin), who(text).role) == (1, Role.ADMIN)


STOPPED: dict[str, tuple[Callable[[Actor, UUID], object], str]] = {
    "revoked": (tokens.revoke, "The token ci was revoked. Create a new token."),
    "expired": (lambda _, it: store(it, expires_at=now()), "The token ci has expired. Create a new token."),
    "rotated": (
        lambda admin, it: tokens.rotate(admin, it, {}),
        "The token ci was replaced. Rotate the newer token of this name. If that one was revoked, create a new token.",
    ),
    "without its owner": (
        lambda _, it: store(it, created_by=None),
        "The token ci has no permissions, because its owner was deactivated or deleted. Create a new token.",
    ),
}


@pytest.mark.parametrize("stopped", STOPPED)
def test_a_token_that_no_longer_works_is_not_rotated(app: Flask, admin: Actor, stopped: str) -> None:
    token_id, _ = make(admin)
    stop, sentence = STOPPED[stopped]
    stop(admin, token_id)
    before = count(admin)

    with pytest.raises(Conflict) as refusal:
        tokens.rotate(admin, token_id, {})

    assert refusal.value.detail == sentence
    assert count(admin) == before


def test_a_token_of_a_deactivated_person_is_rotated_only_if_it_has_the_scope_runtime(app: Flask, admin: Actor) -> None:
    other = make_user(app, "admin", admin.account_id)
    lost, kept = make(other)[0], make(other, scopes=["write", "runtime"])[0]
    assert other.user_id
    users.deactivate(admin, other.user_id)

    with pytest.raises(Conflict):
        tokens.rotate(operator_of(admin), lost, {})
    found = who(tokens.rotate(operator_of(admin), kept, {})[1])

    assert (found.role, found.user_id) == (None, other.user_id)
    assert not found.may("agents.read")
    assert found.may("agents.runtime")


def test_only_an_admin_of_the_account_rotates_a_token(app: Flask, admin: Actor) -> None:
    token_id, _ = make(admin)
    editor = make_user(app, "editor", admin.account_id)

    with pytest.raises(Forbidden):
        tokens.rotate(editor, token_id, {})
    with pytest.raises(NotFound):
        tokens.rotate(make_user(app), token_id, {})


@pytest.mark.parametrize("scopes", [["read"], ["write"], ["read", "runtime"]])
def test_an_admin_never_gets_a_token_that_acts_as_another_person(app: Flask, admin: Actor, scopes: list[str]) -> None:
    other = make_user(app, "admin", admin.account_id, name="Grace")
    token_id, text = make(other, scopes=scopes)
    refused = "The token ci acts as Grace, so only Grace can rotate it. Create a new token."

    for ask in (lambda: tokens.rotate(admin, token_id, {}), lambda: tokens.read(admin, token_id, to_rotate=True)):
        with pytest.raises(Conflict) as refusal:
            ask()
        assert refusal.value.detail == refused

    assert count(admin) == 1
    assert [row["acts_as_another"] for row in tokens.listing(admin)] == [True]
    assert [row["acts_as_another"] for row in tokens.listing(other)] == [False]
    assert who(tokens.rotate(other, token_id, {})[1]).user_id == other.user_id
    assert who(text)


def test_every_admin_rotates_a_token_of_the_scope_runtime(app: Flask, admin: Actor) -> None:
    token_id, _ = make(make_user(app, "admin", admin.account_id), scopes=["runtime"])

    assert [row["acts_as_another"] for row in tokens.listing(admin)] == [False]
    assert who(tokens.rotate(admin, token_id, {})[1]).may("agents.runtime")


def test_a_rotated_token_never_has_more_permissions_than_the_old_one(app: Flask, admin: Actor) -> None:
    operator = operator_of(admin)
    editor = make_user(app, "editor", admin.account_id)
    token_id, _ = tokens.create(operator, {"name": "ci", "scopes": ["write"]}, editor.email)

    found = who(tokens.rotate(operator, token_id, {})[1])

    assert (found.user_id, found.role) == (editor.user_id, Role.EDITOR)


@pytest.mark.parametrize(("overlap", "hours"), [(None, 24), ("1h", 1), (" 7D ", 168), ("36 h", 36)])
def test_both_tokens_work_until_the_overlap_ends(app: Flask, admin: Actor, overlap: str | None, hours: int) -> None:
    agent_id = make_agent(app, admin)
    token_id, text = make(admin, scopes=["runtime"], agent_ids=[str(agent_id)], expires_in_days=30)

    new_id, new_text, _ = tokens.rotate(admin, token_id, {"overlap": overlap})

    old, new = stored(token_id), stored(new_id)
    same = ("account_id", "name", "created_by", "scopes", "agent_ids")
    assert [getattr(new, name) for name in same] == [getattr(old, name) for name in same]
    assert new.expires_at - new.created_at == timedelta(days=30)
    assert old.expires_at - new.created_at == timedelta(hours=hours)
    assert who(text).agent_ids == who(new_text).agent_ids == {agent_id}
    assert new_text[17:57] not in str(new) + str(tokens.listing(admin))
    store(token_id, expires_at=now())
    with pytest.raises(NotSignedIn):
        who(text)
    assert who(new_text)


def test_a_token_that_ends_before_the_overlap_is_not_extended(app: Flask, admin: Actor) -> None:
    token_id, _ = make(admin, expires_in_days=1)

    new_id, _, end = tokens.rotate(admin, token_id, {"overlap": "7d"})

    old = stored(token_id)
    assert end == old.expires_at
    assert old.expires_at - old.created_at == timedelta(days=1)
    assert stored(new_id).expires_at - stored(new_id).created_at == timedelta(days=1)


def test_a_token_without_an_end_is_replaced_by_one_without_an_end(app: Flask, admin: Actor) -> None:
    token_id, _ = make(admin)
    store(token_id, expires_at=None)

    new_id, _, _ = tokens.rotate(admin, token_id, {})

    assert stored(new_id).expires_at is None
    assert stored(token_id).expires_at is not None


def test_a_form_that_is_sent_twice_makes_one_token_and_shows_it_twice(app: Flask, admin: Actor) -> None:
    (one, _), (other, _) = make(admin), make(admin)

    first, second = (tokens.rotate(admin, one, {"overlap": "7d"}, "a form") for _ in range(2))

    assert first == second
    assert tokens.rotate(admin, other, {"overlap": "7d"}, "a form") != first
    with pytest.raises(Conflict):
        tokens.rotate(admin, one, {"overlap": "1h"}, "a form")
    tokens.rotate(admin, first[0], {})
    with pytest.raises(Repeated) as refusal:
        tokens.rotate(admin, one, {"overlap": "7d"}, "a form")
    assert refusal.value.detail == "This form already created a token, which was replaced by another."


def test_the_form_of_a_new_token_does_not_show_a_token_that_was_replaced(app: Flask, admin: Actor) -> None:
    values = {"name": "ci", "scopes": ["read"]}
    token_id, _ = tokens.create(admin, values, key="a form")
    tokens.rotate(admin, token_id, {})

    with pytest.raises(Repeated) as refusal:
        tokens.create(admin, values, key="a form")

    assert refusal.value.detail == "This form already created a token, which was replaced by another."


def test_the_event_names_both_tokens_and_the_end(app: Flask, admin: Actor) -> None:
    token_id, text = make(admin)
    new_id, new_text, _ = tokens.rotate(admin, token_id, {})

    with db.reading() as connection:
        query = sa.select(Event.__table__).where(Event.account_id == admin.account_id, Event.action == "token.rotated")
        row = connection.execute(query).one()
    end = stored(token_id).expires_at.isoformat(timespec="seconds")
    assert row.details == {"old": text[:16], "new": new_text[:16], "until": end}
    assert (row.target_id, row.target_name) == (new_id, "ci")


def test_an_unused_token_counts_from_its_last_use_or_else_from_its_creation(app: Flask, admin: Actor) -> None:
    days = {"never, new": (59, None), "never, old": (61, None), "used": (300, 59), "unused": (300, 61)}
    for name, (created, used) in days.items():
        token_id, _ = make(admin, name=name)
        last_used_at = None if used is None else now() - timedelta(days=used)
        store(token_id, created_at=now() - timedelta(days=created), last_used_at=last_used_at)

    assert {row["name"] for row in tokens.listing(admin)} == set(days)
    found = {row["name"] for row in tokens.listing(admin, TokenQuery(unused_days=60))}
    assert found == {"never, old", "unused"}
    assert tokens.listing(admin, TokenQuery(unused_days=62)) == []


def test_the_agents_of_a_token_have_names_and_a_deleted_one_has_none(app: Flask, admin: Actor) -> None:
    agent_id, foreign = make_agent(app, admin, name="Sales"), make_agent(app, make_user(app))
    token_id, _ = make(admin, scopes=["runtime"], agent_ids=[str(agent_id)])
    store(token_id, agent_ids=[str(agent_id), str(foreign)])

    (row,) = tokens.listing(admin)

    assert row["agents"] == [{"id": str(agent_id), "name": "Sales"}, {"id": str(foreign), "name": None}]
