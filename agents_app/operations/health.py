"""Whether the running console's database is where its code needs it. For every door, and for nobody in particular."""

from agents_app.db import db
from agents_app.dbtools import SchemaState, schema_state


def schema() -> SchemaState:
    """Where the schema is. Raises Unavailable when the database cannot be asked."""
    with db.reading() as connection:
        return schema_state(connection)
