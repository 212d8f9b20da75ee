"""The PostgreSQL schema of the console's tables. There is only one; DATABASE_SCHEMA or `options` can name it."""

import sqlalchemy as sa
from alembic.util import CommandError
from sqlalchemy.engine import Connection
from sqlalchemy.exc import DBAPIError

from agents_app.database.quoting import quote_if_needed, quote_literal
from agents_app.database.url import schema_of
from agents_app.paths import COMMAND

# CREATE SCHEMA IF NOT EXISTS fails for a role without the permission, even if the schema exists.
CREATE = """
DO $schema$
BEGIN
    IF to_regnamespace({text}) IS NULL THEN
        CREATE SCHEMA {name};
    END IF;
END
$schema$
"""
# Tables in the other schemas of the search path belong to other programs and must not be found.
RESTRICT_SEARCH_PATH = """
SELECT set_config('search_path', quote_ident(current_schema()), %s) WHERE cardinality(current_schemas(false)) > 1
"""
# `current_schemas` leaves out the schemas that the role may not use.
UNUSABLE_SCHEMAS = """
SELECT nspname
FROM regexp_split_to_table(current_setting('search_path'), ' *, *') WITH ORDINALITY AS path (entry, place)
JOIN pg_namespace ON nspname = CASE btrim(entry, '"') WHEN '$user' THEN current_user ELSE btrim(entry, '"') END
WHERE NOT has_schema_privilege(pg_namespace.oid, 'USAGE') ORDER BY place
"""
SCHEMA_EXISTS = sa.text("SELECT count(*) FROM pg_namespace WHERE nspname = :name")


def create_schema_sql(schema: str) -> str:
    """Return SQL that creates a schema if it does not exist."""
    return CREATE.format(text=quote_literal(quote_if_needed(schema)), name=quote_if_needed(schema)).strip()


def restrict_search_path(connection: Connection) -> None:
    """Restrict the search path to its first schema until the transaction ends."""
    connection.exec_driver_sql(RESTRICT_SEARCH_PATH, (True,))


def current_schema(connection: Connection) -> str:
    """Return the schema of this connection. Raises CommandError, with what to do, if it has none."""
    schema: str | None = connection.scalar(sa.text("SELECT current_schema()"))
    if schema is None:
        raise CommandError(_missing_schema_reason(connection))
    return schema


def create_schema(connection: Connection) -> bool:
    """Create the schema that the connection's URL names, if it does not exist. Return whether it was created.

    Raises CommandError if the role lacks the permission.
    """
    schema = schema_of(connection.engine.url)
    if schema is None or _exists(connection, schema):
        return False
    try:
        connection.exec_driver_sql(create_schema_sql(schema), execution_options={"no_parameters": True})
        connection.commit()
    except DBAPIError as error:
        connection.rollback()
        if _exists(connection, schema):
            return False  # Another deployment created it first.
        if getattr(error.orig, "pgcode", None) != "42501":
            raise
        statement = f"CREATE SCHEMA {quote_if_needed(schema)} AUTHORIZATION {quote_if_needed(_role_name(connection))};"
        problem = f"The schema {schema} does not exist, and this role may not create it."
        raise CommandError(f"{problem} Let an administrator run: {statement}") from error
    return True


def _missing_schema_reason(connection: Connection) -> str:
    schema = schema_of(connection.engine.url)
    if schema is None:
        for name in connection.scalars(sa.text(UNUSABLE_SCHEMAS)):
            statement = grant_sql(connection, "USAGE, CREATE", name)
            return f"This role may not use the schema {name}. Let its owner run: {statement}"
        return "The search_path of this session contains no schema that exists. Name one: DATABASE_SCHEMA=console"
    if not _exists(connection, schema):
        return f"There is no schema {schema} yet; {COMMAND} db upgrade creates it."
    statement = grant_sql(connection, "USAGE, CREATE", schema)
    return f"This role may not use the schema {schema}. Let its owner run: {statement}"


def quote_with_schema(connection: Connection, name: str) -> str:
    """Quote a name for a statement that people run, with the connection's schema unless that is `public`.

    Without the schema, their own session would look in another one. Raises CommandError if there is no schema.
    """
    schema = current_schema(connection)
    return quote_if_needed(name) if schema == "public" else f"{quote_if_needed(schema)}.{quote_if_needed(name)}"


def grant_sql(connection: Connection, rights: str, schema: str) -> str:
    """Return a statement that grants rights on a schema to the connection's role."""
    return f"GRANT {rights} ON SCHEMA {quote_if_needed(schema)} TO {quote_if_needed(_role_name(connection))};"


def _exists(connection: Connection, schema: str) -> bool:
    return bool(connection.scalar(SCHEMA_EXISTS, {"name": schema}))


def _role_name(connection: Connection) -> str:
    role: str = connection.scalar(sa.text("SELECT current_user"))
    return role
