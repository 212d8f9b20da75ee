"""Reads the statements that only SQLite has."""

from collections.abc import Iterator

from alembic.operations import MigrateOperation

from agents_app.dbtools.review.sql_operations import RiskyStatementOp, SettingOp
from agents_app.dbtools.review.sql_tokens import NotUnderstood, Reader, Tokens, source_of

Found = Iterator[MigrateOperation]
OFF = ("OFF", "0", "FALSE", "NO")
KEEP = "Leave it out."
BAD_ROWS = "Rows that break {} can be written from then on, and SQLite does not look for them later."
# What a value of a PRAGMA does. The second text is a value that does no harm, if there is one.
PRAGMAS: dict[str, tuple[str, tuple[str, ...]]] = {
    "writable_schema": ("SQLite's own tables can be changed from then on, and it checks nothing there.", OFF),
    "schema_version": ("Statements that other connections have prepared can then corrupt the database.", ()),
    "foreign_keys": (
        BAD_ROWS.format("a foreign key") + " In a transaction it does nothing.",
        ("ON", "1", "TRUE", "YES"),
    ),
    "ignore_check_constraints": (BAD_ROWS.format("a CHECK"), OFF),
    "journal_mode": ("A crash can then lose or corrupt the database, or readers wait for a writer.", ("WAL",)),
    "synchronous": ("A crash of the machine can then lose or corrupt the database.", ("FULL", "2", "EXTRA", "3")),
    "locking_mode": ("No other process can then use the database.", ("NORMAL",)),
    "legacy_alter_table": ("A rename then leaves views, triggers and foreign keys with the old name.", OFF),
    "case_sensitive_like": ("The statements after it find other rows, and an index on LIKE can become wrong.", OFF),
    "recursive_triggers": ("Triggers then run for what triggers write, also when rows are replaced.", OFF),
    "trusted_schema": ("Views and triggers can then call functions with side effects.", OFF),
}
DANGERS = ("writable_schema", "schema_version")


def pragma(reader: Reader, statement: Tokens) -> Found:
    """The operation of the rest of a PRAGMA. One that only reads has none."""
    if reader.dialect == "postgresql":
        raise NotUnderstood(source_of(statement))
    name, text = reader.qualified_name().name.lower(), source_of(statement)
    value = source_of(reader.parentheses() if reader.rest[:1] and reader.rest[0].text == "(" else reader.rest[1:])
    if not value:
        return
    if name == "busy_timeout":
        yield SettingOp(name="lock_timeout", statement=text)
        return
    why, harmless = PRAGMAS.get(name, ("", ()))
    if why and value.strip("'\"").upper() not in harmless:
        yield RiskyStatementOp(statement=text, why=why, instead=KEEP, is_danger=name in DANGERS)


def attach(_reader: Reader, statement: Tokens) -> Found:
    """The operation of an ATTACH."""
    why = "Backups, saved rows and these warnings do not have what is changed in another file."
    yield RiskyStatementOp(statement=source_of(statement), why=why, instead="Copy the rows with a program of your own.")
