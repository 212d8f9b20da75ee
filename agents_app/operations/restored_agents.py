"""Helpers that restore a deleted agent. `agents.py` restores one, `bulk_agents.py` those of a bulk act."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from agents_app.errors import Conflict, InvalidInput, NotFound
from agents_app.models import Agent, AgentVersion, User
from agents_app.operations import agent_states as states
from agents_app.operations import deleted_tests, external_ids, snapshots
from agents_app.operations.agent_writes import Change, write
from agents_app.operations.permissions import Actor

NO_DELETED_AGENT = "There is no deleted agent with this id."


def restore(
    session: Session,
    actor: Actor,
    agent_id: UUID,
    note: str | None = None,
    details: Mapping[str, Any] | None = None,
) -> Agent:
    """Restore a deleted agent as it was, with its last test, and its secrets if they are still kept.

    `details` are for its event.

    Raises NotFound, and Conflict if it exists already, if another agent has its external id, or if what was recorded is
    no longer valid.
    """
    last = _find_deletion(session, actor, agent_id)
    then = snapshots.status_and_origin(last.snapshot)
    creator = session.scalar(sa.select(User.id).where(User.id == then.created_by, User.account_id == actor.account_id))
    made_at = then.created_at or last.created_at
    agent = Agent(id=agent_id, version=last.version, created_by=creator, created_at=made_at)
    state = states.of_version(last)
    try:
        write(session, actor, Change("agent.restored", agent, state, note, details or {}))
    except InvalidInput:
        raise Conflict(external_ids.REUSED, code=external_ids.REUSED_CODE) from None
    deleted_tests.restore(session, agent, last, state.secrets.encrypted)
    query = sa.update(AgentVersion).where(AgentVersion.agent_id == agent_id, AgentVersion.version == last.version)
    session.execute(query.values(kept_secrets=sa.null()).execution_options(synchronize_session=False))
    return agent


def _find_deletion(session: Session, actor: Actor, agent_id: UUID) -> AgentVersion:
    versions = sa.select(AgentVersion).where(
        AgentVersion.agent_id == agent_id, AgentVersion.account_id == actor.account_id
    )
    last = session.scalars(versions.order_by(AgentVersion.version.desc()).limit(1).with_for_update()).one_or_none()
    if last is None or last.action != AgentVersion.DELETED:
        raise NotFound(NO_DELETED_AGENT)
    return last
