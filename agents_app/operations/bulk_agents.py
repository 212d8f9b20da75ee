"""Operations that do one act with many agents, and undo it. Each agent is changed, unchanged, or fails with a reason.

`bulk_changes.py` makes the changes, `bulk_records.py` records the acts, `bulk_tests.py` tests many agents.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any
from uuid import UUID, uuid4

import sqlalchemy as sa

from agents_app.db import db
from agents_app.errors import Conflict, ConsoleError, InvalidInput, NotFound, Stale
from agents_app.models import Agent, AgentVersion
from agents_app.operations import (
    agent_list_statements,
    attention_columns,
    bulk_changes,
    bulk_names,
    bulk_records,
    bulk_tests,
    bulk_words,
    few_agents,
    form_keys,
    restored_agents,
    save_warnings,
    started_tests,
)
from agents_app.operations.agent_list_statements import OF_ACCOUNT
from agents_app.operations.agent_writes import NO_AGENT, Change, find_all, write
from agents_app.operations.bulk_changes import REASON_REPLACED, MakeChanges
from agents_app.operations.bulk_records import BUSY, BulkRecord
from agents_app.operations.bulk_results import BulkResult, Done
from agents_app.operations.bulk_words import UNDO
from agents_app.operations.deleted_agents import DeletedAgent
from agents_app.operations.permissions import Actor
from agents_app.schemas import bulk_agents as schema
from agents_app.schemas.bulk_agents import IDS_MAX, BulkAct
from agents_app.schemas.change_notes import check_note
from agents_app.schemas.listing import AgentQuery

# The agents of one transaction. Others who write wait for it, and on SQLite they wait for every transaction.
BATCH = 100
# After so many agents that another transaction has locked, the others of a batch are not waited for.
BUSY_MAX = 3
NO_VALUES: Mapping[str, Any] = {}
SHOWN = sa.select(Agent.id, Agent.name, Agent.status).where(OF_ACCOUNT)
# Changes some agents in one transaction, and adds them to the result.
Step = Callable[[Sequence[UUID], BulkResult], None]


def act(actor: Actor, values: Mapping[str, Any], key: str | None = None, later: Sequence[UUID] = ()) -> BulkResult:
    """Do one act with up to IDS_MAX agents. A form that is sent again with the same key changes nothing.

    A failure of one agent does not stop the others. For a test, `later` are agents that were chosen beyond those that
    are tested at once: the result has them as not tested. Raises Forbidden, InvalidInput, and Unavailable if the
    database fails: what was changed before is recorded.
    """
    actor.require(bulk_records.permission(schema.act_of(values)))
    wanted = schema.read(values)
    if wanted.act is BulkAct.TEST:
        started_tests.require_on()
    content = wanted.model_dump(mode="json")
    asked = content.pop("ids")
    schema.require_number(len(asked) + len(later))
    act_id = form_keys.row_id(actor, "bulk", json.dumps([key, content, asked])) if key else uuid4()
    try:
        bulk_records.begin(actor, act_id, **content, asked=len(asked) + len(later))
    except Conflict:
        return bulk_records.read(actor, act_id).result
    warnings, removes = schema.secret_warnings(content), bulk_words.removes(content)
    result = BulkResult(act_id, wanted.act, warnings=warnings, removes=removes)
    if wanted.act is BulkAct.TEST:
        bulk_tests.run(actor, wanted.ids, result)
        bulk_tests.leave(later, result)
    else:
        changes = bulk_changes.of_act(wanted, {"bulk": str(act_id)})
        _do_in_batches(partial(_write_batch, actor, changes), wanted.ids, result)
    result.failed = bulk_names.named(actor, result.failed)
    bulk_records.finish(actor, result)
    return result


def undo(actor: Actor, act_id: UUID, values: Mapping[str, Any] = NO_VALUES) -> BulkResult:
    """Undo what an act changed, for each agent that has not been changed since. Deleted agents are restored.

    `values` can have a note. A second undo changes nothing, and its result says so. Raises Forbidden, NotFound,
    InvalidInput, Conflict, and Unavailable as `act` does.
    """
    actor.require("agents.update")
    note = check_note(values)
    done = bulk_records.read(actor, act_id)
    kind = bulk_records.undoable(done.act)
    if kind is None:
        raise Conflict("A test and an undo cannot be undone.", code="cannot_be_undone")
    actor.require(bulk_records.undo_permission(kind))
    result = BulkResult(bulk_records.undo_id(act_id), UNDO, warnings=save_warnings.of_note(values))
    undone = {"undone": str(act_id), "undone_act": kind, "asked": len(done.changed), "note": note}
    reverted: set[UUID] = set()
    try:
        bulk_records.begin(actor, result.id, act=UNDO, **undone)
    except Conflict:
        earlier = bulk_records.read(actor, result.id)
        if earlier.counts is not None:
            return earlier.result
        # Its request was cut off, or still runs. This one goes on with the other agents.
        reverted = {one.id for one in earlier.changed}
    versions = {one.id: one.version or 0 for one in done.changed if one.id not in reverted}
    _do_in_batches(_undo_step(actor, kind, versions, note, {"bulk": str(result.id)}), list(versions), result)
    names = {one.id: one.name for one in done.changed}
    result.failed = bulk_names.named(actor, [one._replace(name=names[one.id]) for one in result.failed])
    return _finish_undo(actor, result)


def result(actor: Actor, act_id: UUID) -> BulkRecord:
    """What an act did. Raises Forbidden, NotFound."""
    actor.require("agents.read")
    return bulk_records.read(actor, act_id)


def matching(actor: Actor, query: AgentQuery, most: int = IDS_MAX) -> tuple[list[dict[str, Any]], bool]:
    """The id, name and status of the first `most` agents that match, and whether there are more. Raises Forbidden."""
    actor.require("agents.read")
    everything = query.model_copy(update={"limit": most, "cursor": None, "before": None})
    with db.reading() as connection:
        found = attention_columns.find(connection, actor.account_id) if query.needs_attention is not None else None
        few = few_agents.find(connection, actor.account_id, everything, found and found.some)
        statement = agent_list_statements.page(SHOWN, everything, found and found.ids, few)
        rows = [dict(row._mapping) for row in connection.execute(statement, {"account_id": actor.account_id})]
    return rows[:most], len(rows) > most


def selected(actor: Actor, agent_ids: Sequence[UUID]) -> list[dict[str, Any]]:
    """The id, name and status of those of these agents that exist, in the given order. Raises Forbidden."""
    actor.require("agents.read")
    with db.reading() as connection:
        found = bulk_names.agents_by_id(connection, actor, agent_ids)
    return [dict(found[one]._mapping) for one in dict.fromkeys(agent_ids) if one in found]


def deleted(actor: Actor, agent_ids: Sequence[UUID]) -> list[DeletedAgent]:
    """Those of these agents that are deleted, in the given order. Raises Forbidden."""
    actor.require("agents.read")
    with db.reading() as connection:
        found = bulk_names.deleted_by_id(connection, actor, agent_ids)
    return [found[one] for one in dict.fromkeys(agent_ids) if one in found]


def _finish_undo(actor: Actor, result: BulkResult) -> BulkResult:
    """Record an undo, with what other requests for it did at the same time. Returns what this request is answered."""
    whole = result.with_others(bulk_records.read(actor, result.id).changed)
    bulk_records.finish(actor, whole)
    return whole if result.changed or not whole.changed else whole.as_repeated()


def _undo_step(
    actor: Actor, kind: BulkAct, versions: Mapping[UUID, int], note: str | None, details: Mapping[str, Any]
) -> Step:
    if kind is BulkAct.DELETE:
        return partial(_restore_batch, actor, versions, note, {**details, "undone_act": kind.value})
    return partial(_write_batch, actor, bulk_changes.of_undo(actor, kind, versions, note, details))


def _do_in_batches(step: Step, agent_ids: Sequence[UUID], result: BulkResult) -> None:
    """Change the agents in batches, in the order in which every operation locks them.

    If a transaction is refused, its agents are changed one by one, so that only those fail that cannot be changed.
    """
    ordered = sorted(agent_ids)
    for start in range(0, len(ordered), BATCH):
        batch = ordered[start : start + BATCH]
        try:
            step(batch, result)
        except ConsoleError as refused:
            _require_one_agents_fault(refused)
            _do_one_by_one(step, batch, result)


def _do_one_by_one(step: Step, batch: Sequence[UUID], result: BulkResult) -> None:
    busy: list[ConsoleError] = []
    for agent_id in batch:
        try:
            if len(busy) >= BUSY_MAX:
                raise busy[-1]
            step([agent_id], result)
        except ConsoleError as refused:
            _require_one_agents_fault(refused)
            busy += [refused] if refused.code == BUSY else []
            result.fail(agent_id, None, refused)


def _require_one_agents_fault(error: ConsoleError) -> None:
    """Raise an error again that another agent would meet too, such as a database that cannot be reached."""
    if not isinstance(error, Conflict | InvalidInput | NotFound) and error.code != BUSY:
        raise error


def _write_batch(actor: Actor, make_changes: MakeChanges, agent_ids: Sequence[UUID], result: BulkResult) -> None:
    with db.transaction() as session:
        agents = {agent.id: agent for agent in find_all(session, actor, agent_ids)}
        names = {agent.id: agent.name for agent in agents.values()}
        made = make_changes(session, list(agents.values()))
        changes = [change for change in made.values() if isinstance(change, Change)]
        write(session, actor, *changes)
        for change in changes:
            if change.action == AgentVersion.DELETED:
                session.delete(change.agent)
    for agent_id, found in made.items():
        if isinstance(found, ConsoleError):
            result.fail(agent_id, names[agent_id], found)
        else:
            is_replaced = bool(found and found.details.get(REASON_REPLACED))
            done = Done(agent_id, names[agent_id], agents[agent_id].version, is_replaced)
            (result.changed if found else result.unchanged).append(done)
    for agent_id in agent_ids:
        if agent_id not in agents:
            result.fail(agent_id, None, NotFound(NO_AGENT))


def _restore_batch(
    actor: Actor,
    versions: Mapping[UUID, int],
    note: str | None,
    details: Mapping[str, Any],
    agent_ids: Sequence[UUID],
    result: BulkResult,
) -> None:
    with db.transaction() as session:
        agents = [restored_agents.restore(session, actor, one, note, details) for one in agent_ids]
        if any(agent.version != versions[agent.id] + 1 for agent in agents):
            raise Stale("It was restored and deleted again since.")
        done = [Done(agent.id, agent.name, agent.version) for agent in agents]
    result.changed += done
