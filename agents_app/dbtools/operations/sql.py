"""Statements that our own operations send, to a database or into a script."""

import sqlalchemy as sa
from alembic.operations import Operations


def execute(operations: Operations, statement: str) -> None:
    """Send a statement as it stands: a colon in it begins no parameter."""
    operations.execute(sa.text(statement.strip().replace(":", "\\:")))
