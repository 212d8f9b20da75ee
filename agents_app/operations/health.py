"""Operations that check the database of the running console. They change nothing: `flask db` does."""

from agents_app import dbtools
from agents_app.db import db
from agents_app.dbtools import Position, read_position, require_utf8


def schema() -> Position:
    """Where the schema is: for every door, and for nobody in particular.

    Raises Unavailable, also where the table of revisions is another program's or the encoding is not UTF-8.
    """
    with db.reading() as connection:
        require_utf8(connection)
        return read_position(connection)


def require_changes() -> None:
    """Raise Unavailable where the database takes no changes: it is a standby, or its sessions are read only."""
    with db.reading() as connection:
        dbtools.require_writable(connection)
