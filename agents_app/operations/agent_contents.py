"""Helpers that make the state of a stored agent after a change of its content. They write no agent."""

from contextlib import suppress
from dataclasses import replace
from uuid import UUID

from sqlalchemy.orm import Session

from agents_app.encryption import CannotDecrypt
from agents_app.operations import agent_secrets, encryption_keys
from agents_app.operations import agent_states as states
from agents_app.operations.agent_secrets import Secrets
from agents_app.operations.agent_states import State
from agents_app.operations.permissions import Actor
from agents_app.schemas.agents import Draft


def state_after(session: Session, actor: Actor, agent_id: UUID, draft: Draft, old: State) -> State:
    """The state of a stored agent with the content of a draft. Its status stays."""
    encrypted = agent_secrets.merge(encryption_keys.ensure_keyring(session), actor, agent_id, draft, old.secrets)
    return replace(states.of_draft(draft, encrypted), status=old.status, reason=old.reason)


def differs(old: State, state: State) -> bool:
    """Whether a change has to be written: a secret was set or removed, or something else is not as it was."""
    return bool(state.secrets.changes) or state.snapshot() != old.snapshot()


def drop_repeated(session: Session, actor: Actor, agent_id: UUID, draft: Draft, old: Secrets) -> None:
    """Leave out of the draft each secret that is stored already, and that the same user sent before.

    A secret that another person sent is never compared: whether it is the same would show whether a guess is right.
    """
    keyring, mine = encryption_keys.ensure_keyring(session), agent_secrets.who_typed(actor)
    for pointer, value in list(draft.secrets.items()):
        fact, encrypted = old.facts.get(pointer), old.encrypted.get(pointer)
        # Other releases may have stored something else.
        is_own = isinstance(fact, dict) and bool(mine) and mine.items() <= fact.items()
        if value is None or encrypted is None or not is_own:
            continue
        with suppress(CannotDecrypt):
            if agent_secrets.decrypt_one(keyring, actor.account_id, agent_id, pointer, encrypted) == value:
                del draft.secrets[pointer]
