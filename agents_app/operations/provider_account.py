"""Helpers that find the account of people who sign in with the provider for the first time."""

from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.orm import Session

from agents_app.models import Account
from agents_app.values.text import to_nfc


def matching(database: Session | Connection, wanted: str | None) -> list[UUID]:
    """The accounts with this name or id, or all accounts without one. New people need exactly one."""
    rows = database.execute(sa.select(Account.id, Account.name)).all()
    return [row.id for row in rows if wanted is None or wanted in (str(row.id), to_nfc(row.name))]
