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
from agents_app.schemas.versions import VERSION_MAX
from agents_app.values.fields import escape_pointer

NO_VERSION = "There is no such version of an agent with this id."
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
    wrong = {pointer for pointer, _ in problems}
    try:
        draft = schema.draft_of_changed(current, _without(sent, wrong))
        agent_secrets.check_destination(draft, old.fields, old.config, old.secrets.encrypted)
    except InvalidInput as refusal:
        raise InvalidInput([*problems, *refusal.fields]) from None
    if problems:
        raise InvalidInput(problems)
    return draft


def _no_secrets(recorded: schema.Draft, sent: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    known = schema.secret_pointers(recorded.connection_type)
    sentence = ONLY_SECRETS.format(secrets=", ".join(pointer[1:].replace("/", ".") for pointer in known))
    for name in sent:
        if name == schema.CONFIG and isinstance(sent[name], Mapping):
            pointers = [f"/{schema.CONFIG}/{escape_pointer(member)}" for member in sent[name]]
            yield from ((pointer, sentence) for pointer in pointers if pointer not in known)
        elif name not in ("api_key", schema.CONFIG):
            yield f"/{escape_pointer(name)}", sentence


def _without(sent: Mapping[str, Any], wrong: set[str]) -> dict[str, Any]:
    rest = {name: value for name, value in sent.items() if f"/{escape_pointer(name)}" not in wrong}
    config = rest.get(schema.CONFIG)
    if isinstance(config, Mapping):
        prefix = f"/{schema.CONFIG}/"
        rest[schema.CONFIG] = {name: one for name, one in config.items() if prefix + escape_pointer(name) not in wrong}
    return rest
