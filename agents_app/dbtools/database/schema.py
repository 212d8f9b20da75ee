"""The PostgreSQL schema that a console has its tables in: one alone, which DATABASE_SCHEMA or `options` can name."""

import sqlalchemy as sa
from alembic.util import CommandError
from sqlalchemy.engine import Connection
from sqlalchemy.exc import DBAPIError

from agents_app.database.url import schema_of
from agents_app.dbtools.database.quoting import NAMES, literal

# CREATE SCHEMA IF NOT EXISTS is refused to a role that may make none, also where the schema is there.
CREATE = """
DO $schema$
BEGIN
    IF to_regnamespace({text}) IS NULL THEN
        CREATE SCHEMA {name};
    END IF;
END
$schema$
"""
# Tables of another program in a further schema of the search path must not be taken for tables that are missing here.
KEEP_TO_THE_FIRST = """
SELECT set_config('search_path', quote_ident(current_schema()), %s) WHERE cardinality(current_schemas(false)) > 1
"""
IS_THERE = sa.text("SELECT count(*) FROM pg_namespace WHERE nspname = :name")


def create_statement(schema: str) -> str:
    """SQL that makes a schema where it is missing."""
    return CREATE.format(text=literal(NAMES.quote(schema)), name=NAMES.quote(schema)).strip()


def keep_to_one(connection: Connection) -> None:
    """Let the transaction of this connection see the first schema of its search path alone."""
    connection.exec_driver_sql(KEEP_TO_THE_FIRST, (True,))


def current_schema(connection: Connection) -> str:
    """The schema of this connection. Raises CommandError, which says what to do, where there is none to use."""
    found: str | None = connection.scalar(sa.text("SELECT current_schema()"))
    if found is None:
        raise CommandError(_why_none(connection))
    return found


def make_schema(connection: Connection) -> bool:
    """Make the schema that the URL of the connection names, where it is missing; answers whether it was made.

    Raises CommandError where the role may not.
    """
    schema = schema_of(connection.engine.url)
    if schema is None or _is_there(connection, schema):
        return False
    try:
        connection.exec_driver_sql(create_statement(schema))
        connection.commit()
    except DBAPIError as error:
        connection.rollback()
        if _is_there(connection, schema):
            return False  # Another deployment was faster.
        if getattr(error.orig, "pgcode", None) != "42501":
            raise
        statement = f"CREATE SCHEMA {NAMES.quote(schema)} AUTHORIZATION {NAMES.quote(_role(connection))};"
        refusal = f"The schema {schema} is not there, and this role may not make it."
        raise CommandError(f"{refusal} Let an administrator run: {statement}") from error
    return True


def _why_none(connection: Connection) -> str:
    schema = schema_of(connection.engine.url)
    if schema is None:
        return "The search_path of this session names no schema to use. Name one: DATABASE_SCHEMA=console"
    if not _is_there(connection, schema):
        return f"There is no schema {schema} yet; flask db upgrade makes it."
    statement = _grant(connection, "USAGE, CREATE", schema)
    return f"This role may not use the schema {schema}. Let its owner run: {statement}"


def grant(connection: Connection, rights: str) -> str:
    """The statement that gives the role of this connection rights on the schema that it uses."""
    return _grant(connection, rights, current_schema(connection))


def _grant(connection: Connection, rights: str, schema: str) -> str:
    return f"GRANT {rights} ON SCHEMA {NAMES.quote(schema)} TO {NAMES.quote(_role(connection))};"


def _is_there(connection: Connection, schema: str) -> bool:
    return bool(connection.scalar(IS_THERE, {"name": schema}))


def _role(connection: Connection) -> str:
    found: str = connection.scalar(sa.text("SELECT current_user"))
    return found
