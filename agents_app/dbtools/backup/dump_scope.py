"""What a backup of PostgreSQL takes: the console's schema where one is named, else all but other consoles' schemas."""

from collections import Counter
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from agents_app.database.quoting import quote_name
from agents_app.database.url import schema_of
from agents_app.dbtools.own_tables import tables_of_migrations
from agents_app.dbtools.position import VERSION_TABLE

SCHEMAS = "SELECT nspname FROM pg_namespace WHERE nspname NOT LIKE 'pg\\_%' AND nspname <> 'information_schema'"
# The catalogue is read by every role, also where the tables are not.
COLUMNS = """
SELECT nspname, relname, array_agg(CAST(attname AS text)) AS columns
FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid JOIN pg_namespace ON pg_namespace.oid = relnamespace
WHERE attnum > 0 AND NOT attisdropped AND relname = ANY(:tables) AND nspname <> current_schema()
GROUP BY 1, 2
"""
EXTENSIONS = "SELECT extname FROM pg_extension WHERE extnamespace = to_regnamespace(quote_ident(current_schema()))"
# The first step makes as many tables.
CONSOLE_HAS = 2
# Since this version pg_dump takes an extension together with a schema.
TAKES_EXTENSIONS = 14


@dataclass(frozen=True)
class DumpScope:
    """The schemas that a backup takes, and how that is said to pg_dump."""

    schemas: list[str]
    arguments: list[str]


def dump_scope(connection: Connection, folder: str) -> DumpScope:
    """What a backup of this database takes; `folder` holds the migrations, which say how a console's tables look."""
    schema = schema_of(connection.engine.url)
    if schema is not None:
        return DumpScope([schema], [f"--schema={quote_name(connection, schema)}", *_extensions(connection)])
    others = _other_consoles(connection, folder)
    schemas = [name for name in connection.scalars(sa.text(SCHEMAS)) if name not in others]
    return DumpScope(schemas, [f"--exclude-schema={quote_name(connection, name)}" for name in sorted(others)])


def _extensions(connection: Connection) -> list[str]:
    version = int((connection.dialect.server_version_info or (0,))[0])
    names = connection.scalars(sa.text(EXTENSIONS)) if version >= TAKES_EXTENSIONS else ()
    return [f"--extension={quote_name(connection, name)}" for name in names]


def _other_consoles(connection: Connection, folder: str) -> set[str]:
    made = {**tables_of_migrations(folder), VERSION_TABLE.name: frozenset({"version_num"})}
    rows = connection.execute(sa.text(COLUMNS), {"tables": [*made]})
    whole = [(row.nspname, row.relname) for row in rows if made[row.relname] <= set(row.columns)]
    count = Counter(schema for schema, _ in whole)
    return {schema for schema in count if count[schema] > CONSOLE_HAS and (schema, VERSION_TABLE.name) in whole}
