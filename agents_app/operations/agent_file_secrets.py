"""Helpers for the secrets of a file of agents: a file has none, it says only where each is or that it is kept."""

from collections.abc import Collection, Mapping
from typing import Any
from uuid import UUID

from agents_app.connections import TYPES
from agents_app.encryption import CannotDecrypt, Keyring
from agents_app.operations import agent_secrets
from agents_app.operations.agent_states import State
from agents_app.operations.permissions import Actor
from agents_app.paths import COMMAND
from agents_app.schemas.agent_files import SECRETS, STORED, AgentFile, Entry, Problems
from agents_app.schemas.agents import API_KEY, CONFIG, Draft, destination, secret_pointers
from agents_app.schemas.misplaced_members import is_nameable
from agents_app.values.choices import ConnectionType
from agents_app.values.fields import escape_pointer
from agents_app.wording import number_text

NO_SECRET = "There is no such secret here. The secrets are: {known}."
UNKNOWN = "Line {line} has a member that is not known here. The members are: {known}."
REFERENCES = ("env:", "file:")
IN_CLEAR = (
    "A file must not contain a secret. Write env:NAME or file:PATH, null to remove the secret, or stored to keep it."
)
MISPLACED = f"Secrets are written under {SECRETS}. {IN_CLEAR}"
AT_TERMINAL = (
    f"env:… and file:… are read only at the terminal ({COMMAND} agents apply), for the person who types there. Write "
    + "stored here, and set the secret afterwards."
)


def read(file: AgentFile, entry: Entry, problems: Problems) -> tuple[dict[str, str | None], list[str]]:
    """The secrets to set (a text) and to remove (None), and those that the file calls stored, by JSON pointer."""
    found: dict[str, str | None] = {}
    stored: list[str] = []
    kind = entry.connection_type
    known = {pointer.rpartition("/")[2]: pointer for pointer in _pointers(kind)}
    for place, sentence in _misplaced(entry):
        problems.append((f"{entry.place}{place}", sentence))
    problems += _unknown(file, f"{entry.place}/{SECRETS}", entry.secrets, known)
    if kind is not None:
        problems += _unknown(file, f"{entry.place}/{CONFIG}", entry.members.get(CONFIG), TYPES[kind].model_fields)
    for name, written in entry.secrets.items():
        place = f"{entry.place}/{SECRETS}/{name}"
        if name not in known:
            problems += [(place, NO_SECRET.format(known=", ".join(sorted(known))))] if is_nameable(name) else []
        elif written is None:
            found[known[name]] = None
        elif written == STORED:
            stored.append(known[name])
        else:
            _resolve(file, written, (place, known[name]), found, problems)
    return found, stored


def without_secrets(entry: Entry) -> dict[str, Any]:
    """The values of an entry without secrets and unknown members in the configuration, which `read` refuses."""
    values, config = entry.values, entry.values.get(CONFIG)
    if isinstance(config, dict):
        secrets = {pointer.rpartition("/")[2] for pointer in _pointers(entry.connection_type)}
        kept = [name for name in config if is_nameable(name) and name not in secrets]
        values[CONFIG] = {name: config[name] for name in kept}
    return values


def add(values: dict[str, Any], secrets: Mapping[str, str | None]) -> dict[str, Any]:
    """These values of an agent with these secrets, as the other doors send them."""
    for pointer, value in secrets.items():
        if pointer == API_KEY:
            values["api_key"] = value
        elif isinstance(values.get(CONFIG) or {}, dict):
            values[CONFIG] = {**(values.get(CONFIG) or {}), pointer.rpartition("/")[2]: value}
    return values


def place(entry: Entry, pointer: str) -> str:
    """The place in the file of a member of an agent. A secret is in another place than in an agent."""
    is_secret = pointer in _pointers(entry.connection_type)
    return f"{entry.place}/{SECRETS}/{pointer.rpartition('/')[2]}" if is_secret else f"{entry.place}{pointer}"


def drop_unchanged(keyring: Keyring, actor: Actor, agent_id: UUID, draft: Draft, old: State) -> None:
    """Leave out of the draft each secret that the agent has already, so that it is not written again."""
    for pointer, value in list(draft.secrets.items()):
        encrypted = old.secrets.encrypted.get(pointer)
        if value is None or encrypted is None:
            continue
        is_moved = destination(pointer, old.fields, old.config) != destination(pointer, draft.fields, draft.config)
        if not is_moved and _decrypted(keyring, actor, agent_id, pointer, encrypted) == value:
            del draft.secrets[pointer]


def _resolve(
    file: AgentFile, written: object, at: tuple[str, str], found: dict[str, str | None], problems: Problems
) -> None:
    place, pointer = at
    if not isinstance(written, str) or not written.startswith(REFERENCES):
        problems.append((place, IN_CLEAR))
    elif file.read_reference is None:
        problems.append((place, AT_TERMINAL))
    else:
        try:
            found[pointer] = file.read_reference(written)
        except ValueError as refusal:
            problems.append((place, str(refusal)))


def _unknown(file: AgentFile, group: str, members: object, known: Collection[str]) -> Problems:
    """The members of a group whose names nobody knows, each by its line: such a name may be a secret."""
    found = members if isinstance(members, Mapping) else {}
    names = [name for name in found if name not in known and not is_nameable(name)]
    lines = [file.line(f"{group}/{escape_pointer(name)}") for name in names]
    return [(group, UNKNOWN.format(line=number_text(line or 1), known=", ".join(sorted(known)))) for line in lines]


def _misplaced(entry: Entry) -> list[tuple[str, str]]:
    """The secrets in the places where the other doors have them. What is written there may be a secret in clear."""
    config = entry.members.get(CONFIG)
    members = config if isinstance(config, Mapping) else {}
    names = {pointer.rpartition("/")[2] for pointer in _pointers(entry.connection_type)} - {"api_key"}
    found = [(API_KEY, MISPLACED)] if entry.members.get("api_key") is not None else []
    return found + [(f"/{CONFIG}/{name}", MISPLACED) for name in names if members.get(name) is not None]


def _pointers(kind: ConnectionType | None) -> list[str]:
    if kind is not None:
        return secret_pointers(kind)
    # The type has a problem of its own.
    return list(dict.fromkeys(pointer for known in TYPES for pointer in secret_pointers(known)))


def _decrypted(keyring: Keyring, actor: Actor, agent_id: UUID, pointer: str, encrypted: str) -> str | None:
    try:
        return agent_secrets.decrypt_one(keyring, actor.account_id, agent_id, pointer, encrypted)
    except CannotDecrypt:
        return None
