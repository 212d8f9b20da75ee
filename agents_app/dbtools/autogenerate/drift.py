"""Whether a database is what the models say, without Alembic's command line: any thread may ask."""

import sqlalchemy as sa
from alembic.autogenerate import produce_migrations
from alembic.runtime.migration import MigrationContext
from sqlalchemy.engine import Connection

from agents_app.dbtools.autogenerate import settings as autogenerate
from agents_app.dbtools.autogenerate.differences import in_words


def drift(connection: Connection, metadata: sa.MetaData, folder: str) -> tuple[str, ...]:
    """What models and database differ in, a line each; `folder` holds the migrations, which say what is ours."""
    settings = autogenerate.comparison_settings(metadata, folder, connection.dialect.name)
    context = MigrationContext.configure(connection, opts={"target_metadata": metadata, **settings})
    with autogenerate.ignoring_reflection_warnings():
        upgrade = produce_migrations(context, metadata).upgrade_ops
    return tuple(in_words(upgrade.ops)) if upgrade else ()
