"""Operations that check the database of the running console. They change nothing: `flask db` does."""

from agents_app import dbtools
from agents_app.db import db
from agents_app.dbtools import Position, read_position, require_utf8


def schema() -> Position:
    """The position of the schema among the migrations.

    Raises Unavailable, also if the table of revisions belongs to another program or the encoding is not UTF-8.
    """
    with db.reading() as connection:
        require_utf8(connection)
        return read_position(connection)


def require_changes() -> None:
    """Raise Unavailable if the database refuses changes: it is a standby, or its sessions are read-only."""
    with db.reading() as connection:
        dbtools.require_writable(connection)
