"""Helpers for the secrets of an agent: which a change keeps, sets or removes, and when one must be typed again."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
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
# Below this length four characters would tell too much.
LAST_FOUR_FROM = 16
FACTS = ("set_at", "set_by", "last_four")


@dataclass(frozen=True)
class Secrets:
    """All secrets of one agent, by JSON pointer: `sealed` has the encrypted values, `facts` what may be shown."""

    sealed: dict[str, str]
    facts: dict[str, dict[str, Any]]
    changes: dict[str, str]
    """What a change did, by pointer: set, replaced or removed."""

    @property
    def api_key(self) -> str | None:
        """What the column `api_key` holds."""
        return self.sealed.get(API_KEY)

    def config(self, public: Mapping[str, Any]) -> dict[str, Any]:
        """The configuration as it is stored: its public members and its secrets, sealed."""
        leaves = {name: {ENCRYPTED: value} for pointer, value in self.sealed.items() if (name := _member(pointer))}
        return {**public, **leaves}


def encrypted_values(api_key: str | None, config: Mapping[str, Any]) -> dict[str, str]:
    """The encrypted values of a stored agent, by JSON pointer."""
    found = {API_KEY: api_key} if api_key else {}
    return found | {f"/{CONFIG}/{name}": str(value[ENCRYPTED]) for name, value in _members(config) if _is_sealed(value)}


def public_config(config: Mapping[str, Any]) -> dict[str, Any]:
    """The stored configuration without its secrets."""
    return {name: value for name, value in _members(config) if not _is_sealed(value)}


def complete_config(connection_type: ConnectionType, config: Mapping[str, Any]) -> dict[str, Any]:
    """The same, whatever code stored it, with the members that its type has today."""
    public, declaration = public_config(config), TYPES.get(connection_type)
    return declaration.complete(public) if declaration else public


def shown_config(connection_type: ConnectionType, config: Mapping[str, Any]) -> dict[str, Any]:
    """The same as people see it: without private keys in public members.

    Such keys are from a release that took them; `misplaced_keys.py` finds and removes them.
    """
    shown: dict[str, Any] = without_private_keys(complete_config(connection_type, config))
    return shown


def shown_facts(sealed: Mapping[str, str], facts: Any) -> dict[str, dict[str, Any]]:
    """What may be shown of each stored secret, by JSON pointer; null where it was not recorded."""
    recorded = {pointer: fact for pointer, fact in _object(facts).items() if isinstance(fact, dict)}
    known = {pointer: recorded.get(pointer, {}) for pointer in (*recorded, *sealed)}
    return {pointer: {name: fact.get(name) for name in FACTS} for pointer, fact in known.items()}


def merge(
    keyring: Keyring,
    actor: Actor,
    agent_id: UUID,
    draft: Draft,
    old: Secrets,
) -> Secrets:
    """The agent's secrets after the draft: what it sets is encrypted, what it does not name is kept."""
    allowed = secret_pointers(draft.connection_type)
    kept = {pointer: value for pointer, value in old.sealed.items() if pointer in allowed}
    sealed, facts = dict(kept), {pointer: old.facts.get(pointer, {}) for pointer in kept}
    changes = dict.fromkeys((pointer for pointer in old.sealed if pointer not in allowed), "removed")
    for pointer, value in draft.secrets.items():
        sealed.pop(pointer, None)
        facts.pop(pointer, None)
        if value is not None:
            sealed[pointer] = encrypt_one(keyring, actor.account_id, agent_id, pointer, value)
            facts[pointer] = _facts(value, actor)
            changes[pointer] = "replaced" if pointer in kept else "set"
        elif pointer in kept:
            changes[pointer] = "removed"
    return Secrets(sealed, facts, changes)


def check_destination(draft: Draft, old_type: ConnectionType, old_config: Mapping[str, Any], old: Secrets) -> None:
    """Raise InvalidInput where a stored secret would be sent to a destination it was not typed for."""
    if destination(old_type, old_config) == destination(draft.connection_type, draft.config):
        return
    needed = [p for p in secret_pointers(draft.connection_type) if p in old.sealed and _member(p)]
    untold = [pointer for pointer in needed if pointer not in draft.secrets]
    if untold:
        raise InvalidInput((pointer, _type_again(draft.connection_type, pointer)) for pointer in untold)


def decrypt(keyring: Keyring, account_id: UUID, agent_id: UUID, sealed: Mapping[str, str]) -> dict[str, str]:
    """The secrets in clear, by JSON pointer. Raises Unavailable where a key is wrong or missing."""
    try:
        return {
            pointer: decrypt_one(keyring, account_id, agent_id, pointer, value) for pointer, value in sealed.items()
        }
    except CannotDecrypt:
        sentence = "A secret of this agent cannot be decrypted. An operator must check ENCRYPTION_KEYS."
        raise Unavailable(sentence, code="secret_unavailable") from None


def decrypt_one(keyring: Keyring, account_id: UUID, agent_id: UUID, pointer: str, value: str) -> str:
    """One secret in clear. Raises CannotDecrypt."""
    return keyring.decrypt(value, str(account_id), str(agent_id), pointer)


def can_decrypt(keyring: Keyring, account_id: UUID, agent_id: UUID, pointer: str, value: str) -> bool:
    """Whether these keys open one secret."""
    try:
        decrypt_one(keyring, account_id, agent_id, pointer, value)
    except CannotDecrypt:
        return False
    return True


def encrypt_one(keyring: Keyring, account_id: UUID, agent_id: UUID, pointer: str, clear: str) -> str:
    """One secret encrypted for its place: it opens in no other account, agent or field."""
    return keyring.encrypt(clear, str(account_id), str(agent_id), pointer)


def label(connection_type: ConnectionType, pointer: str) -> str:
    """What a person calls this secret, such as "Password"."""
    name = _member(pointer)
    model = TYPES[connection_type] if name else AgentValues
    found = model.model_fields.get(name or "api_key")
    return (found.title if found else None) or pointer


def _type_again(connection_type: ConnectionType, pointer: str) -> str:
    plain = label_in_sentence(label(connection_type, pointer))
    return f"The connection now leads elsewhere, so the stored {plain} is not used. Type it again, or remove it."


def _facts(value: str, actor: Actor) -> dict[str, Any]:
    tells = len(value) >= LAST_FOUR_FROM and not value.startswith("-----BEGIN")
    return {"set_at": now().isoformat(), "set_by": actor.name, "last_four": value[-4:] if tells else None}


def _members(config: object) -> Iterable[tuple[str, Any]]:
    # Reading must survive what other releases or other programs stored.
    return config.items() if isinstance(config, Mapping) else ()


def _is_sealed(value: object) -> bool:
    return isinstance(value, dict) and ENCRYPTED in value


def _member(pointer: str) -> str | None:
    prefix = f"/{CONFIG}/"
    return pointer.removeprefix(prefix) if pointer.startswith(prefix) else None


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
