"""Helpers for the secrets of an agent: which a change keeps, sets or removes, and when one must be typed again."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from agents_app.connections import TYPES
from agents_app.db import now
from agents_app.encryption import CannotDecrypt, Keyring
from agents_app.errors import InvalidInput, Unavailable
from agents_app.operations.permissions import Actor
from agents_app.schemas.agents import API_KEY, CONFIG, AgentValues, Draft, destination, secret_pointers
from agents_app.values.choices import ConnectionType
from agents_app.values.pem import without_private_keys
from agents_app.wording import label_in_sentence

ENCRYPTED = "$enc"
# In a shorter secret, four characters would reveal too much.
LAST_FOUR_FROM = 16
FACTS = ("set_at", "set_by", "last_four")
# The fact that says which user typed the secret. It is not shown, and a copy of an agent does not have it.
TYPED_BY = "typed_by"
# What to do about a secret whose destination is another one. A restore has no change to undo.
SET_AGAIN, SET_NOW = "Set it again, remove it, or undo that change.", "Set it now, or remove it."
CHANGED = f"The {{what}} has changed, so the stored {{name}} is not used. {SET_AGAIN}"
RESTORED = f"This version has another {{place}}, so the stored {{name}} is not used. {SET_NOW}"


@dataclass(frozen=True)
class Secrets:
    """All secrets of one agent, by JSON pointer: `encrypted` has the values, `facts` what can be shown."""

    encrypted: dict[str, str]
    facts: dict[str, dict[str, Any]]
    changes: dict[str, str]
    """What a change did, by JSON pointer: set, replaced or removed."""

    @property
    def api_key(self) -> str | None:
        """The value of the column `api_key`."""
        return self.encrypted.get(API_KEY)

    def config(self, public: Mapping[str, Any]) -> dict[str, Any]:
        """The configuration as it is stored: its public fields, and its encrypted secrets."""
        leaves = {name: {ENCRYPTED: value} for pointer, value in self.encrypted.items() if (name := _member(pointer))}
        return {**public, **leaves}


def encrypted_values(api_key: str | None, config: Mapping[str, Any]) -> dict[str, str]:
    """The encrypted secrets of a stored agent, by JSON pointer."""
    found = {API_KEY: api_key} if api_key else {}
    return found | {
        f"/{CONFIG}/{name}": str(value[ENCRYPTED]) for name, value in _members(config) if _is_encrypted(value)
    }


def public_config(config: Mapping[str, Any]) -> dict[str, Any]:
    """The stored configuration without its secrets."""
    return {name: value for name, value in _members(config) if not _is_encrypted(value)}


def complete_config(connection_type: ConnectionType, config: Mapping[str, Any]) -> dict[str, Any]:
    """The stored configuration without its secrets, with the fields that its type has in this release."""
    public, declaration = public_config(config), TYPES.get(connection_type)
    return declaration.complete(public) if declaration else public


def names(connection_type: ConnectionType) -> list[str]:
    """The names of the secrets in the configuration of this type. Empty for a type of a newer release."""
    declaration = TYPES.get(connection_type)
    return declaration.secret_names() if declaration else []


def shown_config(connection_type: ConnectionType, config: Mapping[str, Any]) -> dict[str, Any]:
    """The same as `complete_config`, without private keys in public fields, so that it can be shown.

    0.1.0 accepted such keys. `misplaced_keys.py` finds and removes them.
    """
    shown: dict[str, Any] = without_private_keys(complete_config(connection_type, config))
    return shown


def shown_facts(encrypted: Mapping[str, str], facts: Any) -> dict[str, dict[str, Any]]:
    """What can be shown of each stored secret, by JSON pointer. A fact that was not recorded is None."""
    # Other releases may have stored something else.
    stored = facts if isinstance(facts, dict) else {}
    recorded = {pointer: fact for pointer, fact in stored.items() if isinstance(fact, dict)}
    known = {pointer: recorded.get(pointer, {}) for pointer in (*recorded, *encrypted)}
    return {pointer: {name: _fact(name, fact.get(name)) for name in FACTS} for pointer, fact in known.items()}


def _fact(name: str, value: object) -> str | None:
    """A fact as it was recorded; None if it is no text, or not the time that it has to be."""
    return value if isinstance(value, str) and (name != "set_at" or _is_time(value)) else None


def _is_time(text: str) -> bool:
    try:
        return datetime.fromisoformat(text).tzinfo is not None
    except ValueError:
        return False


def merge(
    keyring: Keyring,
    actor: Actor,
    agent_id: UUID,
    draft: Draft,
    old: Secrets,
    *,
    is_typed: bool = True,
) -> Secrets:
    """The secrets of the agent after a change: new ones encrypted, and those that the draft does not name.

    `is_typed` says whether the actor sent those of the draft. In a copy of an agent they come from the original.
    Raises CodeNeeded: the keys of agents give access too.
    """
    if is_typed and draft.secrets:
        actor.require_recent_code()
    allowed = secret_pointers(draft.connection_type)
    kept = {pointer: value for pointer, value in old.encrypted.items() if pointer in allowed}
    encrypted, facts = dict(kept), {pointer: old.facts.get(pointer, {}) for pointer in kept}
    changes = dict.fromkeys((pointer for pointer in old.encrypted if pointer not in allowed), "removed")
    for pointer, value in draft.secrets.items():
        encrypted.pop(pointer, None)
        facts.pop(pointer, None)
        if value is not None:
            encrypted[pointer] = encrypt_one(keyring, actor.account_id, agent_id, pointer, value)
            facts[pointer] = _facts(value, actor) | (who_typed(actor) if is_typed else {})
            changes[pointer] = "replaced" if pointer in kept else "set"
        elif pointer in kept:
            changes[pointer] = "removed"
    return Secrets(encrypted, facts, changes)


def check_destination(
    draft: Draft,
    old_fields: Mapping[str, Any],
    old_config: Mapping[str, Any],
    old: Mapping[str, str],
    moved_text: str = "",
) -> None:
    """Raise InvalidInput if one of the `old` secrets would be sent to another destination than it was typed for.

    `moved_text` is the message (see `moved_sentence`).
    """
    kept = [p for p in secret_pointers(draft.connection_type) if p in old and p not in draft.secrets]
    moved = [p for p in kept if destination(p, old_fields, old_config) != destination(p, draft.fields, draft.config)]
    if moved:
        raise InvalidInput((pointer, moved_sentence(draft.connection_type, pointer, moved_text)) for pointer in moved)


def decrypt(keyring: Keyring, account_id: UUID, agent_id: UUID, encrypted: Mapping[str, str]) -> dict[str, str]:
    """The decrypted secrets, by JSON pointer. Raises Unavailable if a key is wrong or missing."""
    try:
        return {
            pointer: decrypt_one(keyring, account_id, agent_id, pointer, value) for pointer, value in encrypted.items()
        }
    except CannotDecrypt:
        sentence = "A secret of this agent cannot be decrypted. An operator must check ENCRYPTION_KEYS."
        raise Unavailable(sentence, code="secret_unavailable") from None


def decrypt_one(keyring: Keyring, account_id: UUID, agent_id: UUID, pointer: str, value: str) -> str:
    """One decrypted secret. Raises CannotDecrypt."""
    return keyring.decrypt(value, str(account_id), str(agent_id), pointer)


def can_decrypt(keyring: Keyring, account_id: UUID, agent_id: UUID, pointer: str, value: str) -> bool:
    """Whether these keys decrypt one secret."""
    try:
        decrypt_one(keyring, account_id, agent_id, pointer, value)
    except CannotDecrypt:
        return False
    return True


def encrypt_one(keyring: Keyring, account_id: UUID, agent_id: UUID, pointer: str, clear: str) -> str:
    """One encrypted secret. It can be decrypted only for the same account, agent and field."""
    return keyring.encrypt(clear, str(account_id), str(agent_id), pointer)


def label(connection_type: ConnectionType, pointer: str) -> str:
    """The label of a secret, such as "Password"."""
    name = _member(pointer)
    model = TYPES[connection_type] if name else AgentValues
    found = model.model_fields.get(name or "api_key")
    return (found.title if found else None) or pointer


def moved_sentence(connection_type: ConnectionType, pointer: str, text: str = "") -> str:
    """The refusal of a change, or with RESTORED of a restore, that would send a secret to another destination."""
    name = label_in_sentence(label(connection_type, pointer))
    what = "destination of the connection" if _member(pointer) else "model provider or its base URL"
    return (text or CHANGED).format(what=what, place=what.replace("its ", ""), name=name)


def name_ways(refusal: InvalidInput, way: Callable[[str], tuple[str, str]]) -> InvalidInput:
    """The same refusal in the words of one door. `way` says, by JSON pointer, how a secret is set there and removed."""
    return InvalidInput((pointer, _in_words(sentence, *way(pointer))) for pointer, sentence in refusal.fields)


def _in_words(sentence: str, set_it: str, remove_it: str) -> str:
    for advice in (SET_AGAIN, SET_NOW):
        if sentence.endswith(advice):
            words = advice.replace("Set it again", set_it).replace("Set it now", set_it).replace("remove it", remove_it)
            return sentence.removesuffix(advice) + words
    return sentence


def who_typed(actor: Actor) -> dict[str, str]:
    """The fact that this actor sent a secret. A token acts as its owner. At the terminal there is no user."""
    return {TYPED_BY: str(actor.user_id)} if actor.user_id else {}


def _facts(value: str, actor: Actor) -> dict[str, Any]:
    shows_end = len(value) >= LAST_FOUR_FROM and not value.startswith("-----BEGIN")
    return {"set_at": now().isoformat(), "set_by": actor.name, "last_four": value[-4:] if shows_end else None}


def _members(config: object) -> Iterable[tuple[str, Any]]:
    # Other releases or other programs may have stored something else.
    return config.items() if isinstance(config, Mapping) else ()


def _is_encrypted(value: object) -> bool:
    return isinstance(value, dict) and ENCRYPTED in value


def _member(pointer: str) -> str | None:
    prefix = f"/{CONFIG}/"
    return pointer.removeprefix(prefix) if pointer.startswith(prefix) else None
