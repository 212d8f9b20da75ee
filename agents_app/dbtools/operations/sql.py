"""How the operations of this project send SQL to a database or write it to a script."""

import sqlalchemy as sa
from alembic.operations import Operations


def execute(operations: Operations, statement: str) -> None:
    """Send a statement unchanged: a colon in it does not start a parameter."""
    operations.execute(sa.text(statement.strip().replace(":", "\\:")))
