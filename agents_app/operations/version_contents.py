"""Helpers that read what versions recorded, to show and to compare them. Nothing is checked, but for `valid_values`."""

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from agents_app.errors import Conflict
from agents_app.operations import agent_merge, snapshots
from agents_app.schemas.agents import CONFIG, STATUS_REASON

# What a version records in addition to the fields that people write.
STATUS = ("status", STATUS_REASON)
# The actions that make an agent, so that there is no version before to compare with.
MAKING = ("agent.created", "agent.cloned", "agent.restored")
TYPE = "connection_type"


def valid_values(snapshot: Any) -> dict[str, Any] | None:
    """The recorded fields and configuration. None where they are not valid in this release."""
    if not isinstance(snapshot, dict):
        return None
    try:
        recorded = snapshots.draft(snapshot)
    except Conflict:
        return None
    return {**recorded.fields, CONFIG: recorded.config}


def content(snapshot: Any) -> dict[str, Any] | None:
    """The recorded fields, configuration and status. None where the snapshot cannot be read."""
    if not isinstance(snapshot, dict):
        return None
    return {**snapshots.content(snapshot), **{name: snapshot.get(name) for name in STATUS}}


def set_secrets(snapshot: Any) -> list[str]:
    """The JSON pointers of the secrets that were set."""
    recorded = snapshot.get("secrets") if isinstance(snapshot, dict) else None
    return sorted(one for one in recorded if isinstance(one, str)) if isinstance(recorded, list) else []


def changed(before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> list[str]:
    """The JSON pointers at which two contents differ. Without one before, of all that is not empty."""
    if after is None:
        return []
    facts = agent_merge.facts(after, {})
    if before is None:
        return [pointer for pointer, value in facts.items() if value not in (None, "", [], {})]
    status = [f"/{name}" for name in STATUS if before[name] != after[name]]
    return [*agent_merge.changed(agent_merge.facts(before, {}), facts), *status]


def value_at(pointer: str, values: Mapping[str, Any] | None) -> Any:
    """The value of a content at a pointer. None where it has no such member."""
    found: Any = values
    for name in pointer.split("/")[1:]:
        found = found.get(name) if isinstance(found, Mapping) else None
    return found


def changed_secrets(recorded: Any) -> dict[str, str]:
    """What the recorded changes of a version did with secrets: set, replaced or removed, by JSON pointer."""
    secrets = recorded.get("secrets") if isinstance(recorded, dict) else None
    return dict(secrets) if isinstance(secrets, dict) else {}


def changed_fields(action: str, recorded: Any) -> list[str]:
    """The JSON pointers that a version changed, without secrets. Empty where it made the agent."""
    fields = recorded.get("fields") if isinstance(recorded, dict) else None
    if action in MAKING or not isinstance(fields, list):
        return []
    members = recorded.get(CONFIG)
    names = [name for name in fields if isinstance(name, str)]
    if CONFIG in names and (isinstance(members, list) or TYPE in names):
        # Another type has another configuration, whose members are not compared.
        names.remove(CONFIG)
        names += [f"{CONFIG}/{name}" for name in (members if isinstance(members, list) else ())]
    return [f"/{name}" for name in names]


def secrets_between(base: Collection[str], version: Collection[str], touched: Iterable[str]) -> dict[str, str]:
    """What happened to each secret from one version to another, in which these were set.

    `touched` are the secrets that the versions between changed.
    """
    done = {pointer: "set" for pointer in version if pointer not in base}
    done |= {pointer: "removed" for pointer in base if pointer not in version}
    done |= {pointer: "replaced" for pointer in touched if pointer in base and pointer in version}
    return dict(sorted(done.items()))
