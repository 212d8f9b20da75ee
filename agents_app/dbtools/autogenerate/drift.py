"""Compares a database with the models without Alembic's command line, so that any thread may do it."""

import sqlalchemy as sa
from alembic.autogenerate import produce_migrations
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy.engine import Connection

from agents_app.dbtools.autogenerate.causes import Causes
from agents_app.dbtools.autogenerate.differences import difference_lines
from agents_app.dbtools.autogenerate.names import SHORTEN, long_names
from agents_app.dbtools.autogenerate.order import in_sure_order
from agents_app.dbtools.autogenerate.settings import comparison_settings, ignoring_reflection_warnings


def find_drift(connection: Connection, metadata: sa.MetaData, folder: str) -> tuple[str, ...]:
    """The differences between models and database, one line each.

    `folder` holds the migrations, which show which tables are the console's.
    """
    if what := long_names(metadata):
        # They cannot be compared.
        return (f"{what} {SHORTEN}",)
    settings = comparison_settings(metadata, folder, connection.dialect.name)
    context = MigrationContext.configure(connection, opts={"target_metadata": metadata, **settings})
    with ignoring_reflection_warnings():
        upgrade = produce_migrations(context, metadata).upgrade_ops
    causes = Causes(ScriptDirectory(folder), metadata, connection.dialect)
    return tuple(difference_lines(in_sure_order(upgrade.ops), causes)) if upgrade else ()
