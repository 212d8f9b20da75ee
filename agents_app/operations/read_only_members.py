"""Helpers for changes that are whole documents: a program reads an agent, changes members and sends everything back.

The members that only the console sets may be sent as they were read. One that differs is refused.
"""

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy.engine import Connection

from agents_app.errors import NotFound
from agents_app.operations import agent_rows
from agents_app.operations.agent_writes import NO_AGENT
from agents_app.operations.permissions import Actor
from agents_app.schemas.misplaced_members import NOT_SET_HERE
from agents_app.values.rules import is_uuid

Problems = list[tuple[str, str]]

SET_BY_CONSOLE = "This cannot be changed, as the console sets it. Leave it out, or send it as you read it."
SENTENCES = {
    "id": "The id cannot be changed. Leave it out, or send the id of this agent.",
    "version": "The version cannot be set. The agent is at version {version}. Leave it out.",
    **NOT_SET_HERE,
    "credential_expires_at": "This follows from connection_config. Change the date there, and leave this out.",
    "created_at": SET_BY_CONSOLE,
    "updated_at": SET_BY_CONSOLE,
    "created_by": SET_BY_CONSOLE,
    "updated_by": SET_BY_CONSOLE,
    "updated_by_token_owner": SET_BY_CONSOLE,
    "last_test": "The result of a test cannot be set. Leave it out, and test the agent instead.",
    "secrets_set": "This says which secrets are stored. Leave it out, and send a secret as its own member.",
    "warnings": "The warnings cannot be set. Leave them out, or send them as you read them.",
}
"""The read-only members of an agent, each with the refusal of another value."""
NEVER_CHANGE = ("id", "created_at")
STALE = (
    "The agent has changed since it was read. It is now at version {version}. Read it again, then repeat the change."
)
# Programs round times, such as to the milliseconds of a Date in JavaScript.
SAME_WITHIN = timedelta(milliseconds=1)


def split(
    connection: Connection, actor: Actor, agent_id: UUID, values: Mapping[str, Any]
) -> tuple[dict[str, Any], Problems]:
    """The values without the read-only members, and what is wrong with these: (JSON pointer, sentence).

    Values of an older version are refused as such: nothing else is compared then, but what never changes.
    """
    written = {name: value for name, value in values.items() if name not in SENTENCES}
    sent = {name: values[name] for name in SENTENCES if name in values}
    if not sent:
        return written, []
    row = connection.execute(agent_rows.ONE, {"id": agent_id, "account_id": actor.account_id}).one_or_none()
    if row is None:
        raise NotFound(NO_AGENT)
    agent = agent_rows.whole(row, actor.account_id)
    if _is_older(sent.get("version"), agent["version"]):
        compared = [name for name in NEVER_CHANGE if name in sent]
        wrong = {name: SENTENCES[name] for name in compared if not _is_same(sent[name], agent[name])}
        wrong["version"] = STALE
    else:
        wrong = {name: SENTENCES[name] for name, value in sent.items() if not _is_unchanged(name, value, agent, sent)}
    return written, [(f"/{name}", sentence.format(version=agent["version"])) for name, sentence in wrong.items()]


def _is_unchanged(name: str, value: object, agent: Mapping[str, Any], sent: Mapping[str, Any]) -> bool:
    if name == "warnings":
        # They are about an earlier request and its note.
        return isinstance(value, list) and all(map(_is_warning, value))
    if name == "last_test" and "version" in sent and _was_read_before(value, agent[name]):
        return True
    return _is_same(value, agent[name])


def _is_older(version: object, current: int) -> bool:
    return isinstance(version, int) and not isinstance(version, bool) and 0 < version < current


def _is_warning(value: object) -> bool:
    return isinstance(value, Mapping) and value.keys() == {"pointer", "detail"} and all(map(_is_text, value.values()))


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _was_read_before(value: object, last_test: Mapping[str, Any] | None) -> bool:
    """Whether a last test is that of a document which was read before the agent was tested again."""
    if last_test is None or value is None:
        return value is None
    moment = _moment(value.get("tested_at")) if isinstance(value, Mapping) else None
    return moment is not None and moment <= last_test["tested_at"] - SAME_WITHIN


def _is_same(value: object, shown: object) -> bool:
    """Whether a value of JSON is what a response shows. Members that a program does not know may be missing."""
    if isinstance(shown, Mapping):
        return isinstance(value, Mapping) and all(
            name in shown and _is_same(member, shown[name]) for name, member in value.items()
        )
    if isinstance(shown, list):
        return isinstance(value, list) and len(value) == len(shown) and all(map(_is_same, value, shown))
    if isinstance(shown, UUID):
        return isinstance(value, str) and is_uuid(value) and UUID(value) == shown
    if isinstance(shown, date) and not isinstance(shown, datetime):
        return value == shown.isoformat()
    if isinstance(shown, bool) or isinstance(value, bool):
        return value is shown
    return value == shown or _is_same_moment(value, shown)


def _is_same_moment(value: object, shown: object) -> bool:
    one, other = _moment(value), shown if isinstance(shown, datetime) else _moment(shown)
    return one is not None and other is not None and abs(one - other) < SAME_WITHIN


def _moment(value: object) -> datetime | None:
    """The instant that a text says. None if it says no instant, such as a local time."""
    try:
        moment = datetime.fromisoformat(value.upper()) if isinstance(value, str) else None
    except ValueError:
        return None
    return moment if moment and moment.tzinfo else None
