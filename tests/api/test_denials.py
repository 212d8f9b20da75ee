"""Activity shows refused actions: one event per minute, actor and action, with a count."""

import threading
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa
from flask import Flask

from agents_app.db import db
from agents_app.models import Event
from agents_app.operations import events
from agents_app.web.activity_sentences import activity_sentence
from tests import make


def denials(console: Flask, account_id: UUID) -> list[tuple[str, str]]:
    wanted = sa.select(Event).where(Event.account_id == account_id, Event.action == "access.denied")
    with console.app_context(), db.reading() as connection:
        rows = connection.execute(wanted.with_only_columns(Event.actor_name, Event.details))
        return [(row.actor_name, row.details["asked"]) for row in rows]


@pytest.mark.parametrize(("scope", "status"), [("runtime", 403), ("read", 404)])
def test_a_token_without_the_scope_is_recorded(console: Flask, scope: str, status: int) -> None:
    editor = make.make_user(console, "editor")
    token = make.make_token(console, editor, scope)

    answer = console.test_client().get(f"/api/v1/agents/{uuid4()}", headers={"Authorization": f"Bearer {token}"})

    assert answer.status_code == status
    noted = denials(console, editor.account_id)
    assert [name for name, _ in noted] == (["token ci"] if status == 403 else [])


def test_a_viewer_who_tries_an_action_of_editors_is_recorded(console: Flask) -> None:
    viewer = make.make_user(console, "viewer")
    token = make.make_token(console, viewer, "write")

    answer = console.test_client().post(
        "/api/v1/agents", json=make.agent_values(), headers={"Authorization": f"Bearer {token}"}
    )

    assert answer.status_code == 403
    assert [asked.split()[0] for _, asked in denials(console, viewer.account_id)] == ["POST"]


def counts(console: Flask, account_id: UUID) -> list[tuple[str, str, int]]:
    """Each event of a refusal: actor, method and count."""
    wanted = sa.select(Event.actor_name, Event.details, Event.created_at).where(Event.account_id == account_id)
    with console.app_context(), db.reading() as connection:
        rows = connection.execute(wanted.where(Event.action == "access.denied").order_by(Event.created_at))
        return [(row.actor_name, row.details["asked"].split()[0], row.details["count"]) for row in rows]


def ask(console: Flask, token: str, method: str) -> Any:
    path = "/api/v1/agents" if method == "POST" else f"/api/v1/agents/{uuid4()}"
    headers = {"Authorization": f"Bearer {token}"}
    return console.test_client().open(path, method=method, json=make.agent_values(), headers=headers)


def test_repeated_refusals_are_one_event_in_activity(console: Flask) -> None:
    viewer = make.make_user(console, "viewer")
    token, other = (make.make_token(console, viewer, "write") for _ in "12")

    for method in ("POST", "POST", "POST", "PATCH"):
        assert ask(console, token, method).status_code == 403
    ask(console, other, "POST")
    with console.app_context():
        events.record_denial(viewer, "GET web.users.listing", "Only an admin can do this.")

    noted = [("token ci", "POST", 3), ("token ci", "PATCH", 1), ("token ci", "POST", 1), ("Viewer", "GET", 1)]
    assert counts(console, viewer.account_id) == noted


def test_a_minute_later_there_is_another_event(console: Flask) -> None:
    viewer = make.make_user(console, "viewer")
    token = make.make_token(console, viewer, "write")
    for _ in range(2):
        ask(console, token, "POST")
    with console.app_context(), db.transaction() as session:
        for event in session.scalars(sa.select(Event).where(Event.account_id == viewer.account_id)):
            event.created_at -= timedelta(seconds=61)
            event.id = uuid4()

    ask(console, token, "POST")

    assert [count for _, _, count in counts(console, viewer.account_id)] == [2, 1]


def test_refusals_at_the_same_moment_are_counted_in_one_event(console: Flask) -> None:
    viewer, together = make.make_user(console, "viewer"), threading.Barrier(6)

    def be_refused() -> None:
        with console.app_context():
            together.wait()
            events.record_denial(viewer, "POST web.agents.new", "Only an editor or admin can do this.")

    threads = [threading.Thread(target=be_refused) for _ in range(6)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]

    assert counts(console, viewer.account_id) == [("Viewer", "POST", 6)]


@pytest.mark.parametrize(
    ("details", "words"),
    [
        (
            {"detail": "Only an admin can do this.", "count": 3},
            "was refused: Only an admin can do this. (3 times within a minute)",
        ),
        ({"detail": "Only an admin can do this.", "count": 1}, "was refused: Only an admin can do this."),
        ({"detail": "Only an admin can do this."}, "was refused: Only an admin can do this."),
        (
            {"asked": "GET web.tokens.listing", "detail": "Only an admin can do this."},
            "was refused on /tokens: Only an admin can do this.",
        ),
        (
            {"asked": "DELETE api.agents_delete", "detail": "This token may only read."},
            "was refused on DELETE /api/v1/agents/…: This token may only read.",
        ),
        (
            {"asked": "GET web.later.page", "detail": "Only an admin can do this."},
            "was refused: Only an admin can do this.",
        ),
    ],
    ids=["three times", "once", "of an earlier release", "a page", "the API", "of a later release"],
)
def test_the_sentence_of_a_refusal_says_where_and_how_often(
    console: Flask, details: dict[str, Any], words: str
) -> None:
    event = {"action": "access.denied", "details": details, "target_name": None}

    with console.app_context():
        assert str(activity_sentence(event)) == words
