"""Reads columns and constraints of an ALTER TABLE."""

from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa
from alembic.ddl.postgresql import CreateExcludeConstraintOp
from alembic.operations import MigrateOperation, ops
from sqlalchemy.sql.elements import conv

from agents_app.dbtools.review.sql_operations import Constraint, Mark, SqlType, add_mark
from agents_app.dbtools.review.sql_tokens import NotUnderstood, QualifiedName, Reader, Tokens, source_of, split_list

Found = Iterator[MigrateOperation]
# What may follow the type of a new column.
AFTER_TYPE: tuple[str, ...] = (
    "CONSTRAINT",
    "NOT",
    "NULL",
    "DEFAULT",
    "GENERATED",
    "UNIQUE",
    "PRIMARY",
    "REFERENCES",
    "CHECK",
)
AFTER_TYPE += ("COLLATE", "AS", "AUTOINCREMENT", "DEFERRABLE", "INITIALLY", "ON", "MATCH", "STORAGE", "COMPRESSION")
SERIAL = ("SERIAL", "BIGSERIAL", "SMALLSERIAL", "SERIAL2", "SERIAL4", "SERIAL8")


def read_constraint(part: Reader, name: str | None) -> Constraint:
    """Read a constraint after its name."""
    kind = part.has_one_of("CHECK", "FOREIGN KEY", "UNIQUE", "PRIMARY KEY", "EXCLUDE")
    if kind is None:
        raise NotUnderstood(source_of(part.tokens))
    if part.has("USING INDEX"):
        return Constraint(kind, name or part.name(), uses_index=True)
    nulls_are_equal = part.has("NULLS NOT DISTINCT")
    part.has("NULLS DISTINCT")
    condition = source_of(part.parentheses()) if kind == "CHECK" else "true"
    columns = () if kind in ("EXCLUDE", "CHECK") else _column_names(part)
    referent = part.qualified_name() if part.has("REFERENCES") else QualifiedName("")
    referred = _column_names(part) if part.rest and part.rest[0].text == "(" and referent.name else ()
    rest = source_of(part.rest).upper()
    is_full, options = "MATCH FULL" in rest, _timing(rest)
    if kind in ("UNIQUE", "PRIMARY KEY") and part.has("INCLUDE"):
        options["postgresql_include"] = list(_column_names(part))
    part.until("NOT")
    while part.has("NOT DEFERRABLE"):
        part.until("NOT")
    is_validated, schema = not part.has("NOT VALID"), referent.schema
    rules = (is_validated, False, condition, schema, referred, nulls_are_equal, is_full, options)
    return Constraint(kind, name, columns, referent.name, *rules)


def _timing(rest: str) -> dict[str, Any]:
    # When PostgreSQL checks the constraint.
    is_deferred = "INITIALLY DEFERRED" in rest
    is_deferrable = is_deferred or "DEFERRABLE" in rest.replace("NOT DEFERRABLE", "")
    return ({"deferrable": True} if is_deferrable else {}) | ({"initially": "DEFERRED"} if is_deferred else {})


def _column_names(part: Reader) -> tuple[str, ...]:
    return tuple(_bare_name(column, part.dialect) for column in split_list(part.parentheses(), part.dialect))


def _bare_name(tokens: Tokens, dialect: str) -> str:
    return Reader(tokens, dialect).name() if len(tokens) == 1 and tokens[0].kind != "symbol" else source_of(tokens)


def constraint_operations(table: QualifiedName, found: Constraint) -> Found:
    """The operation that adds a constraint."""
    name: Any = conv(found.name) if found.name else None
    options: dict[str, Any] = {"schema": table.schema}
    if found.kind == "UNIQUE":
        options |= found.options
    if found.uses_index:
        options["postgresql_using_index"] = True
    if found.kind in ("CHECK", "FOREIGN KEY") and not found.is_validated:
        options["postgresql_not_valid"] = True
    if found.nulls_are_equal:
        options["postgresql_nulls_not_distinct"] = True
    columns = list(found.columns)
    if found.kind == "UNIQUE":
        yield ops.CreateUniqueConstraintOp(name, table.name, columns, **options)
    elif found.kind == "PRIMARY KEY":
        yield ops.CreatePrimaryKeyOp(name, table.name, columns, **options)
    elif found.kind == "CHECK":
        yield ops.CreateCheckConstraintOp(name, table.name, text_clause(found.condition), **options)
    elif found.kind == "EXCLUDE":
        yield CreateExcludeConstraintOp(name, table.name, [], schema=table.schema)
    else:
        options |= {"source_schema": options.pop("schema"), "referent_schema": found.referent_schema}
        options |= {"match": "FULL"} if found.is_full else {}
        referred = list(found.referent_columns)
        yield ops.CreateForeignKeyOp(name, table.name, found.referent, columns, referred, **options)


def text_clause(sql: str) -> sa.TextClause:
    """SQL without parameters: a colon in it does not start one."""
    return sa.text(sql.replace(":", "\\:"))


def new_column(part: Reader, table: QualifiedName, name: str, *, keeps_present: bool = False) -> Found:
    """The operations that add a column, after its name. `keeps_present`: nothing is done if there is such a column."""
    kind = source_of(part.until(*AFTER_TYPE))
    arguments: list[Any] = []
    options: dict[str, Any] = {"nullable": True}
    if kind.upper() in SERIAL:
        options |= {"nullable": False, "server_default": sa.text("nextval(...)")}
    added: list[Constraint] = []
    while not part.is_done:
        _read_column_option(part, name, arguments, options, added)
    # PostgreSQL does not look for the rows of a foreign key if the new column is empty.
    is_empty = "server_default" not in options and not arguments
    added = [found for found in added if not (found.kind == "FOREIGN KEY" and is_empty)]
    column = sa.Column(name, SqlType(kind), *arguments, **options)
    yield ops.AddColumnOp(table.name, column, schema=table.schema, if_not_exists=keeps_present)
    for found in added:
        for operation in constraint_operations(table, found):
            add_mark(operation, Mark.OF_COLUMN)
            yield operation


def _read_column_option(
    part: Reader, column: str, arguments: list[Any], options: dict[str, Any], added: list[Constraint]
) -> None:
    constraint = part.name() if part.has("CONSTRAINT") else None
    if part.has("NOT NULL"):
        options["nullable"] = False
    elif part.has("DEFAULT"):
        # A NULL in front is a part of the default.
        first = (part.next(),)
        default = source_of(first + part.until(*AFTER_TYPE))
        if not default.upper().startswith("NULL"):
            options["server_default"] = text_clause(default)
    elif part.has("GENERATED"):
        _read_generated(part, arguments, options)
    elif part.has("AS"):
        arguments.append(sa.Computed(source_of(part.parentheses()), persisted=part.has("STORED")))
    elif kind := part.has_one_of("UNIQUE", "PRIMARY KEY"):
        added.append(Constraint(kind, constraint, (column,)))
    elif part.has("CHECK"):
        added.append(Constraint("CHECK", constraint, condition=source_of(part.parentheses())))
    elif part.has("REFERENCES"):
        added.append(Constraint("FOREIGN KEY", constraint, (column,), part.qualified_name().name))
        part.until("CONSTRAINT", "UNIQUE", "PRIMARY", "CHECK", "DEFAULT", "GENERATED")
    elif not part.has("NULL"):
        part.next()
        part.until(*AFTER_TYPE)


def _read_generated(part: Reader, arguments: list[Any], options: dict[str, Any]) -> None:
    is_always = part.has("ALWAYS")
    if not is_always:
        part.require("BY DEFAULT")
    part.require("AS")
    if part.has("IDENTITY"):
        arguments.append(sa.Identity(always=is_always))
        options["nullable"] = False
        return
    expression = source_of(part.parentheses())
    arguments.append(sa.Computed(expression, persisted=not part.has("VIRTUAL")))
    part.has("STORED")
