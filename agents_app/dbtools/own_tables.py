"""The tables that the migrations create, read from their files: they show whether a table is the console's own."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from sqlalchemy.engine import Connection

from agents_app.dbtools.database.columns import table_columns

# Each table with the columns that it was created with.
Tables = dict[str, frozenset[str]]


@cache
def tables_created_in(path: Path) -> Tables:
    """The tables that the migration in this file creates or renames."""
    calls = (node for node in ast.walk(ast.parse(path.read_bytes(), path)) if isinstance(node, ast.Call))
    return {name: frozenset(_columns_in(call)) for call in calls for name in _table_created_by(call)}


@cache
def tables_of_migrations(folder: str) -> Tables:
    """The tables that the migrations in this folder create."""
    files = Path(folder).glob("versions/*.py")
    return {name: columns for path in files for name, columns in tables_created_in(path).items()}


def complete_tables(connection: Connection, created: Tables) -> set[str]:
    """The tables that exist with every column that they were created with."""
    return {name for name, missing in _missing_columns(connection, created) if not missing}


def incomplete_tables(connection: Connection, created: Tables) -> dict[str, list[str]]:
    """The tables that exist but were not created by a migration, each with the columns that it lacks."""
    return {name: missing for name, missing in _missing_columns(connection, created) if missing}


def _missing_columns(connection: Connection, created: Tables) -> Iterator[tuple[str, list[str]]]:
    for name in sorted(created):
        present = {column.name for column in table_columns(connection, name, None)}
        if present:
            yield name, sorted(created[name] - present)


def _table_created_by(call: ast.Call) -> Iterator[str]:
    position = {"create_table": 0, "rename_table": 1}.get(getattr(call.func, "attr", ""))
    if position is not None and len(call.args) > position:
        yield from _string_in(call.args[position])


def _columns_in(call: ast.Call) -> Iterator[str]:
    for argument in call.args:
        if isinstance(argument, ast.Call) and getattr(argument.func, "attr", "") == "Column" and argument.args:
            yield from _string_in(argument.args[0])


def _string_in(argument: ast.expr) -> Iterator[str]:
    if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
        yield argument.value
