"""Reads statements about domains, triggers, rights, settings and the like."""

from collections.abc import Iterator

from alembic.operations import MigrateOperation, ops

from agents_app.dbtools.review.sql_operations import (
    ChangeDomainOp,
    DropObjectOp,
    NotUnderstoodOp,
    RenameObjectOp,
    RewriteTableOp,
    RiskyStatementOp,
    RowSecurityOp,
    SettingOp,
    TouchTableOp,
    WriteHookOp,
)
from agents_app.dbtools.review.sql_rows import KEEP_NUMBERS, NUMBERS, read_rows_statement
from agents_app.dbtools.review.sql_tokens import NotUnderstood, QualifiedName, Reader, Tokens, source_of

Found = Iterator[MigrateOperation]
BREAKS_WHEN_RENAMED = ("TYPE", "SCHEMA", "DOMAIN", "FUNCTION", "PROCEDURE", "ROUTINE", "AGGREGATE", "SEQUENCE")
PROGRAM = ("PROGRAM",)
LASTING = "It holds for every new session from then on, also those of the console, and a downgrade does not undo it."


def alter_object(reader: Reader, statement: Tokens) -> Found:
    """The operations of the rest of an ALTER, after that word."""
    kind = reader.next().text.upper()
    if kind in ("VIEW", "MATERIALIZED"):
        reader.has("VIEW")
        reader.has("IF EXISTS")
        yield from _alter_view(reader, reader.qualified_name())
        return
    if kind == "INDEX":
        reader.has("IF EXISTS")
        index = reader.qualified_name()
        if reader.has("SET TABLESPACE"):
            yield RewriteTableOp(verb="ALTER INDEX ... SET TABLESPACE", instead="", index_name=index.name)
        elif reader.has("RENAME TO"):
            yield TouchTableOp(None, index.schema, renamed=(index.name, reader.name()))
        return
    if kind == "DOMAIN":
        yield from _alter_domain(reader, statement)
        return
    if kind in ("ROLE", "USER", "DATABASE") and any(token.is_word("SET", "RESET") for token in reader.rest):
        yield RiskyStatementOp(statement=source_of(statement), why=LASTING, instead="Set it for the migration only.")
    if kind == "SEQUENCE" and any(token.is_word("RESTART") for token in reader.rest):
        yield RiskyStatementOp(statement=source_of(statement), why=NUMBERS, instead=KEEP_NUMBERS)
    if kind in BREAKS_WHEN_RENAMED:
        reader.has("IF EXISTS")
        yield from renamed_object(kind, reader.qualified_name().name, reader)


def renamed_object(kind: str, name: str, reader: Reader) -> Found:
    """The operation that gives an object another name or schema, if the rest says so."""
    reader.until("RENAME", "SET")
    if reader.has("RENAME TO"):
        yield RenameObjectOp(kind=kind.lower(), name=name, new_name=reader.name())
    elif reader.has("SET SCHEMA"):
        yield RenameObjectOp(kind=kind.lower(), name=name, new_name=f"{reader.name()}.{name}")


def _alter_view(reader: Reader, view: QualifiedName) -> Found:
    if reader.has("RENAME TO"):
        yield ops.RenameTableOp(view.name, reader.name(), schema=view.schema)
    elif reader.has("SET SCHEMA"):
        yield ops.RenameTableOp(view.name, f"{reader.name()}.{view.name}", schema=view.schema)
    elif reader.has("RENAME"):
        reader.has("COLUMN")
        column = reader.name()
        reader.require("TO")
        yield ops.AlterColumnOp(view.name, column, modify_name=reader.name(), schema=view.schema)


def _alter_domain(reader: Reader, statement: Tokens) -> Found:
    domain = reader.qualified_name().name
    if reader.has("SET NOT NULL"):
        yield ChangeDomainOp(name=domain, rule="NOT NULL", is_refusing=True)
    elif reader.has("ADD"):
        if not source_of(statement).upper().endswith("NOT VALID"):
            yield ChangeDomainOp(name=domain, rule="a CHECK", is_refusing=False)
    elif reader.has("VALIDATE CONSTRAINT"):
        yield ChangeDomainOp(name=domain, rule=f"the CHECK {reader.name()}", is_refusing=False)
    elif not reader.has_one_of("DROP", "SET DEFAULT", "OWNER TO"):
        yield from renamed_object("DOMAIN", domain, reader)


def create_hook(reader: Reader, statement: Tokens) -> Found:
    """The operation of the rest of a CREATE TRIGGER or CREATE RULE."""
    reader.has("IF NOT EXISTS")
    name = reader.qualified_name().name
    reader.until("ON")
    is_rule = any(token.is_word("RULE") for token in statement[:4])
    if is_rule:
        reader.until("TO")
        reader.require("TO")
    else:
        reader.require("ON")
    table = reader.qualified_name()
    replaces = is_rule and any(token.is_word("INSTEAD") for token in reader.rest)
    kind = "rule" if is_rule else "trigger"
    yield WriteHookOp(table.name, table.schema, kind=kind, name=name, replaces=replaces)


def drop_hook(reader: Reader, statement: Tokens) -> Found:
    """The operation of the rest of a DROP TRIGGER, DROP RULE or DROP POLICY."""
    reader.has("IF EXISTS")
    name = reader.name()
    reader.require("ON")
    table = reader.qualified_name()
    kind = statement[1].text.upper()
    yield DropObjectOp(kind=kind, name=f"{name} of {table.name}", schema=table.schema)


def change_setting(reader: Reader, statement: Tokens) -> Found:
    """The operation of the rest of a SET or RESET."""
    reader.has_one_of("SESSION AUTHORIZATION", "SESSION", "LOCAL")
    is_authorization = "AUTHORIZATION" in source_of(statement[:3]).upper()
    name = "role" if is_authorization else source_of(reader.until("=", "TO", "ZONE")).lower()
    yield SettingOp(name=name.split(" ")[0] if name else "all", statement=source_of(statement))


def copy(reader: Reader, statement: Tokens) -> Found:
    """The operations of the rest of a COPY."""
    if any(token.is_word(*PROGRAM) for token in statement):
        yield NotUnderstoodOp(statement=source_of(statement))
    if reader.rest[:1] and reader.rest[0].text == "(":
        yield from read_rows_statement(source_of(reader.parentheses()), reader.dialect)
        return
    table = reader.qualified_name()
    reader.until("FROM", "TO")
    if reader.has("FROM"):
        yield TouchTableOp(table.name, table.schema, adds_rows=True)


def revoke(_reader: Reader, statement: Tokens) -> Found:
    """The operation of a REVOKE."""
    yield DropObjectOp(kind="right", name=source_of(statement))


def explain(_reader: Reader, statement: Tokens) -> Found:
    """Only EXPLAIN ANALYZE runs its statement."""
    if any(token.is_word("ANALYZE", "ANALYSE") for token in statement[:8]):
        raise NotUnderstood(source_of(statement))
    yield from ()


def row_security(table: QualifiedName, verb: str) -> MigrateOperation:
    """The operation that switches row-level security, triggers or rules of a table on or off."""
    return RowSecurityOp(table.name, table.schema, verb=verb)
