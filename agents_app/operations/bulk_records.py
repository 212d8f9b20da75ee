"""Helpers that record a bulk act: one event for the whole act, in addition to the event of each agent.

The event of the act is added before the first change. When the act has ended, its details get the counts and the
failures, and its time becomes that of the end. Without them, the process ended before the act did.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid5

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from agents_app.db import db, now
from agents_app.errors import NotFound, Unavailable
from agents_app.models import Event
from agents_app.operations import bulk_names, bulk_words, event_records
from agents_app.operations.bulk_results import BulkResult, Done, Failure
from agents_app.operations.bulk_words import UNDO
from agents_app.operations.permissions import Actor
from agents_app.operations.token_owners import owner_of
from agents_app.schemas.bulk_agents import BulkAct

ACTION = "agent.bulk"
NO_ACT = "There is no bulk act with this id."
BUSY = "database_busy"
# How often the end of an act is recorded, while others keep the database busy.
FINISH_TRIES = 3
PERMISSIONS = {
    BulkAct.ENABLE: "agents.enable",
    BulkAct.DISABLE: "agents.disable",
    BulkAct.DELETE: "agents.delete",
    BulkAct.TEST: "agents.test",
}
# Clocks of several servers differ a little. An act that did not end has no end to search up to.
MARGIN, LONGEST = timedelta(minutes=1), timedelta(hours=1)


@dataclass(frozen=True)
class BulkRecord:
    """A bulk act as it was recorded."""

    id: UUID
    act: str
    """A value of BulkAct, or UNDO."""
    undone_act: str
    """For an undo: what was undone."""
    undone_id: UUID | None
    actor_name: str
    token_owner: str | None
    at: datetime
    changed: list[Done]
    failed: list[Failure]
    undo_id: UUID | None = None
    """The undo of this act, if there is one."""
    details: Mapping[str, Any] = field(default_factory=dict)
    """What its event says, with the values of the act."""

    @property
    def note(self) -> str | None:
        """Why the act was done."""
        return self.details.get("note")

    @property
    def asked(self) -> int:
        """The number of agents for which the act was asked."""
        return int(self.details.get("asked", 0))

    @property
    def counts(self) -> dict[str, int] | None:
        """The numbers of changed, unchanged and failed agents. None if the act did not end."""
        return self.details.get("counts")

    @property
    def removes(self) -> bool:
        """Whether the act removed a value of the agents, such as the owner."""
        return bulk_words.removes(self.details)

    @property
    def result(self) -> BulkResult:
        """What a repeated request returns: nothing is changed, and what the first one changed is so already."""
        done = BulkResult(self.id, self.act, self.changed, [], self.failed, removes=self.removes)
        return done.as_repeated()


def permission(act: BulkAct | None) -> str:
    """The permission that an act needs."""
    return PERMISSIONS.get(act, "agents.update") if act else "agents.update"


def undoable(act: str) -> BulkAct | None:
    """This act, if it can be undone. A test and an undo cannot."""
    return BulkAct(act) if act in list(BulkAct) and act != BulkAct.TEST else None


def undo_permission(act: BulkAct) -> str:
    """The permission that is needed to undo an act."""
    return "agents.restore_deleted" if act is BulkAct.DELETE else permission(act)


def undo_id(act_id: UUID) -> UUID:
    """The id of the undo of an act. There is only one."""
    return uuid5(act_id, UNDO)


def begin(actor: Actor, act_id: UUID, **details: Any) -> None:
    """Add the event of an act. Raises Conflict if there is one with this id."""
    with db.transaction() as session:
        event = event_records.new(actor, ACTION, None, {**details, "began": now().isoformat()})
        event.id = act_id
        session.add(event)


def finish(actor: Actor, result: BulkResult) -> None:
    """Record how an act ended.

    Where others keep the database busy, the record stays without an end: every change is stored, and a refusal would
    make the client repeat them.
    """
    for _ in range(FINISH_TRIES):
        try:
            _finish(actor, result)
        except Unavailable as refused:
            if refused.code != BUSY:
                raise
        else:
            return


def _finish(actor: Actor, result: BulkResult) -> None:
    with db.transaction() as session:
        event = session.scalars(_event(actor, result.id).with_for_update()).one_or_none()
        if event is None:
            return  # `flask purge` deleted it
        found = {"counts": result.counts, "failed": _grouped(result.failed)}
        tested = {"tested": [str(one.id) for one in result.changed]} if result.act == BulkAct.TEST else {}
        replaced = {"new_reasons": number} if (number := bulk_words.new_reasons(result.changed)) else {}
        event.details = {**event.details, **found, **tested, **replaced}
        event.created_at = now()


def read(actor: Actor, act_id: UUID) -> BulkRecord:
    """A bulk act of the account. Raises NotFound."""
    ids = [act_id, undo_id(act_id)]
    with db.reading() as connection:
        events = sa.select(Event.id, Event.created_at, Event.actor_name, owner_of(Event), Event.details)
        wanted = events.where(Event.id.in_(ids), Event.account_id == actor.account_id, Event.action == ACTION)
        rows = {row.id: row for row in connection.execute(wanted)}
        if (row := rows.get(act_id)) is None or not isinstance(row.details, dict):
            raise NotFound(NO_ACT)
        details = row.details
        tested = [UUID(one) for one in details.get("tested", ())]
        failed = [(group, UUID(one)) for group in details.get("failed", ()) for one in group["ids"]]
        changed = bulk_names.tested(actor, tested) if tested else _changed(connection, actor, row)
    return BulkRecord(
        act_id,
        details["act"],
        details.get("undone_act", ""),
        UUID(details["undone"]) if details.get("undone") else None,
        row.actor_name,
        row.token_owner,
        row.created_at,
        changed,
        bulk_names.named(actor, [Failure(one, None, group["code"], group["detail"]) for group, one in failed]),
        ids[1] if ids[1] in rows else None,
        details,
    )


def _event(actor: Actor, act_id: UUID) -> sa.Select[Event]:
    return sa.select(Event).where(Event.id == act_id, Event.account_id == actor.account_id, Event.action == ACTION)


def _changed(connection: Connection, actor: Actor, row: Any) -> list[Done]:
    """The agents that the act changed, by their own events. Those are found by the time of the act."""
    began, ended = datetime.fromisoformat(row.details["began"]), row.created_at
    last = ended + (MARGIN if "counts" in row.details else LONGEST)
    version = Event.details["version"].as_integer().label("version")
    replaced = Event.details["reason_replaced"].as_boolean().label("replaced")
    events = sa.select(Event.target_id, Event.target_name, version, replaced).where(
        Event.account_id == actor.account_id,
        Event.created_at.between(began - MARGIN, last),
        Event.details["bulk"].as_string() == str(row.id),
    )
    found = [
        Done(one.target_id, one.target_name, one.version, bool(one.replaced)) for one in connection.execute(events)
    ]
    return sorted(found, key=lambda one: (one.name.casefold(), one.id))


def _grouped(failed: Iterable[Failure]) -> list[dict[str, Any]]:
    """The failures with the ids of each reason. The names are those of the agents when they are read."""
    groups: dict[tuple[str, str], list[str]] = {}
    for one in failed:
        groups.setdefault((one.code, one.detail), []).append(str(one.id))
    return [{"code": code, "detail": detail, "ids": ids} for (code, detail), ids in groups.items()]
