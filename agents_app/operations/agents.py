"""Operations that change one agent, and delete it. `agent_writes.py` writes, `agent_reads.py` reads agents."""

import uuid
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy.orm import Session

from agents_app.db import db
from agents_app.errors import Conflict, InvalidInput, NotFound
from agents_app.models import Agent, AgentVersion
from agents_app.operations import (
    agent_contents,
    agent_rows,
    agent_secrets,
    encryption_keys,
    external_ids,
    idempotency,
    read_only_members,
    restored_agents,
    version_restores,
)
from agents_app.operations import agent_states as states
from agents_app.operations.agent_secrets import Secrets
from agents_app.operations.agent_states import State
from agents_app.operations.agent_writes import Change, Versions, find, write
from agents_app.operations.permissions import Actor
from agents_app.schemas import agents as schema
from agents_app.schemas.change_notes import check_note, check_reason, draft_and_note
from agents_app.values import limits
from agents_app.values.choices import AgentStatus
from agents_app.values.text import to_nfc

NO_SECRETS = Secrets({}, {}, {})
NO_VALUES: Mapping[str, Any] = {}


class Created(NamedTuple):
    """What `create` and `clone` return."""

    agent_id: UUID
    is_new: bool
    agent: Mapping[str, Any] = NO_VALUES
    """The new agent, as it is read. Empty if it is not new."""


def create(actor: Actor, values: Mapping[str, Any], idempotency_key: str | None = None) -> Created:
    """Add an agent.

    With an idempotency key, a repeated call returns the agent of the first and stores nothing. Raises Conflict if that
    agent has been changed or deleted, or has other public content. Raises Forbidden, InvalidInput.
    """
    actor.require("agents.create")
    draft, note = draft_and_note(schema.draft_of_new, values)
    agent_id = idempotency.id_for(actor, idempotency_key) if idempotency_key else uuid.uuid4()
    try:
        with db.transaction() as session:
            keyring = encryption_keys.ensure_keyring(session)
            encrypted = agent_secrets.merge(keyring, actor, agent_id, draft, NO_SECRETS)
            state = states.of_draft(draft, encrypted)
            agent = Agent(id=agent_id)
            write(session, actor, Change("agent.created", agent, state, note))
    except (Conflict, InvalidInput) as failed:
        if idempotency_key is None:
            raise
        idempotency.check_repeated(actor, agent_id, idempotency.was_created_from(draft), failed)
        return Created(agent_id, is_new=False)
    return Created(agent_id, is_new=True, agent=agent_rows.as_created(agent, actor))


def update(
    actor: Actor,
    agent_id: UUID,
    changes: Mapping[str, Any],
    version: Versions | None = None,
    *,
    merges_labels: bool = False,
) -> bool:
    """Merge changes into an agent. Returns whether anything changed and was written.

    `changes` can be the whole agent as it was read (see `read_only_members.py`). Labels are replaced together, or with
    `merges_labels` one by one: then None removes a label, and the others stay.

    Raises Forbidden, NotFound, InvalidInput, and Stale if `version` is given and is not the current one.
    """
    actor.require("agents.update")
    with db.transaction() as session:
        agent = find(session, actor, agent_id, version)
        old = states.of_agent(agent)
        sent = read_only_members.split(session.connection(), actor, agent_id, changes)
        if merges_labels:
            sent = replace(sent, written=_with_all_labels(old, sent.written))
        draft, note = read_only_members.made_of(sent, partial(draft_and_note, partial(states.draft_of_change, old)))
        state = agent_contents.state_after(session, actor, agent_id, draft, old)
        if is_changed := agent_contents.differs(old, state):
            sent.require_current()
            write(session, actor, Change("agent.updated", agent, state, note))
    return is_changed


def restore_version(
    actor: Actor,
    agent_id: UUID,
    number: int,
    values: Mapping[str, Any] = NO_VALUES,
    version: Versions | None = None,
) -> bool:
    """Give the agent the fields and the configuration of its version `number` again, as a new version.

    The status stays. Secrets stay too, but those that the connection type of that version has not are removed. `values`
    can have a note, and secrets as in a change: one whose destination differs must be in it, with a value or None.
    Returns whether anything changed and was written. Raises Forbidden, NotFound, Stale, InvalidInput, and Conflict if
    this release cannot read the version, or another agent has its external id by now.
    """
    actor.require("agents.restore")
    with db.transaction() as session:
        agent = find(session, actor, agent_id, version)
        snapshot, old = version_restores.find_snapshot(session, actor, agent_id, number), states.of_agent(agent)
        draft, note = draft_and_note(partial(version_restores.draft_of, old, snapshot), values)
        state = agent_contents.state_after(session, actor, agent_id, draft, old)
        is_changed = agent_contents.differs(old, state)
        if is_changed:
            change = Change("agent.version_restored", agent, state, note, {"restored_version": number})
            try:
                write(session, actor, change)
            except InvalidInput:
                raise Conflict(external_ids.REUSED_SINCE, code=external_ids.REUSED_CODE) from None
    return is_changed


def clone(
    actor: Actor, agent_id: UUID, idempotency_key: str | None = None, values: Mapping[str, Any] = NO_VALUES
) -> Created:
    """Add an active copy called "Copy of …", with its secrets and without the external id. `values` can have a note.

    With an idempotency key, a repeated call returns the copy of the first. Raises Conflict if that has been changed or
    deleted. Raises Forbidden, NotFound, InvalidInput, Unavailable.
    """
    actor.require("agents.clone")
    note = check_note(values)
    copy_id = idempotency.id_for(actor, idempotency_key) if idempotency_key else uuid.uuid4()
    try:
        with db.transaction() as session:
            copy = Agent(id=copy_id)
            _write_copy(session, actor, find(session, actor, agent_id), copy, note)
    except (Conflict, NotFound) as failed:
        # NotFound: the original may have been deleted after the first request.
        if idempotency_key is None:
            raise
        idempotency.check_repeated(actor, copy_id, idempotency.was_copied_from(agent_id), failed)
        return Created(copy_id, is_new=False)
    return Created(copy_id, is_new=True, agent=agent_rows.as_created(copy, actor))


def enable(
    actor: Actor, agent_id: UUID, version: Versions | None = None, values: Mapping[str, Any] = NO_VALUES
) -> bool:
    """Let runtimes fetch the agent again. `values` can have a note. Returns whether the agent was disabled.

    Raises Forbidden, NotFound, InvalidInput, Stale.
    """
    actor.require("agents.enable")
    note = check_note(values)
    return _set_status(actor, agent_id, version, "agent.enabled", AgentStatus.ACTIVE, note=note) is not None


def disable(actor: Actor, agent_id: UUID, values: Mapping[str, Any], version: Versions | None = None) -> State | None:
    """Stop runtimes from fetching the agent. `values` has the reason, and can have a note.

    Returns the state before, or None if neither status nor reason changed. Raises Forbidden, NotFound,
    InvalidInput, Stale.
    """
    actor.require("agents.disable")
    reason, note = check_reason(values)
    status = AgentStatus.DISABLED
    return _set_status(actor, agent_id, version, AgentVersion.DISABLED, status, reason=reason, note=note)


def delete(
    actor: Actor, agent_id: UUID, version: Versions | None = None, values: Mapping[str, Any] = NO_VALUES
) -> None:
    """Delete the agent. Its history is kept, and its encrypted secrets for DELETED_SECRETS_DAYS.

    `values` can have a note. Raises Forbidden, NotFound, InvalidInput, Stale.
    """
    actor.require("agents.delete")
    note = check_note(values)
    with db.transaction() as session:
        agent = find(session, actor, agent_id, version)
        write(session, actor, Change(AgentVersion.DELETED, agent, states.of_agent(agent), note))
        session.delete(agent)


def restore_deleted(actor: Actor, agent_id: UUID, values: Mapping[str, Any] = NO_VALUES) -> str:
    """Restore a deleted agent as it was, with its secrets if they are still kept. Returns its name.

    `values` can have a note. Raises Forbidden, NotFound (also if it is not deleted), InvalidInput, and Conflict if
    another agent has its external id, or if what was recorded is no longer valid.
    """
    actor.require("agents.restore_deleted")
    note = check_note(values)
    with db.transaction() as session:
        agent = restored_agents.restore(session, actor, agent_id, note)
    return agent.name


def _with_all_labels(old: State, changes: Mapping[str, Any]) -> dict[str, Any]:
    labels = changes.get("labels")
    if not isinstance(labels, Mapping):
        return dict(changes)
    merged = {name: text for name, text in {**old.fields["labels"], **labels}.items() if text is not None}
    return {**changes, "labels": merged}


def _set_status(
    actor: Actor,
    agent_id: UUID,
    version: Versions | None,
    action: str,
    status: AgentStatus,
    *,
    reason: str | None = None,
    note: str | None = None,
) -> State | None:
    with db.transaction() as session:
        agent = find(session, actor, agent_id, version)
        old = states.of_agent(agent)
        if (old.status, to_nfc(old.reason or "")) == (status, reason or ""):
            return None
        write(session, actor, Change(action, agent, replace(old, status=status, reason=reason), note))
    return old


def _write_copy(session: Session, actor: Actor, original: Agent, copy: Agent, note: str | None) -> None:
    keyring, old = encryption_keys.ensure_keyring(session), states.of_agent(original)
    clear = agent_secrets.decrypt(keyring, actor.account_id, original.id, old.secrets.encrypted)
    name = f"Copy of {old.fields['name']}"[: limits.NAME].rstrip()
    config = agent_secrets.shown_config(original.connection_type, old.config)
    fields = {**old.fields, "name": name, "external_id": None}
    draft = schema.Draft(fields, config, dict(clear), old.expires_on)
    encrypted = agent_secrets.merge(keyring, actor, copy.id, draft, NO_SECRETS, is_typed=False)
    details = {"cloned_from": str(original.id)}
    write(session, actor, Change("agent.cloned", copy, states.of_draft(draft, encrypted), note, details))
