"""What somebody was refused stands in Activity."""

from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa
from flask import Flask

from agents_app.db import db
from agents_app.models import Event
from tests import make


def denials(console: Flask, account_id: UUID) -> list[tuple[str, str]]:
    wanted = sa.select(Event).where(Event.account_id == account_id, Event.action == "access.denied")
    with console.app_context(), db.reading() as connection:
        rows = connection.execute(wanted.with_only_columns(Event.actor_name, Event.details))
        return [(row.actor_name, row.details["asked"]) for row in rows]


@pytest.mark.parametrize(("scope", "status"), [("runtime", 403), ("read", 404)])
def test_a_token_that_asks_beyond_its_scope_is_noted(console: Flask, scope: str, status: int) -> None:
    editor = make.make_user(console, "editor")
    token = make.make_token(console, editor, scope)

    answer = console.test_client().get(f"/api/v1/agents/{uuid4()}", headers={"Authorization": f"Bearer {token}"})

    assert answer.status_code == status
    noted = denials(console, editor.account_id)
    assert [name for name, _ in noted] == (["token ci"] if status == 403 else [])


def test_a_viewer_who_asks_for_an_act_of_editors_is_noted(console: Flask) -> None:
    viewer = make.make_user(console, "viewer")
    token = make.make_token(console, viewer, "write")

    answer = console.test_client().post(
        "/api/v1/agents", json=make.agent_values(), headers={"Authorization": f"Bearer {token}"}
    )

    assert answer.status_code == 403
    assert [asked.split()[0] for _, asked in denials(console, viewer.account_id)] == ["POST"]
