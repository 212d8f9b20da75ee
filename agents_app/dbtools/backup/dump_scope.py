"""Selects the schemas of a PostgreSQL backup: the console's named schema, or all schemas except other consoles'."""

from collections import Counter
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from agents_app.database.quoting import quote_name
from agents_app.database.url import schema_of
from agents_app.dbtools.own_tables import tables_of_migrations
from agents_app.dbtools.version_table import VERSION_TABLE

SCHEMAS = "SELECT nspname FROM pg_namespace WHERE nspname NOT LIKE 'pg\\_%' AND nspname <> 'information_schema'"
# Every role may read the catalog, even if it may not read the tables.
COLUMNS = """
SELECT nspname, relname, array_agg(CAST(attname AS text)) AS columns
FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid JOIN pg_namespace ON pg_namespace.oid = relnamespace
WHERE attnum > 0 AND NOT attisdropped AND relname = ANY(:tables) AND nspname <> current_schema()
GROUP BY 1, 2
"""
EXTENSIONS = "SELECT extname FROM pg_extension WHERE extnamespace = to_regnamespace(quote_ident(current_schema()))"
# The first migration creates this many tables, so a console has more.
CONSOLE_TABLES_MIN = 2
# The first version whose pg_dump has the option --extension.
EXTENSION_OPTION_VERSION = 14


@dataclass(frozen=True)
class DumpScope:
    """The schemas of a backup, and the arguments of pg_dump that select them."""

    schemas: list[str]
    arguments: list[str]


def dump_scope(connection: Connection, folder: str) -> DumpScope:
    """Return the scope of a backup. `folder` contains the migrations, from which a console's tables are known."""
    schema = schema_of(connection.engine.url)
    if schema is not None:
        return DumpScope([schema], [f"--schema={quote_name(connection, schema)}", *_extension_arguments(connection)])
    others = _schemas_of_other_consoles(connection, folder)
    schemas = [name for name in connection.scalars(sa.text(SCHEMAS)) if name not in others]
    return DumpScope(schemas, [f"--exclude-schema={quote_name(connection, name)}" for name in sorted(others)])


def _extension_arguments(connection: Connection) -> list[str]:
    version = int((connection.dialect.server_version_info or (0,))[0])
    names = connection.scalars(sa.text(EXTENSIONS)) if version >= EXTENSION_OPTION_VERSION else ()
    return [f"--extension={quote_name(connection, name)}" for name in names]


def _schemas_of_other_consoles(connection: Connection, folder: str) -> set[str]:
    tables = {**tables_of_migrations(folder), VERSION_TABLE.name: frozenset({"version_num"})}
    rows = connection.execute(sa.text(COLUMNS), {"tables": [*tables]})
    complete = [(row.nspname, row.relname) for row in rows if tables[row.relname] <= set(row.columns)]
    count = Counter(schema for schema, _ in complete)
    candidates = [schema for schema in count if count[schema] > CONSOLE_TABLES_MIN]
    return {schema for schema in candidates if (schema, VERSION_TABLE.name) in complete}
