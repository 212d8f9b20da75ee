"""Helpers that keep the last test of a deleted agent in the version that deletes it, and restore it with the agent."""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from agents_app.models import Agent, AgentVersion, ConnectionTest, User
from agents_app.operations.version_contents import set_secrets
from agents_app.probes.results import Outcome

LAST_TEST = "last_test"
KEPT = ("version", "valid_for_version", "actor_name", "outcome", "cause", "result", "is_sample")


def last_tests(session: Session, agent_ids: Collection[UUID]) -> dict[UUID, dict[str, Any]]:
    """What the versions that delete these agents record of their last tests, by agent. A result has no secret."""
    if not agent_ids:
        return {}
    found = session.scalars(sa.select(ConnectionTest).where(ConnectionTest.agent_id.in_(agent_ids)))
    return {test.agent_id: {LAST_TEST: _recorded(test)} for test in found}


def restore(session: Session, agent: Agent, deleted: AgentVersion, secrets: Collection[str]) -> None:
    """Restore the last test of an agent that was just restored from this version, with these secrets.

    It is out of date if it was so before, or if the agent lacks one of its secrets now. What only another release
    can read is left out.
    """
    recorded = deleted.changes.get(LAST_TEST) if isinstance(deleted.changes, dict) else None
    if not isinstance(recorded, Mapping) or recorded.get("outcome") not in list(Outcome):
        return
    try:
        values = {name: recorded[name] for name in KEPT}
        tested_at, tested_by = datetime.fromisoformat(recorded["tested_at"]), UUID(recorded["user_id"] or "0" * 32)
    except (KeyError, TypeError, ValueError):
        return
    if sorted(secrets) == set_secrets(deleted.snapshot) and values["valid_for_version"] == deleted.version - 1:
        values["valid_for_version"] = agent.version
    person = session.scalar(sa.select(User.id).where(User.id == tested_by, User.account_id == agent.account_id))
    keys = {"agent_id": agent.id, "account_id": agent.account_id}
    session.add(ConnectionTest(**keys, **values, tested_at=tested_at, user_id=person))


def _recorded(test: ConnectionTest) -> dict[str, Any]:
    by = str(test.user_id) if test.user_id else None
    return {name: getattr(test, name) for name in KEPT} | {"tested_at": test.tested_at.isoformat(), "user_id": by}
