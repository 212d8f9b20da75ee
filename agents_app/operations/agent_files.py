"""Operations that write the agents of an account as a file, and plan and apply such a file."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from agents_app.db import db
from agents_app.errors import Conflict, InvalidInput
from agents_app.models import Agent, AgentVersion
from agents_app.operations import agent_file_rows, agent_matching, agent_plans, encryption_keys
from agents_app.operations import agent_states as states
from agents_app.operations.agent_matching import Known
from agents_app.operations.agent_plans import Step
from agents_app.operations.agent_writes import Change, find_all, write
from agents_app.operations.permissions import Actor
from agents_app.operations.planned_agents import Kind, Plan, PlannedAgent
from agents_app.schemas import agent_files as schema
from agents_app.schemas.agent_files import AgentFile, Entry, Problems
from agents_app.schemas.change_notes import NOTE, check_note
from agents_app.schemas.listing import AgentQuery
from agents_app.values.choices import AgentStatus, Door

OVERTAKEN = (
    "Others created, changed or deleted agents of this file while it was applied. Nothing was changed. Plan it again."
)
OTHER_PLAN = (
    "Others changed these agents since the plan was made, an earlier request applied the same file, or it is the plan "
    + "of another file. Nothing was changed now. Read the new plan."
)
# What the event and the version of a change say in addition.
EXTERNAL_ID = "external_id"
FROM_FILE = {"from_file": True}
FindRows = Callable[[Sequence[UUID]], Mapping[UUID, Agent]]


@dataclass
class _Planner:
    """Plans one file, twice if it is applied: an agent that did not change in between is planned once."""

    actor: Actor
    file: AgentFile
    entries: list[Entry]
    of_file: Problems
    note: str | None = None
    _done: dict[tuple[str, UUID | None, int], Step | InvalidInput] = field(default_factory=dict)

    def steps(self, stored: Sequence[Known], find_rows: FindRows) -> list[Step]:
        """What is done with each entry. Raises InvalidInput with everything that is wrong, in the order of the file."""
        problems = list(self.of_file)
        matched = agent_matching.match(self.entries, stored, problems)
        versions = {agent.id: agent.version for agent in stored}
        wanted = [(entry, matched.get(entry.place)) for entry in self.entries]
        unknown = [one for entry, one in wanted if one and (entry.place, one, versions[one]) not in self._done]
        rows = find_rows(unknown)
        found = []
        for entry, agent_id in wanted:
            key = (entry.place, agent_id, versions.get(agent_id, 0) if agent_id else 0)
            if key not in self._done:
                self._done[key] = self.step(entry, rows.get(agent_id) if agent_id else None)
            found.append(self._done[key])
        problems += [problem for one in found if isinstance(one, InvalidInput) for problem in one.fields]
        if problems:
            # Several agents can have the secret that the note repeats.
            problems = [(pointer, self.file.explain(sentence)) for pointer, sentence in dict.fromkeys(problems)]
            raise InvalidInput(sorted(problems, key=lambda problem: self.file.line(problem[0]) or 0))
        return [one for one in found if isinstance(one, Step)]

    def step(self, entry: Entry, stored: Agent | None) -> Step | InvalidInput:
        """What is done with one entry, or what is wrong with it."""
        try:
            return agent_plans.step(self.actor, self.file, entry, stored, self.note)
        except InvalidInput as refusal:
            return refusal


def export(actor: Actor, query: AgentQuery | None = None) -> dict[str, Any]:
    """The document of the agents that match, which `schemas.agent_files.to_text` writes.

    Raises Forbidden, and InvalidInput if no file may have so many.
    """
    actor.require("agents.read")
    with db.reading() as connection:
        return schema.document(agent_file_rows.shown(connection, actor, query or AgentQuery()))


def shared_names(actor: Actor, document: Mapping[str, Any] | None = None) -> list[str]:
    """The names that several agents without an external id have, of all agents or of those of a document.

    No file says which of these agents it means, so none is imported. Raises Forbidden.
    """
    actor.require("agents.read")
    with db.reading() as connection:
        found = agent_file_rows.shared_names(connection, actor)
    written = (
        found if document is None else {one["name"] for one in document[schema.AGENTS] if not one.get(EXTERNAL_ID)}
    )
    return [name for name in found if name in written]


def plan(actor: Actor, file: AgentFile, *, prune: bool = False, expected: str | None = None) -> Plan:
    """What `apply` would do. Raises what `apply` raises, by JSON pointer."""
    planner = _planner(actor, file)
    with db.reading() as connection:
        stored = agent_file_rows.known(connection, actor)
        steps = planner.steps(stored, lambda ids: agent_file_rows.rows(connection, actor, ids))
    return _require_expected(_plan(steps, stored, prune=prune), expected)


def apply(
    actor: Actor, file: AgentFile, *, prune: bool = False, note: str | None = None, expected: str | None = None
) -> Plan:
    """Make the account as the file says, all or nothing, and return what was done. Missing agents are kept unless
    `prune` is set. `expected` is the digest of the only plan that may be applied.

    Raises Forbidden, InvalidInput with everything that is wrong, and Conflict if others changed the same agents.
    """
    planner = _planner(actor, file, note)
    with db.reading() as connection:
        stored = agent_file_rows.known(connection, actor)
        first = planner.steps(stored, lambda ids: agent_file_rows.rows(connection, actor, ids))
    # The rest is planned before the transaction, which holds locks.
    done = _require_expected(_plan(first, stored, prune=prune), expected)
    if not done.changes_something:
        return done
    with db.transaction() as session:
        encryption_keys.ensure_keyring(session)
        stored = agent_file_rows.known(session.connection(), actor)
        steps = planner.steps(stored, lambda ids: agent_file_rows.rows(session.connection(), actor, ids))
        done = _plan(steps, stored, prune=prune)
        pruned = [agent.agent_id for agent in done.agents if prune and agent.kind is Kind.MISSING and agent.agent_id]
        steps, locked = _lock(session, planner, steps, pruned)
        _require_expected(_plan(steps, stored, prune=prune), expected)
        _write(session, actor, steps, locked, pruned, planner.note)
    written = [replace(step, shown=replace(step.shown, agent_id=step.agent_id)) for step in steps]
    return _plan(written, stored, prune=prune)


def _require_expected(plan: Plan, expected: str | None) -> Plan:
    if expected is not None and plan.digest != expected:
        raise Conflict(OTHER_PLAN, code="other_plan")
    return plan


def _planner(actor: Actor, file: AgentFile, note: str | None = None) -> _Planner:
    actor.require("agents.import")
    problems: Problems = []
    try:
        note = check_note({NOTE: note})
    except InvalidInput as refusal:
        problems += refusal.fields
        note = None
    if actor.door is not Door.TERMINAL and file.read_reference is not None:
        raise ValueError("Only a person at the terminal has files and variables of their own.")
    entries, of_file = schema.entries(file)
    return _Planner(actor, file, entries, problems + of_file, note)


def _plan(steps: Sequence[Step], stored: Sequence[Known], *, prune: bool) -> Plan:
    there = {step.agent_id for step in steps}
    missing = [
        PlannedAgent(Kind.MISSING, agent.name, agent.external_id, agent_id=agent.id)
        for agent in sorted(stored, key=lambda one: (one.external_id is None, one.external_id or "", one.name, one.id))
        if agent.id not in there
    ]
    return Plan([*(step.shown for step in steps), *missing], prune)


def _lock(
    session: Session, planner: _Planner, steps: list[Step], pruned: list[UUID]
) -> tuple[list[Step], dict[UUID, Agent]]:
    """The steps as they are for the locked agents, and those agents. Raises Conflict if one of them is gone."""
    changed = [step.agent_id for step in steps if step.shown.kind is Kind.CHANGED]
    locked = {
        agent.id: agent for ids in _portions([*changed, *pruned]) for agent in find_all(session, planner.actor, ids)
    }
    if locked.keys() != {*changed, *pruned}:
        raise Conflict(OVERTAKEN)
    entries = {entry.place: entry for entry in planner.entries}
    found: list[Step] = []
    problems: Problems = []
    planned: Step | InvalidInput
    for step in steps:
        agent = locked.get(step.agent_id)
        if agent is not None and agent.version != step.version:
            planned = planner.step(entries[step.shown.place], agent)
        else:
            planned = step
        if isinstance(planned, InvalidInput):
            problems += planned.fields
        else:
            found.append(planned)
    if problems:
        raise InvalidInput(problems)
    return found, locked


def _portions(ids: Collection[UUID]) -> Iterator[Sequence[UUID]]:
    # In the order in which all operations lock, and few enough for one statement.
    ordered = sorted(ids)
    for start in range(0, len(ordered), agent_file_rows.ROWS_OF_A_QUERY):
        yield ordered[start : start + agent_file_rows.ROWS_OF_A_QUERY]


def _write(
    session: Session,
    actor: Actor,
    steps: Sequence[Step],
    locked: Mapping[UUID, Agent],
    pruned: Sequence[UUID],
    note: str | None,
) -> None:
    # In one order for every file: of two transactions that add the same external ids, the second only waits.
    ordered = sorted(steps, key=lambda step: step.state.fields["external_id"] or "")
    changes = [change for step in ordered for change in _changes(step, locked.get(step.agent_id), note)]
    deleted = [locked[agent_id] for agent_id in pruned]
    changes += [Change(AgentVersion.DELETED, agent, states.of_agent(agent), note, FROM_FILE) for agent in deleted]
    try:
        write(session, actor, *changes)
    except InvalidInput:
        raise Conflict(OVERTAKEN) from None
    for agent in deleted:
        session.delete(agent)


def _changes(step: Step, agent: Agent | None, note: str | None) -> Iterator[Change]:
    """What is written for one step: its fields, then its status, each as the act that it is at every other door."""
    if step.before is None:
        yield Change("agent.created", Agent(id=step.agent_id), step.state, note, FROM_FILE)
    elif step.shown.kind is Kind.CHANGED and agent is not None:
        before, after = step.before, step.state
        if not step.is_of_status_only:
            as_before = replace(after, status=before.status, reason=before.reason)
            yield Change("agent.updated", agent, as_before, note, FROM_FILE)
        if (before.status, before.reason) != (after.status, after.reason):
            action = "agent.enabled" if after.status is AgentStatus.ACTIVE else "agent.disabled"
            yield Change(action, agent, after, note, FROM_FILE)
