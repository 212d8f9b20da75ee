"""Operations for the page System: the state of the database schema, and the settings. They change nothing."""

from dataclasses import dataclass

from agents_app import dbtools
from agents_app.config import settings
from agents_app.config_display import ShownSetting, shown_settings
from agents_app.db import db
from agents_app.operations.permissions import Actor


@dataclass(frozen=True)
class SystemOverview:
    """The schema and the settings of this server."""

    schema: "dbtools.Overview"
    settings: tuple[ShownSetting, ...]


def overview(actor: Actor) -> SystemOverview:
    """The schema and the settings, which are the same for every account. Raises Forbidden and Unavailable.

    Neither holds a secret. The numbers of rows in it count those of all accounts: do not show them.
    """
    actor.require("system.read")
    with db.reading() as connection:
        schema = dbtools.read_overview(connection, settings().backup_folder)
    return SystemOverview(schema, shown_settings(settings()))
