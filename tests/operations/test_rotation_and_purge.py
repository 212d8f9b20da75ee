"""Key rotation, and the purge of expired rows."""

import base64
import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask

from agents_app.config import Settings
from agents_app.db import db, now
from agents_app.errors import Repeated, Unavailable
from agents_app.models import (
    AgentVersion,
    ApiToken,
    EncryptionKey,
    Event,
    Invitation,
    LoginAttempt,
    RuntimeRead,
    StartedTest,
    UserSession,
)
from agents_app.operations import agents, encryption_keys, invitations, purge, rotation, runtime, stored_secrets, tokens
from agents_app.operations.permissions import Visitor
from tests import make
from tests.conftest import OpenConsole


@pytest.fixture
def app(schema_url: str, open_console: OpenConsole) -> Iterator[Flask]:
    """An app with a new database, because rows are counted over all accounts."""
    made = open_console(schema_url)
    with made.app_context():
        yield made


def a_key() -> str:
    """A random key in base64."""
    return base64.b64encode(os.urandom(32)).decode()


def use_keys(app: Flask, encryption_keys: str) -> None:
    before: Settings = app.extensions["settings"]
    app.extensions["settings"] = replace(before, encryption_keys=encryption_keys)


def fetch(app: Flask, actor: Any, agent_id: Any) -> dict[str, Any]:
    text = make.make_token(app, actor, "runtime")
    answer = runtime.fetch(tokens.authenticate(Visitor("192.0.2.1"), text), agent_id)
    assert answer is not None
    return answer


def make_agent_with_secrets(app: Flask, actor: Any) -> Any:
    return make.make_agent(app, actor, api_key="sk-test-0123456789", connection_config={"password": "pa55 wörd"})


def test_with_a_wrong_key_nothing_is_written_and_secrets_are_unavailable(app: Flask) -> None:
    actor = make.make_user(app)
    agent_id = make_agent_with_secrets(app, actor)

    use_keys(app, f"k1:{a_key()}")

    assert "k1" in (encryption_keys.find_problem() or "")
    for act in (lambda: make.make_agent(app, actor, api_key="sk-other"), lambda: fetch(app, actor, agent_id)):
        with pytest.raises(Unavailable) as refusal:
            act()
        assert refusal.value.code == "secret_unavailable"
    assert [row["agent_id"] for row in stored_secrets.list_unreadable()] == [agent_id, agent_id]


def test_a_missing_key_is_named_in_the_refusal(app: Flask) -> None:
    make_agent_with_secrets(app, make.make_user(app))

    use_keys(app, f"k2:{a_key()}")

    assert encryption_keys.find_problem() == "ENCRYPTION_KEYS lacks the key k1, which stored secrets may need."


def test_rotation_moves_every_secret_to_the_first_key_also_of_deleted_agents(app: Flask) -> None:
    actor = make.make_user(app)
    kept, deleted = make_agent_with_secrets(app, actor), make_agent_with_secrets(app, actor)
    agents.delete(actor, deleted)
    old: str = app.extensions["settings"].encryption_keys
    fresh = f"k2:{a_key()}"
    use_keys(app, f"{fresh},{old}")

    done: list[int] = []
    outcome = rotation.rotate("root", done.append)

    assert (outcome.moved, outcome.unreadable) == ({actor.account_id: 4}, 0)
    assert done == [1, 2]
    assert stored_secrets.counts_by_key() == Counter(k2=4)
    use_keys(app, fresh)
    assert encryption_keys.find_problem() is None
    with db.reading() as connection:
        events = sa.select(Event.account_id, Event.actor_name, Event.details).where(Event.action == "secrets.rotated")
        assert connection.execute(events).all() == [(actor.account_id, "root", {"moved": 4, "key": "k2"})]
    agents.restore_deleted(actor, deleted)
    for agent_id in (kept, deleted):
        assert fetch(app, actor, agent_id)["connection_config"]["password"] == "pa55 wörd"
        assert fetch(app, actor, agent_id)["api_key"] == "sk-test-0123456789"


def test_rotation_resumes_where_it_was_stopped(app: Flask) -> None:
    actor = make.make_user(app)
    for _ in range(3):
        make_agent_with_secrets(app, actor)
    use_keys(app, f"k2:{a_key()},{app.extensions['settings'].encryption_keys}")

    def stop_after_one(done: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        rotation.rotate("root", stop_after_one)
    assert stored_secrets.counts_by_key() == Counter(k1=4, k2=2)
    rotation.rotate("root", lambda done: None)

    assert stored_secrets.counts_by_key() == Counter(k2=6)
    with db.reading() as connection:
        assert connection.scalars(sa.select(EncryptionKey.key_id)).all() == ["k2"]


def test_rotation_leaves_and_counts_secrets_that_it_cannot_decrypt(app: Flask) -> None:
    actor = make.make_user(app)
    make_agent_with_secrets(app, actor)
    with db.transaction() as session:
        session.execute(sa.text("UPDATE agents SET api_key = 'v1:k1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA'"))
    use_keys(app, f"k2:{a_key()},{app.extensions['settings'].encryption_keys}")

    outcome = rotation.rotate("root", lambda done: None)

    assert (outcome.moved, outcome.unreadable) == ({actor.account_id: 1}, 1)
    assert [row["pointer"] for row in stored_secrets.list_unreadable()] == ["/api_key"]


def test_a_purge_deletes_expired_rows_and_no_others(app: Flask) -> None:
    actor = make.make_user(app)
    gone, kept = make_agent_with_secrets(app, actor), make_agent_with_secrets(app, actor)
    agents.delete(actor, gone)
    assert set(purge.count().values()) == {0}

    long_ago = now() - timedelta(days=500)
    with db.transaction() as session:
        session.add(LoginAttempt(login="x", address="192.0.2.1", created_at=long_ago))
        session.add(UserSession(digest="d", user_id=actor.user_id, expires_at=long_ago))
        for started_at in (long_ago, now()):
            session.add(StartedTest(account_id=actor.account_id, person=actor.user_id, started_at=started_at))
        session.execute(sa.update(AgentVersion).values(created_at=long_ago))
        session.execute(sa.update(Event).where(Event.action == "agent.created").values(created_at=long_ago))
    counted = purge.count()

    assert purge.run("oscar") == counted
    assert counted == {
        "sessions": 1,
        "sign-in attempts": 1,
        "started tests": 1,
        "links": 0,
        "waiting identities": 0,
        "events": 2,
        "secrets of deleted agents": 1,
        "fetches of ended tokens": 0,
    }
    assert stored_secrets.counts_by_key() == Counter(k1=2)
    assert fetch(app, actor, kept)["api_key"] == "sk-test-0123456789"
    agents.restore_deleted(actor, gone)
    assert fetch(app, actor, gone)["api_key"] is None


def test_a_purge_deletes_old_fetches_of_ended_tokens_but_not_the_last_one_of_an_agent(app: Flask) -> None:
    actor = make.make_user(app)
    agent_id = make_agent_with_secrets(app, actor)
    revoked, expired, valid, fresh = (tokens.create(actor, {"name": name, "scopes": ["runtime"]})[0] for name in "revf")
    long_ago = now() - timedelta(days=400)
    ends = {revoked: "revoked_at", expired: "expires_at", fresh: "revoked_at"}
    with db.transaction() as session:
        for number, one in enumerate((revoked, expired, valid, fresh)):
            seen_at = now() if one is fresh else long_ago + timedelta(hours=number)
            row = {"agent_id": agent_id, "token_id": one, "account_id": actor.account_id, "version": 1}
            session.add(RuntimeRead(**row, fetch_count=1, seen_at=seen_at))
        for token_id, column in ends.items():
            session.execute(sa.update(ApiToken).where(ApiToken.id == token_id).values({column: long_ago}))

    def left() -> set[Any]:
        with db.reading() as connection:
            return set(connection.scalars(sa.select(RuntimeRead.token_id)))

    assert purge.run("oscar")["fetches of ended tokens"] == 2
    assert left() == {valid, fresh}
    with db.transaction() as session:
        session.execute(sa.delete(ApiToken).where(ApiToken.id == fresh))
        session.execute(sa.update(ApiToken).values(revoked_at=long_ago))
    assert (purge.run("oscar")["fetches of ended tokens"], left()) == (0, {valid})


def test_a_purge_keeps_a_link_that_has_ended_for_a_day_for_the_form_that_made_it(app: Flask) -> None:
    actor = make.make_user(app)
    invitations.invite(actor, {"role": "viewer"}, "the key of one form")
    invitations.withdraw(actor, invitations.listing(actor)[0]["id"])
    mine = sa.update(Invitation).where(Invitation.account_id == actor.account_id)

    purge.run("oscar")
    with pytest.raises(Repeated):
        invitations.invite(actor, {"role": "viewer"}, "the key of one form")
    with db.transaction() as session:
        session.execute(mine.values(expires_at=now() - timedelta(days=1)))

    assert purge.run("oscar")["links"] == 1


def test_a_purge_adds_an_event_to_the_accounts_that_lose_events_or_secrets_and_no_other(app: Flask) -> None:
    actor, other = make.make_user(app), make.make_user(app)
    agents.delete(actor, make_agent_with_secrets(app, actor))
    mine = sa.update(AgentVersion).where(AgentVersion.account_id == actor.account_id)
    with db.transaction() as session:
        session.execute(mine.values(created_at=now() - timedelta(days=500)))

    purge.run("oscar")
    purge.run("oscar")

    query = sa.select(Event.account_id, Event.actor_name, Event.door, Event.details)
    ours = Event.account_id.in_([actor.account_id, other.account_id])
    with db.reading() as connection:
        rows = connection.execute(query.where(Event.action == "account.purged", ours)).all()
    details = {"what": "secrets of deleted agents", "number": 1}
    assert rows == [(actor.account_id, "oscar", "terminal", details)]


def test_a_purge_of_events_without_an_account_records_no_event(app: Flask) -> None:
    unknown = Event(action="session.refused", actor_name="nobody@example.org", door="page", details={})
    with db.transaction() as session:
        session.add(unknown)
        session.flush()
        unknown.created_at = now() - timedelta(days=5_000)

    counts = purge.run("oscar")

    assert counts["events"] == 1
    with db.reading() as connection:
        assert connection.execute(sa.select(Event.action)).all() == []
