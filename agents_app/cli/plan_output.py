"""A plan of a file of agents as lines and as JSON."""

import json
from collections.abc import Iterable, Iterator
from typing import Any

from agents_app.operations.planned_agents import Difference, Kind, Plan, PlannedAgent
from agents_app.operations.planned_agents import as_json as plan_json
from agents_app.values.text_comparison import Budget, Part, compare, fold
from agents_app.values.text_comparison import Kind as PartKind
from agents_app.wording import number_text

__all__ = ["plan_json", "plan_lines", "summary"]

SIGNS = {Kind.NEW: "+", Kind.CHANGED: "~", Kind.MISSING: "-"}
# Texts that are longer are compared word by word.
SHORT = 60
# Of the agents that a plan does not change, so many are named.
NAMED_MAX = 20
MARKS = {PartKind.REMOVED: "[-{}-]", PartKind.ADDED: "{{+{}+}}"}


def plan_lines(plan: Plan) -> Iterator[str]:
    """The lines of a plan: each agent that changes and what changes in it, then the first of the others."""
    budget = Budget()
    unchanged: list[str] = []
    for agent in plan.agents:
        if agent.kind is Kind.SAME or (agent.kind is Kind.MISSING and not plan.prune):
            unchanged += _unchanged(agent)
            continue
        what = "deleted" if agent.kind is Kind.MISSING else agent.kind.value
        yield f"{SIGNS[agent.kind]} {_title(agent)}: {what}"
        if agent.kind is Kind.NEW:
            yield f"    connection: {', '.join([agent.connection_type, *_texts(agent.connection.values())])}"
        for difference in agent.differences:
            yield from _difference(difference, budget)
        yield from _secrets(agent)
    yield from unchanged[:NAMED_MAX]
    if len(unchanged) > NAMED_MAX:
        yield f"  … and {number_text(len(unchanged) - NAMED_MAX)} more that stay as they are. --json has all of them."


def summary(plan: Plan, *, is_done: bool) -> str:
    """How many agents are of each kind."""
    counts = {kind: number_text(plan.counts[kind]) for kind in Kind}
    missing = "deleted" if plan.prune else "missing in the file and kept"
    said = f"{counts[Kind.NEW]} new, {counts[Kind.CHANGED]} changed, {counts[Kind.SAME]} the same"
    start = "Nothing was changed" if not plan.changes_something and is_done else "Applied" if is_done else "Plan"
    return f"{start}: {said}, {counts[Kind.MISSING]} {missing}."


def _title(agent: PlannedAgent) -> str:
    return f"{agent.name} ({agent.external_id})" if agent.external_id else agent.name


def _unchanged(agent: PlannedAgent) -> Iterator[str]:
    if agent.kind is Kind.MISSING:
        yield f"  {_title(agent)}: missing in the file, kept"
    elif agent.secrets_to_set:
        yield f"  {_title(agent)}: same, {_to_set(agent)}"


def _secrets(agent: PlannedAgent) -> Iterator[str]:
    for pointer, change in agent.secrets.items():
        source, sent_to = agent.sources.get(pointer), ", ".join(agent.destinations.get(pointer, ()))
        words = [f" from {source}" if source else "", f", sent to {sent_to}" if sent_to else ""]
        yield f"    {_name(pointer)}: {change}{''.join(words)}"
    if agent.secrets_to_set:
        yield f"    {_to_set(agent)}"
    elif agent.is_incomplete:
        yield "    lacks something to sign in (Incomplete)"


def _to_set(agent: PlannedAgent) -> str:
    names = ", ".join(map(_name, agent.secrets_to_set))
    return f"must be set: {names}{' (Incomplete until then)' if agent.is_incomplete else ''}"


def _texts(values: Iterable[Any]) -> list[str]:
    return [str(value) for value in values if value]


def _difference(difference: Difference, budget: Budget) -> Iterator[str]:
    before, after = difference.before, difference.after
    start = f"    {_name(difference.pointer)}: "
    if isinstance(before, str) and isinstance(after, str) and max(len(before), len(after)) > SHORT:
        text = "".join(map(_part, fold(compare(before, after, budget))))
        first, *others = text.split("\n")
        yield start + first
        yield from (f"      {line}" for line in others)
    else:
        yield f"{start}{_value(before)} → {_value(after)}"


def _part(part: Part) -> str:
    if part.kind is PartKind.FOLDED:
        return f"… {part.size} …"
    return MARKS[part.kind].format(part.text) if part.kind in MARKS else part.text


def _value(value: Any) -> str:
    return "(empty)" if value in (None, "", [], {}) else json.dumps(value, ensure_ascii=False)


def _name(pointer: str) -> str:
    return pointer[1:].replace("/", ".")
