"""Reads and writes the rows of a table, with values as the models have them, in the order of the primary key."""

import json
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any, NamedTuple

import sqlalchemy as sa
from alembic.util import CommandError
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.engine import Connection
from sqlalchemy.exc import DBAPIError

from agents_app.dbtools.runner.error_messages import readable_errors

BATCH = 1_000
NOTHING_COPIED = "Nothing was copied."
# None is SQL NULL, and `sa.JSON.NULL` the null of JSON.
ExactJson = sa.JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")

# What drivers and types raise for a value that is not of the type of its column.
UNREADABLE = (ArithmeticError, LookupError, TypeError, ValueError, DBAPIError)

Row = tuple[Any, ...]


class JsonValue(NamedTuple):
    """A value of JSON. It differs from SQL NULL also if it is null."""

    value: Any


def batches(connection: Connection, table: sa.Table) -> Iterator[list[Row]]:
    """The rows of a table in the order of its primary key. At most `BATCH` of them are in memory.

    Raises CommandError, which names the value, if one cannot be read.
    """
    query = _query(connection, table, list(table.columns)).execution_options(yield_per=BATCH)
    json_places = [place for place, column in enumerate(table.columns) if isinstance(column.type, sa.JSON)]
    found: Iterator[Any] | None = None
    while True:
        with readable_errors(connection.engine.url):
            try:
                found = found or connection.execute(query).partitions()
                batch = [_with_json(row, json_places) for row in next(found, ())]
            except UNREADABLE as error:
                if sentence := unreadable_value(connection, table):
                    raise CommandError(sentence) from error
                raise
        if not batch:
            return
        yield batch


def rows(connection: Connection, table: sa.Table) -> Iterator[Row]:
    """The rows of a table one by one, as `batches` reads them."""
    return chain.from_iterable(batches(connection, table))


def insert(connection: Connection, table: sa.Table, batch: Iterable[Row]) -> None:
    """Insert rows. The database computes generated columns itself."""
    written = [column for column in table.columns if column.computed is None]
    names = [column.name for column in table.columns]
    types = [ExactJson if isinstance(column.type, sa.JSON) else column.type for column in written]
    target = sa.table(table.name, *(sa.column(column.name, kind) for column, kind in zip(written, types, strict=True)))
    values = [{name: _to_write(value) for name, value in zip(names, row, strict=True)} for row in batch]
    kept = {column.name for column in written}
    connection.execute(target.insert(), [{name: row[name] for name in kept} for row in values])


def key_text(table: sa.Table, row: Row) -> str:
    """The primary key of a row, for a sentence: `id 7`."""
    values = zip(table.columns, row, strict=True)
    return ", ".join(f"{column.name} {value}" for column, value in values if column.primary_key)


def unreadable_value(connection: Connection, table: sa.Table) -> str | None:
    """A sentence about the first value that is not of the type of its column; None if every value can be read."""
    connection.rollback()
    for column in table.columns:
        count = 0
        try:
            for value in connection.scalars(_query(connection, table, [column]).execution_options(yield_per=1)):
                _parsed(value) if isinstance(column.type, sa.JSON) else None
                count += 1
        except UNREADABLE:
            connection.rollback()
            key = connection.execute(_raw_key(connection, table).offset(count).limit(1)).one()
            names = [part.name for part in table.primary_key]
            where = ", ".join(f"{name} {value}" for name, value in zip(names, key, strict=True))
            return f"{table.name}, {where}: {column.name} cannot be read as {_type_name(column)}. {NOTHING_COPIED}"
    return None


def _query(connection: Connection, table: sa.Table, columns: list[sa.Column[Any]]) -> sa.Select[Any]:
    shown: list[Any] = [sa.cast(one, sa.Text) if isinstance(one.type, sa.JSON) else one for one in columns]
    return sa.select(*shown).order_by(*_order(connection, table))


def _raw_key(connection: Connection, table: sa.Table) -> sa.Select[Any]:
    key: list[Any] = [sa.cast(column, sa.Text) for column in table.primary_key]
    return sa.select(*key).order_by(*_order(connection, table))


def _order(connection: Connection, table: sa.Table) -> Iterator[sa.ColumnElement[Any]]:
    # By bytes on both databases.
    for column in table.primary_key:
        is_text = connection.dialect.name == "postgresql" and type(column.type) in (sa.String, sa.Text)
        yield column.collate("C") if is_text else column


def _with_json(row: sa.Row[Any], places: list[int]) -> Row:
    values = list(row)
    for place in places:
        values[place] = _parsed(values[place])
    return tuple(values)


def _parsed(text: str | None) -> JsonValue | None:
    return None if text is None else JsonValue(json.loads(text))


def _to_write(value: Any) -> Any:
    if not isinstance(value, JsonValue):
        return value
    return sa.JSON.NULL if value.value is None else value.value


def _type_name(column: sa.Column[Any]) -> str:
    return str(getattr(column.type, "impl", column.type)).lower()
