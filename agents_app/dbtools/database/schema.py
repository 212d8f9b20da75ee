"""The PostgreSQL schema that a console has its tables in: one alone, which DATABASE_SCHEMA or `options` can name."""

import sqlalchemy as sa
from alembic.util import CommandError
from sqlalchemy.engine import Connection
from sqlalchemy.exc import DBAPIError

from agents_app.database.quoting import quote_if_needed, quote_literal
from agents_app.database.url import schema_of

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
RESTRICT_SEARCH_PATH = """
SELECT set_config('search_path', quote_ident(current_schema()), %s) WHERE cardinality(current_schemas(false)) > 1
"""
SCHEMA_EXISTS = sa.text("SELECT count(*) FROM pg_namespace WHERE nspname = :name")


def create_schema_sql(schema: str) -> str:
    """SQL that makes a schema where it is missing."""
    return CREATE.format(text=quote_literal(quote_if_needed(schema)), name=quote_if_needed(schema)).strip()


def restrict_search_path(connection: Connection) -> None:
    """Let the transaction of this connection see the first schema of its search path alone."""
    connection.exec_driver_sql(RESTRICT_SEARCH_PATH, (True,))


def current_schema(connection: Connection) -> str:
    """The schema of this connection. Raises CommandError, which says what to do, where there is none to use."""
    found: str | None = connection.scalar(sa.text("SELECT current_schema()"))
    if found is None:
        raise CommandError(_missing_schema_reason(connection))
    return found


def create_schema(connection: Connection) -> bool:
    """Make the schema that the URL of the connection names, where it is missing; answers whether it was made.

    Raises CommandError where the role may not.
    """
    schema = schema_of(connection.engine.url)
    if schema is None or _exists(connection, schema):
        return False
    try:
        connection.exec_driver_sql(create_schema_sql(schema))
        connection.commit()
    except DBAPIError as error:
        connection.rollback()
        if _exists(connection, schema):
            return False  # Another deployment was faster.
        if getattr(error.orig, "pgcode", None) != "42501":
            raise
        statement = f"CREATE SCHEMA {quote_if_needed(schema)} AUTHORIZATION {quote_if_needed(_role(connection))};"
        refusal = f"The schema {schema} is not there, and this role may not make it."
        raise CommandError(f"{refusal} Let an administrator run: {statement}") from error
    return True


def _missing_schema_reason(connection: Connection) -> str:
    schema = schema_of(connection.engine.url)
    if schema is None:
        return "The search_path of this session names no schema to use. Name one: DATABASE_SCHEMA=console"
    if not _exists(connection, schema):
        return f"There is no schema {schema} yet; flask db upgrade makes it."
    statement = _grant_sql(connection, "USAGE, CREATE", schema)
    return f"This role may not use the schema {schema}. Let its owner run: {statement}"


def grant_sql(connection: Connection, rights: str) -> str:
    """The statement that gives the role of this connection rights on the schema that it uses."""
    return _grant_sql(connection, rights, current_schema(connection))


def _grant_sql(connection: Connection, rights: str, schema: str) -> str:
    return f"GRANT {rights} ON SCHEMA {quote_if_needed(schema)} TO {quote_if_needed(_role(connection))};"


def _exists(connection: Connection, schema: str) -> bool:
    return bool(connection.scalar(SCHEMA_EXISTS, {"name": schema}))


def _role(connection: Connection) -> str:
    found: str = connection.scalar(sa.text("SELECT current_user"))
    return found
