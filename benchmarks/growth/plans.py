"""Reads how a database executes a statement: which indexes it uses, how many rows it reads, how long it takes."""

import json
import math
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from flask import Flask
from sqlalchemy import event

from agents_app.db import db

READING = re.compile(r"\s*(SELECT|WITH)\b", re.IGNORECASE)
# A table is small if reading all of it costs nothing that matters.
GROWING = ("agents", "agent_versions", "events", "connection_tests", "runtime_reads")
# The names of indexes say their table and their columns. The account is the first of nearly all of them.
INDEX = re.compile(rf"ix_({'|'.join(GROWING)})_(?:account_id_)?(\w+)")
PARTS = re.compile(r"_(?=created_at|seen_at)|(?<=_at)_(?=id)|(?<=_key)_(?=id\b)")
ROUNDS = 2


@dataclass(frozen=True)
class Statement:
    """A statement that was sent, with its parameters."""

    text: str
    values: Any


@dataclass(frozen=True)
class Plan:
    """How one statement was executed."""

    ways: tuple[str, ...]
    """The indexes, and the growing tables that are read without one."""
    rows: int
    """The most rows that one step of the plan read, also those that it left out. 0 where the database does not say."""
    ms: float

    @property
    def scans(self) -> tuple[str, ...]:
        """The growing tables that are read as a whole."""
        return tuple(way for way in self.ways if way.startswith("all of "))


@contextmanager
def statements_of(app: Flask) -> Iterator[list[Statement]]:
    """The statements that read and are sent within the block."""
    sent: list[Statement] = []

    def note(_connection: object, _cursor: object, text: str, values: Any, *_rest: object) -> None:
        if READING.match(text):
            sent.append(Statement(text, values))

    with app.app_context():
        engine = db.engine
    event.listen(engine, "before_cursor_execute", note)
    try:
        yield sent
    finally:
        event.remove(engine, "before_cursor_execute", note)


def explain(connection: sa.Connection, statement: Statement) -> Plan:
    """Execute a statement, with the limits of the console, and say how. The fastest of some rounds counts."""
    of = _of_postgresql if connection.dialect.name == "postgresql" else _of_sqlite
    try:
        return min((of(connection, statement) for _ in range(ROUNDS)), key=lambda plan: plan.ms)
    except sa.exc.DBAPIError:
        return Plan(("more than the time limit of a statement",), 0, math.inf)


def _of_postgresql(connection: sa.Connection, statement: Statement) -> Plan:
    text = f"EXPLAIN (ANALYZE, BUFFERS, TIMING OFF, FORMAT JSON) {statement.text}"
    found = connection.exec_driver_sql(text, statement.values).scalar_one()
    whole = (json.loads(found) if isinstance(found, str) else found)[0]
    nodes = list(_nodes(whole["Plan"]))
    ways = [way for node in nodes if (way := _way(node))]
    rows = max((_rows(node) for node in nodes), default=0)
    return Plan(tuple(dict.fromkeys(ways)), rows, whole["Planning Time"] + whole["Execution Time"])


def _nodes(node: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield node
    for child in node.get("Plans", ()):
        yield from _nodes(child)


def _way(node: Mapping[str, Any]) -> str | None:
    # A part of the plan that was never executed costs nothing.
    if node.get("Actual Loops") == 0:
        return None
    if node["Node Type"] == "Seq Scan":
        return f"all of {node['Relation Name']}" if node["Relation Name"] in GROWING else None
    return _short(node.get("Index Name", ""))


def _short(index: str) -> str | None:
    """An index of a growing table as the table of plans names it. None for others, and for a primary key."""
    found = INDEX.fullmatch(index)
    return f"{found[1]} ({PARTS.sub(', ', found[2])})" if found else None


def _rows(node: Mapping[str, Any]) -> int:
    left_out = sum(node.get(f"Rows Removed by {why}", 0) for why in ("Filter", "Index Recheck", "Join Filter"))
    return int((node.get("Actual Rows", 0) + left_out) * node.get("Actual Loops", 1))


def _of_sqlite(connection: sa.Connection, statement: Statement) -> Plan:
    steps = [row[3] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement.text}", statement.values)]
    began = time.thread_time()
    connection.exec_driver_sql(statement.text, statement.values).all()
    ms = (time.thread_time() - began) * 1000
    return Plan(tuple(dict.fromkeys(way for step in steps if (way := _way_of_step(step)))), 0, ms)


def _way_of_step(step: str) -> str | None:
    if found := re.search(r"USING (?:COVERING )?INDEX (\w+)", step):
        # A SCAN by an index reads all of it.
        name = _short(found[1])
        return f"all of {name}" if name and step.startswith("SCAN") else name
    table = re.match(r"SCAN (\w+)", step)
    name = table[1].rstrip("_0123456789") if table else ""
    return f"all of {name}" if name in GROWING else None


def summary(plans: Sequence[Plan]) -> tuple[str, int, float]:
    """How some statements were executed together: in a few words, the most rows of a step, and the ms of all."""
    ways = dict.fromkeys(way for plan in plans for way in plan.ways)
    return ", ".join(ways), max((plan.rows for plan in plans), default=0), sum(plan.ms for plan in plans)
