"""Indexes for texts that contain a word: which names they have, and what a database needs for them.

PostgreSQL has them in its extension pg_trgm. On SQLite such an index is a table of FTS5 with the trigrams, a table that
gives each row a number that VACUUM does not change, and three triggers. Nobody may write to these tables.
"""

import re
from collections.abc import Iterator

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.exc import DBAPIError

from agents_app.database.quoting import quote_if_needed
from agents_app.dbtools.database import postgresql

# The names of these indexes begin so. The models do not have them, because a database can be without.
PREFIX = "tx_"
EXTENSION = "pg_trgm"
OPERATOR_CLASS = """
SELECT quote_ident(nspname) || '.gin_trgm_ops' FROM pg_extension JOIN pg_namespace ON pg_namespace.oid = extnamespace
WHERE extname = 'pg_trgm'
"""
UNUSABLE_SCHEMA = """
SELECT nspname FROM pg_extension JOIN pg_namespace ON pg_namespace.oid = extnamespace
WHERE extname = 'pg_trgm' AND NOT has_schema_privilege(pg_namespace.oid, 'USAGE')
"""
IS_AVAILABLE = "SELECT 1 FROM pg_available_extensions WHERE name = 'pg_trgm'"
NOT_AVAILABLE = f"the server does not have the extension {EXTENSION}"
FORBIDDEN = f"this role may not create the extension {EXTENSION}"
UNUSABLE = f"this role may not use the schema {{schema}} of the extension {EXTENSION}"
NO_FTS5 = "this SQLite was built without FTS5"
HAS_FTS5 = "SELECT 1 FROM pragma_module_list WHERE name = 'fts5'"
# The texts are folded before they are stored, so their letters are compared as they are.
SQLITE = """
CREATE TABLE {name}_rows (number INTEGER PRIMARY KEY, id CHAR(32) NOT NULL UNIQUE);
CREATE VIRTUAL TABLE {name} USING fts5(text, content='', detail=none, tokenize='trigram case_sensitive 1');
INSERT INTO {name}_rows (id) SELECT id FROM {table} ORDER BY rowid;
INSERT INTO {name} (rowid, text) SELECT number, {column} FROM {table} JOIN {name}_rows USING (id) ORDER BY number;
CREATE TRIGGER {name}_insert AFTER INSERT ON {table} BEGIN
    INSERT INTO {name}_rows (id) VALUES (new.id);
    INSERT INTO {name} (rowid, text) SELECT number, new.{column} FROM {name}_rows WHERE id = new.id;
END;
CREATE TRIGGER {name}_delete AFTER DELETE ON {table} BEGIN
    INSERT INTO {name} ({name}, rowid, text) SELECT 'delete', number, old.{column} FROM {name}_rows WHERE id = old.id;
    DELETE FROM {name}_rows WHERE id = old.id;
END;
CREATE TRIGGER {name}_update AFTER UPDATE OF id, {column} ON {table}
WHEN (old.id, old.{column}) IS NOT (new.id, new.{column}) BEGIN
    INSERT INTO {name} ({name}, rowid, text) SELECT 'delete', number, old.{column} FROM {name}_rows WHERE id = old.id;
    UPDATE {name}_rows SET id = new.id WHERE id = old.id;
    INSERT INTO {name} (rowid, text) SELECT number, new.{column} FROM {name}_rows WHERE id = new.id;
END
"""
SQLITE_DROP = (
    "DROP TRIGGER IF EXISTS {name}_update",
    "DROP TRIGGER IF EXISTS {name}_delete",
    "DROP TRIGGER IF EXISTS {name}_insert",
    "DROP TABLE IF EXISTS {name}",
    "DROP TABLE IF EXISTS {name}_rows",
)


def is_search_index(name: str | None) -> bool:
    """Whether an index with this name is one of these."""
    return str(name).startswith(PREFIX)


def operator_class(connection: Connection) -> str | None:
    """The operator class of PostgreSQL's trigrams, with its schema. None if the database has no such extension."""
    found: str | None = connection.scalar(sa.text(OPERATOR_CLASS))
    return found


def unusable_schema(connection: Connection) -> str | None:
    """The schema of PostgreSQL's trigrams, if this role may not use it. Otherwise None."""
    found: str | None = connection.scalar(sa.text(UNUSABLE_SCHEMA))
    return found


def missing_feature(connection: Connection) -> str | None:
    """What this database lacks for such an index, as a part of a sentence. None if it lacks nothing.

    On PostgreSQL the extension is created if the role may do that. Raises SQLAlchemy's errors if the connection is lost
    or a lock is held too long.
    """
    if connection.dialect.name != "postgresql":
        return None if connection.scalar(sa.text(HAS_FTS5)) else NO_FTS5
    if operator_class(connection) is not None:
        schema = unusable_schema(connection)
        return None if schema is None else UNUSABLE.format(schema=schema)
    if not connection.scalar(sa.text(IS_AVAILABLE)):
        return NOT_AVAILABLE
    try:
        with connection.begin_nested():
            connection.exec_driver_sql(f"CREATE EXTENSION IF NOT EXISTS {EXTENSION}")
    except DBAPIError as error:
        # A managed server refuses with a code of its own.
        if error.connection_invalidated or postgresql.is_lock_timeout(error):
            raise
        return FORBIDDEN
    return None


def sqlite_statements(name: str, table: str, column: str) -> Iterator[str]:
    """The statements that create an index on SQLite and fill it."""
    parts = {"name": quote_if_needed(name), "table": quote_if_needed(table), "column": quote_if_needed(column)}
    # Within a trigger a line begins with spaces.
    return iter(re.split(r";\n(?=[A-Z](?!ND))", SQLITE.format(**parts)))


def sqlite_drop_statements(name: str) -> Iterator[str]:
    """The statements that remove an index on SQLite, also an incomplete one."""
    return (statement.format(name=quote_if_needed(name)) for statement in SQLITE_DROP)
