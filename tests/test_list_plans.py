"""Each list finds its agents, versions and events by an index that was made for it, on a small database.

`make bench-growth` shows the same for a million agents. PostgreSQL would read small tables as a whole, so it may not.
"""

from collections.abc import Mapping

import pytest
from flask import Flask

from agents_app.db import db
from agents_app.schemas.listing import Sort
from benchmarks.growth import questions, rows, run

AGENTS = 2_000
COLUMNS = {"updated_at": "updated_at, id", "created_at": "created_at, id", "name": "name_key, id"}
# The index of each question, as the table of plans names it.
ANYWHERE = {
    **{
        f"list by {sort}, {place}": f"agents ({COLUMNS[sort.removeprefix('-')]})"
        for sort in Sort
        for place in ("first page", "in the middle")
    },
    **{f"page of agents by {sort}, last": f"agents ({COLUMNS[sort.removeprefix('-')]})" for sort in Sort},
    "list: external_id, by name": "agents (external_id)",
    "list, no match: updated_since, by name": "agents (updated_at, id)",
    "Activity: all": "events (created_at, id)",
    "Activity: about agents": "events (created_at, id)",
    "Activity: about tokens": "events (action)",
    "Activity: record": "events (target_id, created_at, id)",
    "Activity, no match: about": "events (action)",
    "Activity, no match: door": "events (door, created_at, id)",
    "Activity, no match: record": "events (target_id, created_at, id)",
    "Activity, no match: days": "events (created_at, id)",
    "deleted agents, JSON": "agent_versions (deleted)",
}
# SQLite has no statistics, and reads the agents in their order until the page is full.
ON_POSTGRESQL = {
    "list: status, by name": "agents (status)",
    "list: owner, by name": "agents (owner)",
    "list: test failed, by name": "connection_tests (outcome)",
    "list, no match: environment, by name": "agents (environment)",
    "list, no match: model_provider, by name": "agents (model_provider)",
    "list, no match: model_type, by name": "agents (model_type)",
    "list, no match: created_by, by name": "agents (created_by)",
    "list, no match: owner and model, each in use, by name": "agents (owner)",
    "Activity, no match: person": "events (user_id)",
}


@pytest.fixture(scope="module")
def asked(console_of_module: Flask) -> Mapping[str, questions.Question]:
    """What can be asked of a filled database, by name."""
    filled = rows.fill(console_of_module, AGENTS)
    return {one.name: one for one in questions.questions(questions.Asker(console_of_module, filled))}


def plan_of(app: Flask, question: questions.Question) -> str:
    """The indexes that this question uses."""
    with app.app_context():
        is_postgresql = db.engine.name == "postgresql"
    return run.answer(app, question, "SET enable_seqscan = off" if is_postgresql else "").plan


@pytest.mark.parametrize("name", ANYWHERE)
def test_a_list_uses_its_index(name: str, asked: Mapping[str, questions.Question], console_of_module: Flask) -> None:
    assert ANYWHERE[name] in plan_of(console_of_module, asked[name])


@pytest.mark.parametrize("name", ON_POSTGRESQL)
def test_a_filter_that_few_agents_match_uses_its_index_on_postgresql(
    name: str, asked: Mapping[str, questions.Question], console_of_module: Flask
) -> None:
    with console_of_module.app_context():
        if db.engine.name != "postgresql":
            return

    assert ON_POSTGRESQL[name] in plan_of(console_of_module, asked[name])


def test_sqlite_finds_the_records_of_events_by_their_ids(
    asked: Mapping[str, questions.Question], console_of_module: Flask
) -> None:
    """Without this, each page of Activity would read every agent of the account."""
    with console_of_module.app_context():
        if db.engine.name != "sqlite":
            return

    assert plan_of(console_of_module, asked["Activity: all"]) == "events (created_at, id)"
