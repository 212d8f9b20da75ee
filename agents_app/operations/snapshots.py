"""Helpers that read what a version recorded, for every operation that uses its values.

An older release may have written them: a missing field has its default, an unknown one is dropped, and what is not
valid is a Conflict.
"""

from collections.abc import Callable, Mapping
from typing import Annotated, Any, TypeVar
from uuid import UUID

from pydantic import AwareDatetime

from agents_app.connections import TYPES
from agents_app.errors import Conflict, InvalidInput
from agents_app.models import AgentVersion
from agents_app.operations.agent_secrets import Secrets
from agents_app.schemas import agents as schema
from agents_app.values import limits
from agents_app.values.choices import AgentStatus, ConnectionType
from agents_app.values.fields import Schema, parse
from agents_app.values.pem import without_private_keys
from agents_app.values.rules import choice, line, uuid_text
from agents_app.values.text import without_direction_marks

T = TypeVar("T")

UNREADABLE = "snapshot_unreadable"
CREATE_AGAIN = "Create the agent again."
ON_ONE_LINE = ("name", "model_type", schema.CONFIG)


class StatusAndOrigin(Schema):
    """What a snapshot has in addition to the fields that people write."""

    status: Annotated[AgentStatus, choice(AgentStatus)] = AgentStatus.ACTIVE
    status_reason: Annotated[str | None, line(limits.STATUS_REASON)] = None
    created_by: Annotated[UUID | None, uuid_text()] = None
    created_at: AwareDatetime | None = None


def content(snapshot: Any) -> dict[str, Any]:
    """The recorded fields and configuration, complete but not checked, and without private keys in public fields."""
    values = schema.AgentValues.complete(_object(snapshot))
    kind = values["connection_type"]
    declaration = TYPES.get(ConnectionType(kind)) if kind in list(ConnectionType) else None
    config = declaration.complete(_object(values[schema.CONFIG])) if declaration else {}
    return values | {schema.CONFIG: without_private_keys(config)}


def draft(snapshot: Any) -> schema.Draft:
    """The recorded content as a valid agent. Raises Conflict."""
    values = content(snapshot)
    on_one_line = {name: without_direction_marks(values[name]) for name in ON_ONE_LINE}
    return _valid(lambda: schema.draft_of_new(values | on_one_line))


def draft_of_change(current: Mapping[str, Any], snapshot: Any) -> schema.Draft:
    """The recorded content as a change of the agent `current`, whose values stay valid. Raises Conflict."""
    values = content(snapshot)
    differing = [name for name in ON_ONE_LINE if values[name] != current[name]]
    on_one_line = {name: without_direction_marks(values[name]) for name in differing}
    sent = values | on_one_line
    return _valid(lambda: schema.draft_of_changed(current, sent), "Restore another version, or change the agent.")


def status_and_origin(snapshot: Any) -> StatusAndOrigin:
    """The recorded status of the agent, and who created it when. Raises Conflict."""
    then = without_direction_marks(StatusAndOrigin.complete(_object(snapshot)))
    return _valid(lambda: parse(StatusAndOrigin, then))


def matches(snapshot: Any, wanted: schema.Draft) -> bool:
    """Whether a snapshot recorded the content of this draft, apart from its secrets."""
    try:
        recorded = draft(snapshot)
    except Conflict:
        return False
    return (recorded.fields, recorded.config) == (wanted.fields, wanted.config)


def encrypted_values(kept: Any) -> dict[str, str] | None:
    """The encrypted secrets that a version keeps, by JSON pointer. None if they have an unknown form."""
    found = kept.get("sealed", {}) if isinstance(kept, Mapping) else kept
    if found is None:
        return {}
    is_known = isinstance(found, Mapping) and all(isinstance(value, str) for value in found.values())
    return dict(found) if is_known else None


def kept_secrets(version: AgentVersion, connection_type: ConnectionType) -> Secrets:
    """The secrets that a version keeps and that the connection type still has. Raises Conflict."""
    found = encrypted_values(version.kept_secrets)
    if found is None:
        raise _conflict("its secrets cannot be read.")
    facts = _object(_object(version.kept_secrets).get("facts"))
    known = [pointer for pointer in schema.secret_pointers(connection_type) if pointer in found]
    return Secrets({one: found[one] for one in known}, {one: _object(facts.get(one)) for one in known}, {})


def _object(value: Any) -> dict[str, Any]:
    return dict(value) if isinstance(value, Mapping) else {}


def _valid(read: Callable[[], T], advice: str = CREATE_AGAIN) -> T:
    try:
        return read()
    except InvalidInput as refusal:
        wrong = [f"{pointer[1:].replace('/', '.') or 'its values'}: {sentence}" for pointer, sentence in refusal.fields]
        raise _conflict(" ".join(wrong), advice) from None


def _conflict(why: str, advice: str = CREATE_AGAIN) -> Conflict:
    sentence = f"The stored version of this agent cannot be used by this release: {why} {advice}"
    return Conflict(sentence, code=UNREADABLE)
