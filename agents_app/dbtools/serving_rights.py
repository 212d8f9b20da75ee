"""The rights of the role as which the console serves. Migrations can use another one (MIGRATION_DATABASE_URL)."""

from collections.abc import Iterator
from contextlib import suppress

import sqlalchemy as sa
from sqlalchemy.engine import URL, Connection
from sqlalchemy.exc import DBAPIError

from agents_app.database.quoting import quote_if_needed
from agents_app.dbtools.database.connections import connect_without_schema
from agents_app.dbtools.database.schema import current_schema, quote_with_schema
from agents_app.dbtools.output import first_names
from agents_app.dbtools.problems import Problem
from agents_app.dbtools.records.tables import TABLES as RECORDS
from agents_app.dbtools.version_table import VERSION_TABLE

# Only migrations write to these.
READ_ONLY = (VERSION_TABLE.name, *(table.name for table in RECORDS))
EVERY_RIGHT = "SELECT, INSERT, UPDATE, DELETE"
MISSING = """
SELECT tablename, tableowner,
    CASE WHEN tablename = ANY(:read_only) THEN 'SELECT' ELSE 'SELECT, INSERT, UPDATE, DELETE' END AS rights
FROM pg_roles, pg_tables, unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']) AS needed
WHERE rolname = :role AND schemaname = current_schema() AND tablename = ANY(:tables)
AND (needed = 'SELECT' OR tablename <> ALL(:read_only))
AND NOT has_table_privilege(pg_roles.oid, (quote_ident(schemaname) || '.' || quote_ident(tablename))::regclass, needed)
GROUP BY 1, 2 ORDER BY 1
"""


def serving_rights_problems(
    connection: Connection, console: URL | None, own_tables: frozenset[str]
) -> Iterator[Problem]:
    """A problem if the role of `console`, the URL of the console, lacks rights on its tables. Nothing on SQLite.

    Nothing is said if that database cannot be reached, for example because its pooler is stopped.
    """
    role = None if connection.dialect.name != "postgresql" or console is None else _role(connection, console)
    tables = [*own_tables, VERSION_TABLE.name]
    parameters = {"role": role, "tables": tables, "read_only": list(READ_ONLY)}
    missing = connection.execute(sa.text(MISSING), parameters).all() if role else []
    if role and missing:
        what = f"The console serves as {role}, which lacks rights on {first_names([table for table, *_ in missing])}."
        to = f"TO {quote_if_needed(role)};"
        names = {table: quote_with_schema(connection, table) for table, *_ in missing}
        grants = [
            f"GRANT {rights} ON {', '.join(names[table] for table, _, of in missing if of == rights)} {to}"
            for rights in dict.fromkeys(of for *_, of in missing)
        ]
        owner = quote_if_needed(missing[0][1])
        schema = quote_if_needed(current_schema(connection))
        later = f"ALTER DEFAULT PRIVILEGES FOR ROLE {owner} IN SCHEMA {schema} GRANT {EVERY_RIGHT} ON TABLES {to}"
        do = f"Let {missing[0][1]} run: {' '.join(grants)} For the tables of later steps: {later}"
        yield Problem(what, do, "database.serving_rights")


def _role(connection: Connection, console: URL) -> str | None:
    query = sa.text("SELECT current_user")
    if console == connection.engine.url:
        return str(connection.scalar(query))
    with suppress(DBAPIError), connect_without_schema(console) as other:
        return str(other.scalar(query))
    return None
