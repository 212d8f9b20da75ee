"""Helpers that make the draft of an agent from a version that is restored. `agents.py` writes it."""

from collections.abc import Iterator, Mapping
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from agents_app.errors import InvalidInput, NotFound
from agents_app.models import AgentVersion
from agents_app.operations import agent_secrets, snapshots
from agents_app.operations.agent_states import State
from agents_app.operations.permissions import Actor
from agents_app.schemas import agents as schema
from agents_app.schemas import misplaced_members
from agents_app.schemas.versions import VERSION_MAX

NO_VERSION = "There is no such version of an agent with this id."
NAMES = {*schema.AgentValues.model_fields, *misplaced_members.NOT_SET_HERE, schema.NOTE}
ONLY_SECRETS = "Send only secrets that this version has: {secrets}. Change other members after the restore."


def find_snapshot(session: Session, actor: Actor, agent_id: UUID, number: int) -> Any:
    """What this version of the agent recorded. Raises NotFound."""
    query = sa.select(AgentVersion.snapshot).where(
        AgentVersion.agent_id == agent_id, AgentVersion.account_id == actor.account_id, AgentVersion.version == number
    )
    found = session.execute(query).one_or_none() if 0 < number <= VERSION_MAX else None
    if found is None:
        raise NotFound(NO_VERSION)
    return found.snapshot


def draft_of(old: State, snapshot: Any, sent: Mapping[str, Any]) -> schema.Draft:
    """The draft of the agent with the recorded fields and configuration, and with the secrets that are sent.

    Raises Conflict if the version cannot be read. Raises InvalidInput for what is sent and is no secret of the recorded
    connection type, and where a secret of the agent would be used for another destination.
    """
    recorded = snapshots.draft_of_change({**old.fields, schema.CONFIG: old.config}, snapshot)
    problems = list(_no_secrets(recorded, sent))
    current = {**recorded.fields, schema.CONFIG: recorded.config}
    try:
        draft = schema.draft_of_changed(current, _only_secrets(recorded, sent))
        stored = old.secrets.encrypted
        agent_secrets.check_destination(draft, old.fields, old.config, stored, agent_secrets.RESTORED)
    except InvalidInput as refusal:
        raise InvalidInput([*problems, *refusal.fields]) from None
    if problems:
        raise InvalidInput(problems)
    return draft


def _no_secrets(recorded: schema.Draft, sent: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """What is sent and is no secret. A name that no agent has is not repeated, because it may be a secret."""
    known = schema.secret_pointers(recorded.connection_type)
    sentence = ONLY_SECRETS.format(secrets=", ".join(pointer[1:].replace("/", ".") for pointer in known))
    config = sent.get(schema.CONFIG)
    pointers = [f"/{name}" if name in NAMES else "" for name in sent if name not in ("api_key", schema.CONFIG)]
    for name in config if isinstance(config, Mapping) else ():
        if f"/{schema.CONFIG}/{name}" not in known:
            pointers.append(f"/{schema.CONFIG}/{name}" if misplaced_members.is_nameable(name) else f"/{schema.CONFIG}")
    yield from ((pointer, sentence) for pointer in dict.fromkeys(pointers))


def _only_secrets(recorded: schema.Draft, sent: Mapping[str, Any]) -> dict[str, Any]:
    known = schema.secret_pointers(recorded.connection_type)
    rest = {name: value for name, value in sent.items() if name in ("api_key", schema.CONFIG)}
    config = rest.get(schema.CONFIG)
    if isinstance(config, Mapping):
        rest[schema.CONFIG] = {name: one for name, one in config.items() if f"/{schema.CONFIG}/{name}" in known}
    return rest
