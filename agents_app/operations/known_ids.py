"""Helpers for statements that find rows by their ids: whether these are rows of the account. They write nothing."""

from typing import Any
from uuid import UUID

import sqlalchemy as sa


def are_of(account_id: "UUID | sa.BindParameter[UUID]", table: Any) -> sa.ColumnElement[bool]:
    """The condition that rows of this table are of the account. No database looks for rows by it.

    SQLite has no statistics. Where it could, it would read every row of the account, and compare the ids.
    """
    of_account: sa.ColumnElement[bool] = table.account_id == account_id
    return of_account.is_(sa.true())
