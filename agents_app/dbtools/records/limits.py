"""The limits with which a run worked, as they are kept with it."""

from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from agents_app.database.migration_limits import Limits

# In milliseconds, whether a setting, an option or the URL of the database has set it.
IN_EFFECT = sa.text("SELECT name, setting FROM pg_settings WHERE name IN ('statement_timeout', 'lock_timeout')")


def limits_as_data(connection: Connection, limits: Limits) -> dict[str, Any]:
    """The limits by the words of their options, times in seconds. SQLite has two of them only."""
    if connection.dialect.name != "postgresql":
        return {"lock_timeout": limits.table_timeout, "batch_size": limits.batch}
    times = {row.name: int(row.setting) / 1000 for row in connection.execute(IN_EFFECT)}
    return {**times, "tries": limits.attempts, "batch_size": limits.batch}
