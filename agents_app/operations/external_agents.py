"""Operations on an agent by its external id, for programs that keep no ids of this console."""

from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from typing import Any, NamedTuple
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from agents_app.db import db
from agents_app.errors import Conflict, Stale
from agents_app.models import Agent
from agents_app.operations import agent_contents, agents, external_ids, read_only_members
from agents_app.operations import agent_states as states
from agents_app.operations.agent_states import State
from agents_app.operations.agent_writes import Change, Versions, check_version, write
from agents_app.operations.external_ids import ExternalIdTaken
from agents_app.operations.permissions import Actor
from agents_app.schemas import agents as schema
from agents_app.schemas.change_notes import draft_and_note

# So often another request may create or delete the agent between two statements of this one.
TRIES = 5
NOTHING_TO_MATCH = f"{external_ids.NO_AGENT} If-Match asks for one. To create it, send the request without If-Match."
EXISTS = (
    "There is an agent with this external ID already, and If-None-Match: * only creates. To change the agent, send "
    + "the request without If-None-Match."
)
EXISTS_CODE = "already_exists"
OVERTAKEN = (
    "Others created and deleted the agent with this external ID again and again. Nothing was changed. "
    + "Send the request again."
)


class Put(NamedTuple):
    """What `put` did with an agent."""

    agent_id: UUID
    is_new: bool
    is_changed: bool
    agent: Mapping[str, Any] = agents.NO_VALUES
    """The new agent, as it is read. Empty if it is not new."""


def put(
    actor: Actor,
    external_id: str,
    values: Mapping[str, Any],
    version: Versions | None = None,
    *,
    must_exist: bool = False,
    must_be_new: bool = False,
) -> Put:
    """Create the agent with this external id, or make it as the values say.

    A field that is absent has its default, as in a new agent, but a secret that is absent or blank is kept. The status
    stays. Equal values make no new version. The values of an agent that exists can be the whole agent as it was read
    (see `read_only_members.py`). Raises Forbidden, InvalidInput, and Stale if the agent has another version than
    `version`, or is there although it must be new, or is not although it must exist.
    """
    actor.require("agents.create")
    actor.require("agents.update")
    values = external_ids.values_with(external_id, values)
    for _ in range(TRIES):
        if (changed := _change(actor, values, version, must_be_new=must_be_new)) is not None:
            return changed
        if must_exist or version is not None:
            raise Stale(NOTHING_TO_MATCH)
        # Another request may have created it in the meantime.
        with suppress(ExternalIdTaken):
            made = agents.create(actor, values)
            return Put(made.agent_id, is_new=True, is_changed=True, agent=made.agent)
    raise Conflict(OVERTAKEN)


def id_of(actor: Actor, external_id: str) -> UUID:
    """The id of the agent with this external id. Raises Forbidden, NotFound."""
    actor.require("agents.read")
    with db.reading() as connection:
        return external_ids.find(connection, actor, external_id)


def _change(actor: Actor, values: Mapping[str, Any], version: Versions | None, *, must_be_new: bool) -> Put | None:
    """Change the stored agent. None if it does not exist."""
    with db.transaction() as session:
        agent = _find(session, actor, values[external_ids.NAME])
        if agent is None:
            return None
        if must_be_new:
            raise Stale(EXISTS, code=EXISTS_CODE)
        check_version(agent, version)
        old = states.of_agent(agent)
        sent = read_only_members.split(session.connection(), actor, agent.id, values)
        draft, note = read_only_members.made_of(sent, partial(draft_and_note, partial(_draft_of_whole, old)))
        agent_contents.drop_repeated(session, actor, agent.id, draft, old.secrets)
        state = agent_contents.state_after(session, actor, agent.id, draft, old)
        is_changed = agent_contents.differs(old, state)
        if is_changed:
            sent.require_current()
            write(session, actor, Change("agent.updated", agent, state, note))
        return Put(agent.id, is_new=False, is_changed=is_changed)


def _find(session: Session, actor: Actor, external_id: str) -> Agent | None:
    query = sa.select(Agent).where(Agent.account_id == actor.account_id, Agent.external_id == external_id)
    return session.scalars(query.with_for_update()).one_or_none()


def _draft_of_whole(old: State, values: Mapping[str, Any]) -> schema.Draft:
    """The draft of a stored agent that has nothing but these values and its secrets."""
    return states.draft_of_change(old, states.with_defaults(values, schema.type_of(values)))
