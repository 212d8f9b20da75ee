"""Stores many events at once, and breaks a database in the middle of them."""

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from flask import Flask

from agents_app.db import db
from agents_app.models import Event
from agents_app.operations import event_exports

START = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def add_events(app: Flask, account_id: uuid.UUID, number: int, **values: Any) -> list[str]:
    """Store events of which three share each millisecond. Returns their ids in the order of the export."""
    rows = [
        {
            "id": uuid.uuid4(),
            "account_id": account_id,
            "created_at": START + timedelta(milliseconds=at // 3),
            "action": "user.signed_in",
            "door": "page",
            "actor_name": "Ada",
            "details": {},
            **values,
        }
        for at in range(number)
    ]
    with app.app_context(), db.transaction() as session:
        for begin in range(0, number, 5_000):
            session.execute(sa.insert(Event), rows[begin : begin + 5_000])
    return [str(row["id"]) for row in sorted(rows, key=lambda row: (row["created_at"], row["id"]))]


def break_after_a_batch(app: Flask, account_id: uuid.UUID, created_at: datetime | None = None) -> None:
    """Store events, of which the first batch can be read. The facts of the second one cannot: their table is gone."""
    add_events(app, account_id, event_exports.BATCH)
    changed = {"target_kind": "agent", "target_id": uuid.uuid4(), "details": {"version": 1}}
    add_events(
        app, account_id, 1, action="agent.updated", created_at=created_at or START + timedelta(days=1), **changed
    )
    with app.app_context(), db.transaction() as session:
        session.execute(sa.text("ALTER TABLE agent_versions RENAME TO gone"))
