"""Helpers for changes that are whole documents: a program reads an agent, changes members and sends everything back.

The members that only the console sets may be sent as they were read. One that differs is refused.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy.engine import Connection

from agents_app.errors import InvalidInput, NotFound
from agents_app.operations import agent_rows
from agents_app.operations.agent_writes import NO_AGENT
from agents_app.operations.permissions import Actor
from agents_app.schemas.agents import API_KEY, CONFIG, removals, secret_pointers
from agents_app.schemas.misplaced_members import NOT_SET_HERE
from agents_app.values.rules import is_uuid

Problems = list[tuple[str, str]]
Made = TypeVar("Made")

EXPIRES_AT, SECRETS_SET = "credential_expires_at", "secrets_set"
DIFFERS = "This is not the present value of the agent. Read the agent again, or leave this out."
SENTENCES = {
    **dict.fromkeys(NOT_SET_HERE, DIFFERS),
    "id": "This is not the id of the agent. Leave it out.",
    "status": f"{DIFFERS} To change the status, enable or disable the agent.",
    "status_reason": f"{DIFFERS} To change the reason, disable the agent with another one.",
    "last_test": f"{DIFFERS} To change the result, test the agent.",
    SECRETS_SET: f"{DIFFERS} To change or remove a secret, leave this out, and send the secret as its own member.",
    "warnings": "Each warning has a pointer and a detail. Leave the warnings out.",
    "connection": f"{DIFFERS} To change it, set the members of {CONFIG}.",
    EXPIRES_AT: f"{DIFFERS} To change it, set /{CONFIG}/{EXPIRES_AT}.",
}
"""The read-only members of an agent, each with the refusal of another value."""
NULL_SECRET = (
    f"null removes this secret, but {SECRETS_SET} of the same document says that it is stored. To keep the secret, "
    + f"leave it out. To remove it, leave {SECRETS_SET} out."
)
NULL_OF_LIST = (
    "null removes this, but an item of a list, which has connection, does not say whether it is stored. To keep it, "
    + "leave it out. To remove it, leave connection out."
)
NOT_IN_LISTS = (*(column.key for column in agent_rows.LONG), "api_key")
# What no change of an agent's values changes. A change that is repeated has its present values too.
APART_FROM_VALUES = ("id", "status", "status_reason", "created_at", "created_by")
# Not every response has these, and some programs send null for a member that they do not have.
AS_ABSENT_IF_NULL = ("warnings", "connection", "last_fetched_at")
# The names in these are values too, so none may be missing.
MAPS = (SECRETS_SET, "connection")
STALE = (
    "The agent has changed since it was read. It is now at version {version}. Read it again, then repeat the change."
)
# Programs round times, such as to the milliseconds of a Date in JavaScript, or cut the fraction.
SAME_WITHIN, SAME_SECOND = timedelta(milliseconds=1), timedelta(seconds=1)


@dataclass(frozen=True)
class Split:
    """The values of a change without the read-only members, and what is wrong with these."""

    written: dict[str, Any]
    problems: Problems = field(default_factory=list)
    stale: Problems = field(default_factory=list)
    """The refusal of values of an older version. A change that is repeated changes nothing, so it is no problem."""

    def require_current(self) -> None:
        """Raise InvalidInput if the values are of an older version."""
        if self.stale:
            raise InvalidInput(self.stale)


def split(connection: Connection, actor: Actor, agent_id: UUID, values: Mapping[str, Any]) -> Split:
    """Take the read-only members out of the values, and compare them with the agent. Raises NotFound.

    Of values of an older version, only what a change of values leaves as it is can be compared. Some programs send
    null for every member that the agent they read does not have. It is a problem where it would remove what is stored.
    """
    written = {name: value for name, value in values.items() if name not in SENTENCES}
    sent = {name: values[name] for name in SENTENCES if name in values and not _is_as_absent(name, values[name])}
    if not sent:
        return Split(written)
    row = connection.execute(agent_rows.ONE_AS_ANYWHERE, {"id": agent_id, "account_id": actor.account_id}).one_or_none()
    if row is None:
        raise NotFound(NO_AGENT)
    agent = agent_rows.as_anywhere(row, actor.account_id)
    is_older = _is_older(sent.get("version"), agent["version"])
    compared = [name for name in sent if name in APART_FROM_VALUES or not is_older]
    wrong = [name for name in compared if not _is_unchanged(name, sent[name], agent, sent)]
    problems = [*_lost_by_null(values, agent).items(), *((f"/{name}", SENTENCES[name]) for name in wrong)]
    stale = [("/version", STALE.format(version=agent["version"]))] if is_older else []
    return Split(written, problems, stale)


def made_of(sent: Split, make: Callable[[Mapping[str, Any]], Made]) -> Made:
    """What `make` makes of the written values. Raises InvalidInput with its problems and those of the others."""
    try:
        made = make(sent.written)
    except InvalidInput as refusal:
        raise InvalidInput([*refusal.fields, *sent.problems, *sent.stale]) from None
    if sent.problems:
        raise InvalidInput([*sent.problems, *sent.stale])
    return made


def _is_as_absent(name: str, value: object) -> bool:
    return value is None and name in AS_ABSENT_IF_NULL


def _lost_by_null(values: Mapping[str, Any], agent: Mapping[str, Any]) -> dict[str, str]:
    named, removed, lost = values.get(SECRETS_SET), removals(values), {}
    if values.get("connection") is not None:
        stored = {**agent, "api_key": agent[SECRETS_SET].get(API_KEY)}
        nulls = [name for name in NOT_IN_LISTS if name in values and values[name] is None]
        lost = {f"/{name}": NULL_OF_LIST for name in nulls if stored[name] is not None}
    if isinstance(named, Mapping):
        pointers = secret_pointers(agent["connection_type"])
        lost |= {pointer: NULL_SECRET for pointer in pointers if pointer in removed and pointer in named}
    return lost


def _is_unchanged(name: str, value: object, agent: Mapping[str, Any], sent: Mapping[str, Any]) -> bool:
    if name == "warnings":
        # They are about an earlier request and its note.
        return isinstance(value, list) and all(map(_is_warning, value))
    if name in MAPS and not (isinstance(value, Mapping) and value.keys() == agent[name].keys()):
        return False
    if name == "last_fetched_at":
        # Runtimes may have fetched the agent since.
        return _is_until(value, agent[name])
    if "version" in sent and _may_have_changed_since(name, value, agent[name]):
        return True
    return _is_same(value, _without_names(name, value, agent[name]))


def _may_have_changed_since(name: str, value: object, shown: Any) -> bool:
    """Whether this can be what the same version of the agent showed when it was read."""
    if name == "updated_by_token_owner":
        # The name that the person had.
        return value is None or _is_text(value)
    if name == "created_by":
        # The person was deleted.
        return shown is None and isinstance(value, Mapping) and _is_text(value.get("id")) and is_uuid(value["id"])
    return name == "last_test" and _was_read_before(value, shown)


def _without_names(name: str, value: object, shown: Any) -> Any:
    """What a response shows, without names of persons, and with `readable` of secrets as in the value.

    Both change while the agent stays as it is: people are renamed, and the server gets other encryption keys.
    """
    if name == "created_by" and shown is not None:
        return {"id": shown["id"]}
    if name == SECRETS_SET and isinstance(value, Mapping):
        was = {at: fact.get("readable") for at, fact in value.items() if isinstance(fact, Mapping)}
        return {
            at: {**fact, "readable": was[at]} if isinstance(was.get(at), bool) else fact for at, fact in shown.items()
        }
    return shown


def _is_older(version: object, current: int) -> bool:
    return isinstance(version, int) and not isinstance(version, bool) and 0 < version < current


def _is_warning(value: object) -> bool:
    return isinstance(value, Mapping) and _is_text(value.get("pointer")) and _is_text(value.get("detail"))


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _was_read_before(value: object, last_test: Mapping[str, Any] | None) -> bool:
    """Whether a last test is that of a document which was read before the agent was tested again."""
    if last_test is None or value is None:
        return value is None
    moment = _moment(value.get("tested_at")) if isinstance(value, Mapping) else None
    return moment is not None and moment <= last_test["tested_at"] - SAME_WITHIN


def _is_until(value: object, shown: datetime | None) -> bool:
    moment = _moment(value)
    return moment is not None and shown is not None and (moment <= shown or _is_same_moment(value, shown))


def _is_same(value: object, shown: object) -> bool:
    """Whether a value of JSON is what a response shows.

    Members that a program does not know may be missing, but not all. Others that it adds are not compared.
    """
    if isinstance(shown, Mapping):
        if not isinstance(value, Mapping):
            return False
        known = value.keys() & shown.keys()
        return bool(known or not shown) and all(_is_same(value[name], shown[name]) for name in known)
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
    if one is None or other is None:
        return False
    return abs(one - other) < (SAME_WITHIN if one.microsecond else SAME_SECOND)


def _moment(value: object) -> datetime | None:
    """The instant that a text says. None if it says no instant, such as a local time."""
    try:
        moment = datetime.fromisoformat(value.upper()) if isinstance(value, str) else None
    except ValueError:
        return None
    return moment if moment and moment.tzinfo else None
