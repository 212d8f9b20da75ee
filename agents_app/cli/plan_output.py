"""A plan of a file of agents as lines and as JSON."""

import json
from collections.abc import Iterator
from typing import Any

from agents_app.operations.agent_plans import Difference, Kind, Plan, PlannedAgent
from agents_app.operations.agent_plans import as_json as plan_json
from agents_app.values.text_comparison import Budget, Part, compare, fold
from agents_app.values.text_comparison import Kind as PartKind
from agents_app.wording import number_text

__all__ = ["plan_json", "plan_lines", "summary"]

SIGNS = {Kind.NEW: "+", Kind.CHANGED: "~", Kind.MISSING: "-"}
# Texts that are longer are compared word by word.
SHORT = 60
MARKS = {PartKind.REMOVED: "[-{}-]", PartKind.ADDED: "{{+{}+}}"}


def plan_lines(plan: Plan) -> Iterator[str]:
    """The lines of a plan: each agent that is not the same, what changes in it, and the numbers of agents."""
    budget = Budget()
    for agent in plan.agents:
        if agent.kind is Kind.MISSING and not plan.prune:
            yield f"  {_title(agent)}: missing in the file, kept"
        elif agent.kind is not Kind.SAME:
            what = "deleted" if agent.kind is Kind.MISSING else agent.kind.value
            yield f"{SIGNS[agent.kind]} {_title(agent)}: {what}"
        for difference in agent.differences:
            yield from _difference(difference, budget)
        yield from (f"    {_name(pointer)}: {change}" for pointer, change in agent.secrets.items())
        yield from _to_set(agent)
    yield summary(plan, is_done=False)


def summary(plan: Plan, *, is_done: bool) -> str:
    """How many agents are of each kind."""
    counts = {kind: number_text(plan.counts[kind]) for kind in Kind}
    missing = "deleted" if plan.prune else "missing in the file and kept"
    said = f"{counts[Kind.NEW]} new, {counts[Kind.CHANGED]} changed, {counts[Kind.SAME]} the same"
    start = "Nothing was changed" if not plan.changes_something and is_done else "Applied" if is_done else "Plan"
    return f"{start}: {said}, {counts[Kind.MISSING]} {missing}."


def _title(agent: PlannedAgent) -> str:
    return f"{agent.name} ({agent.external_id})" if agent.external_id else agent.name


def _to_set(agent: PlannedAgent) -> Iterator[str]:
    if agent.secrets_to_set:
        names = ", ".join(map(_name, agent.secrets_to_set))
        is_unsaid = agent.kind is Kind.SAME
        start = f"  {_title(agent)}: same" if is_unsaid else ""
        if start:
            yield start
        yield f"    must be set: {names}{' (Incomplete until then)' if agent.is_incomplete else ''}"
    elif agent.is_incomplete and agent.kind is not Kind.SAME:
        yield "    lacks something to sign in (Incomplete)"


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
