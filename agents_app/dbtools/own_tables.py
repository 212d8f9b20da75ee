"""The tables that the steps make, read from their files, to recognise a console's tables beside another program's."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from sqlalchemy.engine import Connection

from agents_app.dbtools.database.columns import table_columns

# The columns with which each table was made.
Tables = dict[str, frozenset[str]]


@cache
def tables_created_in(path: Path) -> Tables:
    """The tables that a step's file makes or renames."""
    calls = (node for node in ast.walk(ast.parse(path.read_bytes())) if isinstance(node, ast.Call))
    return {name: frozenset(_columns(call)) for call in calls for name in _made_by(call)}


@cache
def tables_of_migrations(folder: str) -> Tables:
    """The tables that the steps in this folder of migrations make."""
    return {
        name: columns
        for path in Path(folder).glob("versions/*.py")
        for name, columns in tables_created_in(path).items()
    }


def complete_tables(connection: Connection, made: Tables) -> set[str]:
    """Those of the tables that are there with every column with which they were made."""
    return {name for name, lacking in _lacking(connection, made) if not lacking}


def incomplete_tables(connection: Connection, made: Tables) -> dict[str, list[str]]:
    """Those of the tables that are there and were not made by a step: each with the columns that it lacks."""
    return {name: lacking for name, lacking in _lacking(connection, made) if lacking}


def _lacking(connection: Connection, made: Tables) -> Iterator[tuple[str, list[str]]]:
    for name in sorted(made):
        present = {column.name for column in table_columns(connection, name, None)}
        if present:
            yield name, sorted(made[name] - present)


def _made_by(call: ast.Call) -> Iterator[str]:
    position = {"create_table": 0, "rename_table": 1}.get(getattr(call.func, "attr", ""))
    if position is not None and len(call.args) > position:
        yield from _constant(call.args[position])


def _columns(call: ast.Call) -> Iterator[str]:
    for argument in call.args:
        if isinstance(argument, ast.Call) and getattr(argument.func, "attr", "") == "Column" and argument.args:
            yield from _constant(argument.args[0])


def _constant(argument: ast.expr) -> Iterator[str]:
    if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
        yield argument.value
