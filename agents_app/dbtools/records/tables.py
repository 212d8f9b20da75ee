"""The tables of the records, and whether a database has them. Their models are in `models/deployment.py`."""

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from agents_app.db import Json, UtcDateTime

DONE, FAILED, INTERRUPTED = "done", "failed", "interrupted"

DEPLOYMENTS = sa.table(
    "deployments",
    sa.column("id", sa.Uuid()),
    sa.column("command", sa.Text()),
    sa.column("release", sa.Text()),
    sa.column("os_user", sa.Text()),
    sa.column("host", sa.Text()),
    sa.column("process_id", sa.Integer()),
    sa.column("role", sa.Text()),
    sa.column("from_revision", sa.Text()),
    sa.column("to_revision", sa.Text()),
    sa.column("started_at", UtcDateTime()),
    sa.column("ended_at", UtcDateTime()),
    sa.column("outcome", sa.Text()),
    sa.column("backup", sa.Text()),
    sa.column("saved_files", Json),
    sa.column("dangers", Json),
    sa.column("limits", Json),
)
DEPLOYMENT_STEPS = sa.table(
    "deployment_steps",
    sa.column("deployment_id", sa.Uuid()),
    sa.column("position", sa.Integer()),
    sa.column("revision", sa.Text()),
    sa.column("name", sa.Text()),
    sa.column("direction", sa.Text()),
    sa.column("seconds", sa.Double()),
    sa.column("filled_rows", sa.BigInteger()),
    sa.column("updated_rows", sa.BigInteger()),
    sa.column("reason", sa.Text()),
    sa.column("error", sa.Text()),
)
APPLIED_STEPS = sa.table(
    "applied_steps",
    sa.column("id", sa.Uuid()),
    sa.column("revision", sa.Text()),
    sa.column("checksum", sa.Text()),
    sa.column("applied_at", UtcDateTime()),
    sa.column("is_refilled", sa.Boolean()),
)
TABLES = (DEPLOYMENTS, DEPLOYMENT_STEPS, APPLIED_STEPS)
NEEDED = {(table.name, column.name) for table in TABLES for column in table.columns}

POSTGRESQL = """
SELECT relname, attname FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid
WHERE relnamespace = to_regnamespace(quote_ident(current_schema())) AND relkind IN ('r', 'p')
AND relname IN ('deployments', 'deployment_steps', 'applied_steps') AND attnum > 0 AND NOT attisdropped
AND has_table_privilege(pg_class.oid, 'SELECT')
"""
SQLITE = """
SELECT tables.name, columns.name FROM sqlite_master AS tables, pragma_table_xinfo(tables.name) AS columns
WHERE tables.type = 'table' AND tables.name IN ('deployments', 'deployment_steps', 'applied_steps')
"""


def has_records(connection: Connection) -> bool:
    """Whether the database has the tables of this release, and this role may read them. Sends one query.

    Tables of another program with these names have other columns.
    """
    is_postgresql = connection.dialect.name == "postgresql"
    found = {tuple(row) for row in connection.execute(sa.text(POSTGRESQL if is_postgresql else SQLITE))}
    return found >= NEEDED
