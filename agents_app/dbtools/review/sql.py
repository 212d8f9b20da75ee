"""What is to be said against plain SQL in a step: the same warnings as for the operations that do the same."""

import re
from collections.abc import Callable, Iterator
from typing import Any

import sqlalchemy as sa
from alembic.operations import ops
from sqlalchemy.dialects import postgresql, sqlite

from agents_app.dbtools.review import warnings as say
from agents_app.dbtools.review.rules import Ground
from agents_app.dbtools.review.warnings import Finding

DIALECTS: dict[str, Callable[[], Any]] = {"postgresql": postgresql.dialect, "sqlite": sqlite.dialect}
COMMENT = re.compile(r"--[^\n]*|/\*.*?\*/", re.DOTALL)
TEXT = re.compile(r"'(?:[^']|'')*'")
# Words that only open a block, so that the statements inside of it are seen.
OPENING = re.compile(
    r"^(?:DO )?(?:\$\w*\$ ?)?(?:DECLARE\b.*?)?(?:BEGIN|IF\b.*?\bTHEN|ELSE|(?:FOR|WHILE)\b.*?\bLOOP|LOOP)\b ?",
    re.IGNORECASE,
)
NAME = r'(?:"?\w+"?\.)?"?(?P<table>\w+)"?'


def look(operation: ops.ExecuteSQLOp, ground: Ground) -> Iterator[Finding]:
    """What is to be said against the statements of one `op.execute`."""
    for statement in statements_of(operation, ground.dialect):
        for pattern, rule in RULES:
            match = pattern.search(statement)
            table = match.groupdict().get("table") if match else None
            if match and (table is None or table.lower() not in ground.made):
                yield from rule(match, statement, ground)


def tables_in(operation: ops.ExecuteSQLOp, dialect: str) -> Iterator[str]:
    """The tables that plain SQL names first in each statement."""
    for statement in statements_of(operation, dialect):
        match = TOUCHED.search(statement)
        if match:
            yield match["table"]


def made_in(operation: ops.ExecuteSQLOp, dialect: str) -> Iterator[str]:
    """The tables that plain SQL makes."""
    for statement in statements_of(operation, dialect):
        match = MADE.search(statement)
        if match:
            yield match["table"]


def statements_of(operation: ops.ExecuteSQLOp, dialect: str) -> list[str]:
    """The statements of an `op.execute`, without comments and without what stands in quotes."""
    source = operation.sqltext
    text = str(source.compile(dialect=DIALECTS[dialect]())) if isinstance(source, sa.ClauseElement) else str(source)
    parts = TEXT.sub("''", COMMENT.sub(" ", text)).split(";")
    return [plain for part in parts if (plain := _unwrapped(" ".join(part.split())))]


def _unwrapped(statement: str) -> str:
    while match := OPENING.match(statement):
        statement = statement[match.end() :]
    return statement


def _pattern(text: str) -> re.Pattern[str]:
    return re.compile(text.replace("<table>", NAME), re.IGNORECASE)


ON_TABLE = (
    "CREATE TABLE(?: IF NOT EXISTS)?",
    "DROP TABLE(?: IF EXISTS)?",
    "ALTER TABLE(?: IF EXISTS)?(?: ONLY)?",
    "UPDATE(?: ONLY)?",
    "DELETE FROM(?: ONLY)?",
    "INSERT INTO",
    "TRUNCATE(?: TABLE)?",
    "CREATE (?:UNIQUE )?INDEX.*? ON",
)
TOUCHED = _pattern(f"^(?:{'|'.join(ON_TABLE)}) <table>")
MADE = _pattern(r"^CREATE (?:TEMP\w* |UNLOGGED )?TABLE(?: IF NOT EXISTS)? <table>")
ALTER = r"^ALTER TABLE(?: IF EXISTS)?(?: ONLY)? <table> "

Rule = Callable[[re.Match[str], str, Ground], Iterator[Finding]]


def _drop_table(match: re.Match[str], _statement: str, ground: Ground) -> Iterator[Finding]:
    yield say.by_plain_sql(say.table_dropped(match["table"], ground.rows(match["table"])))


def _drop_column(match: re.Match[str], _statement: str, ground: Ground) -> Iterator[Finding]:
    dropped = say.column_dropped(match["table"], match["column"], ground.rows(match["table"]))
    yield say.by_plain_sql(dropped)


def _rename(match: re.Match[str], _statement: str, _ground: Ground) -> Iterator[Finding]:
    if match["column"]:
        yield say.column_renamed(match["table"], match["column"], match["name"])
    else:
        yield say.table_renamed(match["table"], match["name"])


def _change_type(match: re.Match[str], _statement: str, ground: Ground) -> Iterator[Finding]:
    if ground.is_in_use(match["table"]):
        yield say.type_changed(match["table"], match["column"], match["type"])


def _add_column(match: re.Match[str], _statement: str, ground: Ground) -> Iterator[Finding]:
    if not re.search(r"\b(DEFAULT|GENERATED)\b", match["rest"], re.IGNORECASE):
        ground.added.add((match["table"], match["column"]))
    yield from ()


def _set_not_null(match: re.Match[str], _statement: str, ground: Ground) -> Iterator[Finding]:
    if (match["table"], match["column"]) in ground.added:
        yield say.not_null_too_early(match["table"], match["column"])
    if ground.is_in_use(match["table"]) and not ground.is_checked(match["table"], match["column"]):
        yield say.not_null_set(match["table"], match["column"])


def _add_constraint(match: re.Match[str], statement: str, ground: Ground) -> Iterator[Finding]:
    if "NOT VALID" not in statement.upper() and ground.is_in_use(match["table"]):
        yield say.not_validated(match["table"], match["kind"].upper(), match["constraint"] or "(unnamed)")


def _create_index(match: re.Match[str], statement: str, ground: Ground) -> Iterator[Finding]:
    if ground.is_in_use(match["table"]):
        inside = statement[match.end() :].partition("(")[2].rpartition(")")[0]
        yield say.index_made(match["table"], match["index"], [column.strip(' "') for column in inside.split(",")])


def _update(match: re.Match[str], statement: str, ground: Ground) -> Iterator[Finding]:
    if not re.search(r"\bWHERE\b", statement, re.IGNORECASE) and ground.is_in_use(match["table"]):
        yield say.rows_changed(match["table"], "UPDATE")


def _delete(match: re.Match[str], statement: str, ground: Ground) -> Iterator[Finding]:
    if not re.search(r"\bWHERE\b", statement, re.IGNORECASE) and ground.rows(match["table"]) != 0:
        yield say.rows_deleted(match["table"], match["verb"].upper())


def _rename_label(match: re.Match[str], statement: str, _ground: Ground) -> Iterator[Finding]:
    yield say.label_removed(match["type"], statement)


def _add_label(_match: re.Match[str], statement: str, _ground: Ground) -> Iterator[Finding]:
    yield say.label_by_hand(statement)


def _cascade(_match: re.Match[str], statement: str, _ground: Ground) -> Iterator[Finding]:
    yield say.too_wide(statement)


COLUMN = r'"?(?P<column>\w+)"?'
NO_COLUMN = "CONSTRAINT|DEFAULT|NOT|EXPRESSION|IDENTITY|COLUMN"

RULES: list[tuple[re.Pattern[str], Rule]] = [
    (_pattern(r"^DROP TABLE(?: IF EXISTS)? <table>"), _drop_table),
    (_pattern(ALTER + rf".*?\bDROP (?:COLUMN (?:IF EXISTS )?|(?!(?:{NO_COLUMN})\b)){COLUMN}"), _drop_column),
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
