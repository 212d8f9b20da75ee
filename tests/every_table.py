"""Fills every table of a database, for tests that must not forget one."""

import uuid
from datetime import UTC, date, datetime
from typing import Any

import sqlalchemy as sa

from agents_app.db import Base
from agents_app.dbtools.records.tables import TABLES
from agents_app.values.choices import ConnectionType
from tests.dbtools.tools import create_engine

MOMENT = datetime(2026, 3, 29, 1, 30, 0, 123456, tzinfo=UTC)
TEXT = "Zoë 漢字 👩\u200d🚀 ﬁ ' \" \\ % :x"
RECORDS = {table.name for table in TABLES}
# Values that constraints allow.
CHOICES = {
    "agents.status": "active",
    "agents.connection_type": next(iter(ConnectionType)),
    "users.role": "admin",
    "deployments.outcome": "done",
    "connection_tests.outcome": "passed",
}


def fill_every_table(url: str, text: str = TEXT) -> None:
    """Two rows in each table: one with a value in each column, one with as few as possible."""
    keys: dict[str, list[dict[str, Any]]] = {}
    with create_engine(url).begin() as connection:
        for table in Base.metadata.sorted_tables:
            made = [_row(table, keys, number, text) for number in (1, 2)]
            connection.execute(table.delete().where(sa.literal(table.name in RECORDS)))
            connection.execute(table.insert(), made)
            keys[table.name] = made


def _row(table: sa.Table, keys: dict[str, list[dict[str, Any]]], number: int, text: str) -> dict[str, Any]:
    row: dict[str, Any] = {}
    for column in table.columns:
        parents = [key.column for key in column.foreign_keys]
        if number == 2 and column.nullable:
            row[column.name] = sa.null() if isinstance(column.type, sa.JSON) else None
        elif parents:
            row[column.name] = keys[parents[0].table.name][number - 1][parents[0].name]
        else:
            row[column.name] = CHOICES.get(f"{table.name}.{column.name}", _value(column, number, text))
    return row


def _value(column: sa.Column[Any], number: int, text: str) -> Any:
    kind = getattr(column.type, "impl", column.type)
    values: dict[type[Any], Any] = {
        sa.Uuid: uuid.uuid4(),
        sa.Boolean: number == 1,
        sa.DateTime: MOMENT,
        sa.Date: date(2026, 2, 28),
        sa.Float: 0.1 + number,
        sa.Integer: number,
        sa.JSON: {"ä": [1, 2.5, -0.1, True, None, {}], "b": {"text": text}, "big": 12345678901234567890},
    }
    for python, value in values.items():
        if isinstance(kind, python):
            return value
    return f"{number}{text}"[: kind.length or 100]
