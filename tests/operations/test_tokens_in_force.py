"""API tokens in use: refusals, current permissions and number of queries."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa
from flask import Flask
from sqlalchemy import event

from agents_app.db import db, now
from agents_app.errors import Forbidden, NotFound, NotSignedIn, Throttled
from agents_app.models import ApiToken, LoginAttempt
from agents_app.operations import agent_reads, agents, runtime, token_text, tokens, users
from agents_app.operations.permissions import Actor, Visitor
from tests.conftest import OpenConsole
from tests.make import agent_values, make_agent, make_token, make_user


@pytest.fixture
def admin(app: Flask) -> Actor:
    """An admin of a new account."""
    return make_user(app)


@pytest.fixture
def address() -> str:
    """An address that no other test uses."""
    return f"2001:db8:{uuid4().hex[:4]}:{uuid4().hex[:4]}::1"


def who(text: str, address: str = "192.0.2.1") -> Actor:
    return tokens.authenticate(Visitor(address), text)


def id_of(text: str) -> UUID:
    with db.reading() as connection:
        found: UUID = connection.scalars(sa.select(ApiToken.id).where(ApiToken.key_id == text[4:16])).one()
    return found


def change(text: str, **values: Any) -> None:
    """Change the row of a token."""
    with db.transaction() as session:
        session.execute(sa.update(ApiToken).where(ApiToken.key_id == text[4:16]).values(**values))


def with_checksum(body: str) -> str:
    """A forged token with a valid checksum."""
    return body + token_text.checksum(body)


@contextmanager
def counted_statements() -> Iterator[list[str]]:
    """Every statement that is sent to the database within the context, without those that only prepare one."""
    seen: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_more: Any) -> None:
        if not statement.startswith("PREPARE"):
            seen.append(statement)

    event.listen(db.engine, "before_cursor_execute", note)
    yield seen
    event.remove(db.engine, "before_cursor_execute", note)


REFUSED: dict[str, Callable[[str], str]] = {
    "another secret": lambda text: with_checksum(text[:17] + "A" * 40),
    "another token's name": lambda text: with_checksum("agc_" + "A" * 12 + text[16:-6]),
    "expired": lambda text: change(text, expires_at=now()) or text,
    "revoked": lambda text: change(text, revoked_at=now()) or text,
    "made under a pepper that is gone": lambda text: change(text, pepper_id="p0") or text,
}


@pytest.mark.parametrize("spoil", REFUSED.values(), ids=list(REFUSED))
def test_every_invalid_token_gets_the_same_refusal(
    app: Flask, admin: Actor, address: str, spoil: Callable[[str], str]
) -> None:
    text = make_token(app, admin)
    assert who(text).user_id == admin.user_id

    with pytest.raises(NotSignedIn) as refusal:
        who(spoil(text), address)

    assert refusal.value.detail == tokens.WRONG


@pytest.mark.parametrize("damage", [lambda t: t[:-1], lambda t: t.lower(), lambda t: t[:-1] + "é", lambda t: ""])
def test_a_malformed_token_executes_no_statement(app: Flask, admin: Actor, damage: Callable[[str], str]) -> None:
    text = make_token(app, admin)

    with counted_statements() as seen, pytest.raises(NotSignedIn):
        who(damage(text))

    assert seen == []


def test_after_twenty_failures_a_minute_an_address_waits_and_good_tokens_do_not(
    app: Flask, admin: Actor, address: str
) -> None:
    text = make_token(app, admin)
    bad = REFUSED["another secret"](text)
    for _ in range(20):
        with pytest.raises(NotSignedIn):
            who(bad, address)

    with pytest.raises(Throttled) as refusal:
        who(bad, address)

    assert refusal.value.retry_after == 60
    assert who(text, address)
    with db.transaction() as session:
        mine = sa.update(LoginAttempt).where(LoginAttempt.login.is_(None))
        session.execute(mine.values(created_at=now() - timedelta(seconds=61)))
    with pytest.raises(NotSignedIn):
        who(bad, address)


def test_a_revoked_token_is_refused_in_every_process_at_once(
    app: Flask, admin: Actor, open_console: OpenConsole
) -> None:
    text = make_token(app, admin)
    other = open_console(app.config["SQLALCHEMY_DATABASE_URI"].render_as_string(hide_password=False))
    with other.app_context():
        assert who(text)

        with app.app_context():
            tokens.revoke(admin, tokens.listing(admin)[0]["id"])

        with pytest.raises(NotSignedIn):
            who(text)
    with pytest.raises(NotFound):
        tokens.revoke(admin, id_of(text))


def test_a_token_that_was_used_within_a_minute_causes_one_query(app: Flask, admin: Actor) -> None:
    text = make_token(app, admin)
    who(text)

    with counted_statements() as seen:
        who(text)
    assert len(seen) == 1


def test_a_token_has_the_current_permissions_of_its_maker(app: Flask, admin: Actor) -> None:
    maker = make_user(app, "editor", admin.account_id)
    text = make_token(app, maker, "write")
    agents.create(who(text), agent_values())

    users.change_role(admin, maker.user_id, {"role": "viewer"})

    agent_reads.read(who(text), make_agent(app, admin))
    with pytest.raises(Forbidden) as refusal:
        agents.create(who(text), agent_values())
    assert refusal.value.code == "role_missing"


@pytest.mark.parametrize("leave", [users.deactivate, users.delete])
def test_a_token_of_a_deleted_user_has_no_permissions_but_a_runtime_token_still_works(
    app: Flask, admin: Actor, leave: Callable[[Actor, UUID], None]
) -> None:
    maker = make_user(app, account_id=admin.account_id)
    agent_id = make_agent(app, admin, api_key="sk-1")
    text, for_runtime = make_token(app, maker, "write", "runtime"), make_token(app, maker, "runtime")

    leave(admin, maker.user_id)

    with pytest.raises(Forbidden):
        agent_reads.read(who(text), agent_id)
    with pytest.raises(Forbidden):
        agents.update(who(text), agent_id, {"name": "Other"})
    for one in (text, for_runtime):
        found = runtime.fetch(who(one), agent_id)
        assert found is not None
        assert found["api_key"] == "sk-1"
