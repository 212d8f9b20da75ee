"""The warnings about plain SQL in a step: the same as for the operations that do the same."""

import re
from collections.abc import Callable, Iterator
from typing import Any

import sqlalchemy as sa
from alembic.operations import ops
from sqlalchemy.dialects import postgresql, sqlite

from agents_app.dbtools.review import warnings
from agents_app.dbtools.review.rules import DatabaseFacts
from agents_app.dbtools.review.warnings import StepWarning

DIALECTS: dict[str, Callable[[], Any]] = {"postgresql": postgresql.dialect, "sqlite": sqlite.dialect}
COMMENT = re.compile(r"--[^\n]*|/\*.*?\*/", re.DOTALL)
LITERAL = re.compile(r"'(?:[^']|'')*'")
# The beginning of a block, which is removed so that the statements in the block are read.
BLOCK_START = re.compile(
    r"^(?:DO )?(?:\$\w*\$ ?)?(?:DECLARE\b.*?)?(?:BEGIN|IF\b.*?\bTHEN|ELSE|(?:FOR|WHILE)\b.*?\bLOOP|LOOP)\b ?",
    re.IGNORECASE,
)
NAME = r'(?:"?\w+"?\.)?"?(?P<table>\w+)"?'


def warnings_for_sql(operation: ops.ExecuteSQLOp, facts: DatabaseFacts) -> Iterator[StepWarning]:
    """The warnings about the statements of one `op.execute`."""
    for statement in _statements_of(operation, facts.dialect):
        for pattern, rule in RULES:
            match = pattern.search(statement)
            table = match.groupdict().get("table") if match else None
            if match and (table is None or table.lower() not in facts.created):
                yield from rule(match, statement, facts)


def tables_in(operation: ops.ExecuteSQLOp, dialect: str) -> Iterator[str]:
    """The first table that each statement of plain SQL names."""
    for statement in _statements_of(operation, dialect):
        match = FIRST_TABLE.search(statement)
        if match:
            yield match["table"]


def tables_created_in(operation: ops.ExecuteSQLOp, dialect: str) -> Iterator[str]:
    """The tables that plain SQL creates."""
    for statement in _statements_of(operation, dialect):
        match = CREATED.search(statement)
        if match:
            yield match["table"]


def _statements_of(operation: ops.ExecuteSQLOp, dialect: str) -> list[str]:
    """The statements of an `op.execute`, without comments and without the content of string literals."""
    source = operation.sqltext
    text = str(source.compile(dialect=DIALECTS[dialect]())) if isinstance(source, sa.ClauseElement) else str(source)
    parts = LITERAL.sub("''", COMMENT.sub(" ", text)).split(";")
    return [plain for part in parts if (plain := _unwrapped(" ".join(part.split())))]


def _unwrapped(statement: str) -> str:
    while match := BLOCK_START.match(statement):
        statement = statement[match.end() :]
    return statement


def _pattern(text: str) -> re.Pattern[str]:
    return re.compile(text.replace("<table>", NAME), re.IGNORECASE)


BEFORE_TABLE = (
    "CREATE TABLE(?: IF NOT EXISTS)?",
    "DROP TABLE(?: IF EXISTS)?",
    "ALTER TABLE(?: IF EXISTS)?(?: ONLY)?",
    "UPDATE(?: ONLY)?",
    "DELETE FROM(?: ONLY)?",
    "INSERT INTO",
    "TRUNCATE(?: TABLE)?",
    "CREATE (?:UNIQUE )?INDEX.*? ON",
)
FIRST_TABLE = _pattern(f"^(?:{'|'.join(BEFORE_TABLE)}) <table>")
CREATED = _pattern(r"^CREATE (?:TEMP\w* |UNLOGGED )?TABLE(?: IF NOT EXISTS)? <table>")
ALTER = r"^ALTER TABLE(?: IF EXISTS)?(?: ONLY)? <table> "

Rule = Callable[[re.Match[str], str, DatabaseFacts], Iterator[StepWarning]]


def _drop_table(match: re.Match[str], _statement: str, facts: DatabaseFacts) -> Iterator[StepWarning]:
    yield warnings.without_saved_rows(warnings.table_dropped(match["table"], facts.rows(match["table"])))


def _drop_column(match: re.Match[str], _statement: str, facts: DatabaseFacts) -> Iterator[StepWarning]:
    dropped = warnings.column_dropped(match["table"], match["column"], facts.rows(match["table"]))
    yield warnings.without_saved_rows(dropped)


def _rename(match: re.Match[str], _statement: str, _facts: DatabaseFacts) -> Iterator[StepWarning]:
    if match["column"]:
        yield warnings.column_renamed(match["table"], match["column"], match["name"])
    else:
        yield warnings.table_renamed(match["table"], match["name"])


def _change_type(match: re.Match[str], _statement: str, facts: DatabaseFacts) -> Iterator[StepWarning]:
    if facts.is_in_use(match["table"]):
        yield warnings.type_changed(match["table"], match["column"], match["type"])


def _add_column(match: re.Match[str], _statement: str, facts: DatabaseFacts) -> Iterator[StepWarning]:
    if not re.search(r"\b(DEFAULT|GENERATED)\b", match["rest"], re.IGNORECASE):
        facts.added.add((match["table"], match["column"]))
    yield from ()


def _set_not_null(match: re.Match[str], _statement: str, facts: DatabaseFacts) -> Iterator[StepWarning]:
    if (match["table"], match["column"]) in facts.added:
        yield warnings.not_null_too_early(match["table"], match["column"])
    if facts.is_in_use(match["table"]) and not facts.is_checked(match["table"], match["column"]):
        yield warnings.not_null_set(match["table"], match["column"])


def _add_constraint(match: re.Match[str], statement: str, facts: DatabaseFacts) -> Iterator[StepWarning]:
    if "NOT VALID" not in statement.upper() and facts.is_in_use(match["table"]):
        yield warnings.not_validated(match["table"], match["kind"].upper(), match["constraint"] or "(unnamed)")


def _create_index(match: re.Match[str], statement: str, facts: DatabaseFacts) -> Iterator[StepWarning]:
    if facts.is_in_use(match["table"]):
        inside = statement[match.end() :].partition("(")[2].rpartition(")")[0]
        yield warnings.index_created(
            match["table"], match["index"], [column.strip(' "') for column in inside.split(",")]
        )


def _update(match: re.Match[str], statement: str, facts: DatabaseFacts) -> Iterator[StepWarning]:
    if not re.search(r"\bWHERE\b", statement, re.IGNORECASE) and facts.is_in_use(match["table"]):
        yield warnings.rows_changed(match["table"], "UPDATE")


def _delete(match: re.Match[str], statement: str, facts: DatabaseFacts) -> Iterator[StepWarning]:
    if not re.search(r"\bWHERE\b", statement, re.IGNORECASE) and facts.rows(match["table"]) != 0:
        yield warnings.rows_deleted(match["table"], match["verb"].upper())


def _rename_label(match: re.Match[str], statement: str, _facts: DatabaseFacts) -> Iterator[StepWarning]:
    yield warnings.label_removed(match["type"], statement)


def _add_label(_match: re.Match[str], statement: str, _facts: DatabaseFacts) -> Iterator[StepWarning]:
    yield warnings.label_added_by_sql(statement)


def _cascade(_match: re.Match[str], statement: str, _facts: DatabaseFacts) -> Iterator[StepWarning]:
    yield warnings.wide_statement(statement)


COLUMN = r'"?(?P<column>\w+)"?'
NOT_A_COLUMN = "CONSTRAINT|DEFAULT|NOT|EXPRESSION|IDENTITY|COLUMN"

RULES: list[tuple[re.Pattern[str], Rule]] = [
    (_pattern(r"^DROP TABLE(?: IF EXISTS)? <table>"), _drop_table),
    (_pattern(ALTER + rf".*?\bDROP (?:COLUMN (?:IF EXISTS )?|(?!(?:{NOT_A_COLUMN})\b)){COLUMN}"), _drop_column),
    (_pattern(ALTER + rf'RENAME (?:COLUMN )?(?:(?!TO\b|CONSTRAINT\b){COLUMN} )?TO "?(?P<name>\w+)'), _rename),
    (_pattern(ALTER + rf".*?ALTER (?:COLUMN )?{COLUMN} (?:SET DATA )?TYPE (?P<type>[^,]+)"), _change_type),
    (_pattern(ALTER + rf"ADD COLUMN (?:IF NOT EXISTS )?{COLUMN}(?P<rest>[^,]*)"), _add_column),
    (_pattern(ALTER + rf".*?ALTER (?:COLUMN )?{COLUMN} SET NOT NULL"), _set_not_null),
    (_pattern(ALTER + r'ADD (?:CONSTRAINT "?(?P<constraint>\w+)"? )?(?P<kind>CHECK|FOREIGN KEY)'), _add_constraint),
    (
        _pattern(r'^CREATE (?:UNIQUE )?INDEX (?!CONCURRENTLY)(?:IF NOT EXISTS )?"?(?P<index>\w+)"? ON <table>'),
        _create_index,
    ),
    (_pattern(r"^UPDATE (?:ONLY )?<table> "), _update),
    (_pattern(r"^(?P<verb>DELETE) FROM (?:ONLY )?<table>"), _delete),
    (_pattern(r"^(?P<verb>TRUNCATE) (?:TABLE )?(?:ONLY )?<table>"), _delete),
    (_pattern(r'^ALTER TYPE "?(?P<type>\w+)"? RENAME VALUE'), _rename_label),
    (_pattern(r"^(?P<type>DELETE FROM (?:pg_catalog\.)?pg_enum)"), _rename_label),
    (_pattern(r"^ALTER TYPE .* ADD VALUE"), _add_label),
    (_pattern(r"^DROP (?:SCHEMA|DATABASE|TABLESPACE)|^(?:DROP|TRUNCATE|ALTER)\b.* CASCADE$"), _cascade),
]
