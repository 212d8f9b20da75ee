"""Reads CREATE TYPE and ALTER TYPE."""

from collections.abc import Iterator

from alembic.operations import MigrateOperation

from agents_app.dbtools.operations.enum_values import AddEnumValueOp
from agents_app.dbtools.operations.enums import CreateEnumOp
from agents_app.dbtools.review.sql_operations import Mark, RenameLabelOp, RenameObjectOp, add_mark
from agents_app.dbtools.review.sql_tokens import NotUnderstood, Reader, Tokens, source_of

Found = Iterator[MigrateOperation]


def create_type(reader: Reader, _statement: Tokens) -> Found:
    """The operation of the rest of a CREATE TYPE: only an enum has one."""
    name = reader.qualified_name().name
    if reader.has("AS ENUM"):
        yield CreateEnumOp(name, [token.text for token in reader.parentheses() if token.kind == "literal"])


def alter_type(reader: Reader, statement: Tokens) -> Found:
    """The operation of the rest of an ALTER TYPE."""
    name = reader.qualified_name().name
    if reader.has("ADD VALUE"):
        keeps_present = reader.has("IF NOT EXISTS")
        added = AddEnumValueOp(name, reader.next().text)
        add_mark(added, Mark.IF_EXISTS if keeps_present else Mark.NONE)
        yield added
    elif reader.has("RENAME VALUE"):
        label = reader.next().text
        reader.require("TO")
        yield RenameLabelOp(name=name, label=label, new_label=reader.next().text)
    elif reader.has("RENAME TO"):
        yield RenameObjectOp(kind="type", name=name, new_name=reader.name())
    elif reader.has("SET SCHEMA"):
        yield RenameObjectOp(kind="type", name=name, new_name=f"{reader.name()}.{name}")
    elif not reader.has_one_of("OWNER TO", "RENAME ATTRIBUTE", "ADD ATTRIBUTE"):
        raise NotUnderstood(source_of(statement))
