"""Operations that read the history of an agent, also of a deleted one. `agents.py` writes it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.engine import Row

from agents_app.db import db
from agents_app.errors import Conflict, NotFound
from agents_app.models import Agent, AgentVersion
from agents_app.operations import snapshots, token_owners
from agents_app.operations import version_contents as contents
from agents_app.operations.permissions import Actor
from agents_app.operations.version_restores import NO_VERSION
from agents_app.schemas.listing import LIMIT
from agents_app.schemas.versions import VERSION_MAX, make_cursor, read_cursor

AnyRow = Row[*tuple[Any, ...]]
CHANGE = (
    AgentVersion.version,
    AgentVersion.action,
    AgentVersion.door,
    AgentVersion.actor_name,
    AgentVersion.user_id,
    AgentVersion.created_at,
    AgentVersion.note,
    AgentVersion.changes,
    token_owners.owner_of(AgentVersion),
)


@dataclass(frozen=True)
class Change:
    """Who made a version, when, through which door and why, and what it changed."""

    version: int
    action: str
    actor_name: str
    user_id: UUID | None
    created_at: datetime
    secrets: Mapping[str, str] = field(default_factory=dict)
    """By JSON pointer: set, replaced or removed."""
    door: str | None = None
    """None where it is unknown: an earlier release made the version, and its event is removed."""
    note: str | None = None
    fields: list[str] = field(default_factory=list)
    """The JSON pointers of what was changed, without secrets. Empty where the version made the agent."""
    restored_version: int | None = None
    undone_act: str | None = None
    """The bulk act that this change undid, back to `restored_version`."""
    token_owner: str | None = None
    """The present name of the person whose API token made the change. None without a token."""
    bulk_id: str | None = None
    """The id of the bulk act, or of its undo, that made the change."""

    def is_by(self, actor: Actor) -> bool:
        """Whether this person made the change on the pages. A token of theirs has another name."""
        return self.user_id is not None and (self.user_id, self.actor_name) == (actor.user_id, actor.name)


@dataclass(frozen=True)
class VersionPage:
    """Some versions of an agent, the newest first, and the agent now or when it was deleted."""

    items: list[Change]
    next_cursor: str | None
    name: str
    newest: int
    """The number of the newest version."""
    is_there: bool
    """Whether the agent exists."""


@dataclass(frozen=True)
class PastVersion:
    """An agent at one version: its fields, its configuration without secrets, and the later changes."""

    values: dict[str, Any] | None
    """None where the version does not exist or can no longer be read."""
    secrets: frozenset[str]
    """The JSON pointers of the secrets that were set."""
    later: list[Change]


@dataclass(frozen=True)
class Version:
    """An agent as one version recorded it."""

    change: Change
    content: dict[str, Any] | None
    """The fields, the status and the configuration without secrets: complete but not checked. None where they cannot be
    read."""
    secrets: list[str]
    """The JSON pointers of the secrets that were set."""
    problem: str | None
    """Why this release cannot restore the version. None if it can."""
    newest: int
    is_there: bool


@dataclass(frozen=True)
class Difference:
    """What is different in a version, compared with the version before it or with any other.

    The values have the fields of an agent with its status, without secrets. They are complete but not checked, as an
    older release may have written them. None where the version does not exist or cannot be read.
    """

    change: Change
    before: dict[str, Any] | None
    after: dict[str, Any] | None
    changed: list[str]
    """The JSON pointers of what differs. Without a version before, of all that is not empty. None is of a secret."""
    newest: int
    is_there: bool
    base: int | None = None
    """The number of the version that is compared with. None where there is no version before."""
    secrets: Mapping[str, str] = field(default_factory=dict)
    """What happened to secrets between the two versions, by JSON pointer: set, replaced or removed."""


def listing(actor: Actor, agent_id: UUID, cursor: str | None = None, limit: int = LIMIT) -> VersionPage:
    """The versions of an agent, the newest first. Raises Forbidden, NotFound, Malformed (cursor)."""
    actor.require("agents.read")
    newest, is_there = _newest(actor, agent_id), _is_there(actor, agent_id)
    named = sa.select(AgentVersion.snapshot["name"].as_string()).where(
        *_versions_of(actor, agent_id), AgentVersion.version == newest
    )
    name = sa.func.coalesce(_agent(actor, agent_id, Agent.name), named.correlate(None).scalar_subquery())
    query = sa.select(*CHANGE, newest.label("newest"), is_there.label("is_there"), name.label("name"))
    query = query.where(*_versions_of(actor, agent_id))
    if cursor:
        query = query.where(AgentVersion.version < read_cursor(cursor))
    with db.reading() as connection:
        rows = connection.execute(query.order_by(AgentVersion.version.desc()).limit(limit + 1)).all()
    if not rows:
        raise NotFound(NO_VERSION)
    shown, first = [_change(row) for row in rows[:limit]], rows[0]
    next_cursor = make_cursor(shown[-1].version) if len(rows) > limit else None
    title = str(first.name or "An agent without a name")  # another release may have recorded none
    return VersionPage(shown, next_cursor, title, first.newest, bool(first.is_there))


def changes_since(actor: Actor, agent_id: UUID, version: int) -> PastVersion:
    """The agent at this version, and the changes after it, in order. Raises Forbidden."""
    actor.require("agents.read")
    number = min(max(version, 0), VERSION_MAX)
    agent = _versions_of(actor, agent_id)
    later = sa.select(*CHANGE).where(*agent, AgentVersion.version > number).order_by(AgentVersion.version)
    then = sa.select(AgentVersion.snapshot).where(*agent, AgentVersion.version == number)
    with db.reading() as connection:
        snapshot: Any = connection.scalar(then)
        rows = connection.execute(later).all()
    values = contents.valid_values(snapshot)
    secrets = frozenset(contents.set_secrets(snapshot)) if values else frozenset()
    return PastVersion(values, secrets, [_change(row) for row in rows])


def read_version(actor: Actor, agent_id: UUID, version: int) -> Version:
    """The agent as this version recorded it, also where this release cannot read it. Raises Forbidden, NotFound."""
    actor.require("agents.read")
    newest, is_there = _newest(actor, agent_id), _is_there(actor, agent_id)
    query = sa.select(*CHANGE, AgentVersion.snapshot, newest.label("newest"), is_there.label("is_there"))
    query = query.where(*_versions_of(actor, agent_id), AgentVersion.version == _known(version))
    with db.reading() as connection:
        row = connection.execute(query).one_or_none()
    if row is None:
        raise NotFound(NO_VERSION)
    problem = None
    try:
        snapshots.draft(row.snapshot)
    except Conflict as refusal:
        problem = refusal.detail
    secrets = contents.set_secrets(row.snapshot)
    return Version(_change(row), contents.content(row.snapshot), secrets, problem, row.newest, bool(row.is_there))


def difference(actor: Actor, agent_id: UUID, version: int, base: int | None = None) -> Difference:
    """What this version has that the version `base`, or the one before, has not. Raises Forbidden, NotFound.

    `base` can also be a later version: then it says what a restore of this version would do to that one.
    """
    actor.require("agents.read")
    ends = _known(version), _known(version) - 1 if base is None else _known(base)
    snapshot = sa.case((AgentVersion.version.in_(ends), AgentVersion.snapshot)).label("snapshot")
    newest, is_there = _newest(actor, agent_id), _is_there(actor, agent_id)
    query = sa.select(*CHANGE, snapshot, newest.label("newest"), is_there.label("is_there"))
    # Of the versions between, only those that changed secrets.
    wanted = AgentVersion.version.in_(ends) | (AgentVersion.changes["secrets"].as_string() != "{}")
    query = query.where(*_versions_of(actor, agent_id), AgentVersion.version.between(min(ends), max(ends)), wanted)
    with db.reading() as connection:
        found = {row.version: row for row in connection.execute(query)}
    row, previous = found.get(version), found.get(ends[1])
    if row is None or (base is not None and previous is None):
        raise NotFound(NO_VERSION)
    before, after = contents.content(previous and previous.snapshot), contents.content(row.snapshot)
    changed = contents.changed(before, after) if previous is None or before else []
    secrets = _change(row).secrets if base is None else _secrets_between(found, *ends)
    number = None if previous is None else ends[1]
    return Difference(_change(row), before, after, changed, row.newest, bool(row.is_there), number, secrets)


def _secrets_between(found: Mapping[int, AnyRow], version: int, base: int) -> dict[str, str]:
    between = [row for number, row in found.items() if number > min(version, base)]
    touched = {pointer for row in between for pointer in _change(row).secrets}
    before, after = (contents.set_secrets(found[number].snapshot) for number in (base, version))
    return contents.secrets_between(before, after, touched)


def _known(version: int) -> int:
    if not 0 < version <= VERSION_MAX:
        raise NotFound(NO_VERSION)
    return version


def _versions_of(actor: Actor, agent_id: UUID) -> tuple[sa.ColumnElement[bool], ...]:
    return AgentVersion.agent_id == agent_id, AgentVersion.account_id == actor.account_id


def _newest(actor: Actor, agent_id: UUID) -> sa.ScalarSelect[Any]:
    return sa.select(sa.func.max(AgentVersion.version)).where(*_versions_of(actor, agent_id)).scalar_subquery()


def _agent(actor: Actor, agent_id: UUID, column: Any) -> sa.ScalarSelect[Any]:
    return sa.select(column).where(Agent.id == agent_id, Agent.account_id == actor.account_id).scalar_subquery()


def _is_there(actor: Actor, agent_id: UUID) -> sa.ColumnElement[bool]:
    return sa.exists().where(Agent.id == agent_id, Agent.account_id == actor.account_id)


def _change(row: AnyRow) -> Change:
    changes = row.changes if isinstance(row.changes, dict) else {}
    made = (row.version, row.action, row.actor_name, row.user_id, row.created_at)
    restored, bulk_id = changes.get("restored_version"), changes.get("bulk")
    return Change(
        *made,
        contents.changed_secrets(changes),
        row.door,
        row.note,
        contents.changed_fields(row.action, changes),
        restored if isinstance(restored, int) else None,
        str(changes["undone_act"]) if "undone_act" in changes else None,
        row.token_owner,
        bulk_id if isinstance(bulk_id, str) else None,
    )
