"""The step that reads from the events of earlier releases who has fetched which version."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import sqlalchemy as sa
from alembic import command

from agents_app.db import db, now
from agents_app.models import ApiToken, Event, RuntimeRead
from agents_app.operations import readers
from tests.conftest import OpenConsole
from tests.dbtools.tools import console_config
from tests.make import make_agent, make_token, make_user

TABLE = "b6d2f09e4c17"
# More than the step reads at once.
MANY = 5_100


def test_readers_are_filled_from_the_events_of_agents_and_tokens_that_are_there(
    schema_url: str, open_console: OpenConsole
) -> None:
    app = open_console(schema_url)
    admin, other = make_user(app), make_user(app)
    agent_id, foreign = make_agent(app, admin), make_agent(app, other)
    make_token(app, admin, "runtime")
    first, moment = now() - timedelta(days=1), now()

    def event(number: int, version: Any, **changed: Any) -> dict[str, Any]:
        at = first + timedelta(seconds=number)
        known = {"id": uuid4(), "account_id": admin.account_id, "created_at": at, "action": "agent.fetched"}
        known |= {"door": "token", "actor_name": "token ci", "token_id": token_id, "target_kind": "agent"}
        return known | {"target_id": agent_id, "details": {"version": version}} | changed

    with app.app_context():
        with db.reading() as connection:
            token_id = connection.scalar(sa.select(ApiToken.id).where(ApiToken.account_id == admin.account_id))
        odd = [event(0, version) for version in (None, "7", True, 2**40, [3])]
        odd += [event(0, 1, token_id=uuid4()), event(0, 1, target_id=uuid4()), event(0, 1, target_id=foreign)]
        odd += [event(0, 9, action="agent.updated"), event(0, 9, token_id=None)]
        with db.transaction() as session:
            session.execute(sa.insert(Event), [*odd, *(event(number, 1 + number // 5_000) for number in range(MANY))])
    config = console_config(schema_url)

    command.downgrade(config, TABLE)
    command.upgrade(config, "head")
    command.downgrade(config, TABLE)
    # A second run, and one after a fetch by the new release, change nothing.
    command.upgrade(config, "head")

    with app.app_context():
        (found,) = readers.who_runs(admin, agent_id)
        with db.reading() as connection:
            rows = connection.scalar(sa.select(sa.func.count()).select_from(RuntimeRead))
    assert rows == 1
    assert (found["version"], found["fetches_at_least"], found["token_id"]) == (2, MANY, token_id)
    assert found["first_fetched_at"] == first
    assert found["last_fetched_at"] == found["last_seen_at"] == first + timedelta(seconds=MANY - 1) < moment
