"""The migration fill_agent_version_doors: the door of a version of an earlier release is that of its event."""

import sqlalchemy as sa
from alembic import command

from agents_app.db import db
from agents_app.models import Event
from agents_app.operations import agents
from tests.conftest import OpenConsole
from tests.dbtools.tools import console_config, fetch_rows, revision_before, run_sql
from tests.make import make_agent, make_user

STEP = "fill_agent_version_doors"
DOORS = "SELECT version, door FROM agent_versions ORDER BY version"


def test_a_version_gets_the_door_of_its_own_event_and_else_none(schema_url: str, open_console: OpenConsole) -> None:
    app = open_console(schema_url)
    admin = make_user(app)
    agent_id = make_agent(app, admin)
    with app.app_context():
        for name in ("Orders", "Returns", "Stock", "Sales"):
            agents.update(admin, agent_id, {"name": name})
        agents.disable(admin, agent_id, {"reason": "Moving."})
        # Of these versions nothing is known: the event is removed, is of another account, or says something else.
        of_version = Event.details["version"].as_integer()
        with db.transaction() as session:
            session.execute(sa.delete(Event).where(of_version == 1))
            session.execute(sa.update(Event).where(of_version == 2).values(account_id=None))
            session.execute(sa.update(Event).where(of_version == 3).values(details=7))
    config = console_config(schema_url)
    command.downgrade(config, revision_before(STEP))
    run_sql(schema_url, "UPDATE agent_versions SET door = NULL WHERE version <> 5")
    run_sql(schema_url, "UPDATE agent_versions SET door = 'token' WHERE version = 5")

    command.upgrade(config, "+1")

    assert fetch_rows(schema_url, DOORS) == [(1, None), (2, None), (3, None), (4, "page"), (5, "token"), (6, "page")]
    command.downgrade(config, "-1")
    command.upgrade(config, "+1")
    assert len(fetch_rows(schema_url, DOORS)) == 6
