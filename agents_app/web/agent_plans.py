"""What pages show of a plan: the differences of each changed agent, and the labels of secrets."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from agents_app.operations.agent_merge import CONNECTION
from agents_app.operations.planned_agents import Difference, Kind, Plan, PlannedAgent
from agents_app.schemas.agents import CONFIG
from agents_app.schemas.field_titles import field_title
from agents_app.web.connection_display import connection_titles, server_label
from agents_app.web.differences import SECRET_CHANGES, AgentValuesShown, ChangedField
from agents_app.wording import number_text

TYPE = "/connection_type"
# The differences of further agents are not shown: a page has to be read, and to compare texts takes time.
DIFFERENCES_MAX = 100


@dataclass(frozen=True)
class ShownAgent:
    """An agent of a plan as a page shows it."""

    planned: PlannedAgent
    fields: Sequence[ChangedField] = ()
    secrets: Sequence[tuple[str, str]] = ()
    """The label of each secret that changes, and what is done with it."""
    has_differences: bool = True

    @property
    def connects_to(self) -> list[str]:
        """What the agent connects to, as the list of agents says it: the database, and the host or the dataset."""
        item = vars(self.planned)
        return [server_label(item), *connection_titles(item, {})]

    @property
    def secrets_to_set(self) -> list[str]:
        """The labels of the secrets that must be set afterwards."""
        return [_label(self.planned, pointer) for pointer in self.planned.secrets_to_set]


def of_kind(plan: Plan, kind: str) -> list[ShownAgent]:
    """The agents of this kind, in the order of the plan."""
    found = [agent for agent in plan.agents if agent.kind == kind]
    if kind != Kind.CHANGED:
        return [ShownAgent(agent) for agent in found]
    first = [_changed(agent) for agent in found[:DIFFERENCES_MAX]]
    return first + [ShownAgent(agent, has_differences=False) for agent in found[DIFFERENCES_MAX:]]


def to_set(plan: Plan) -> list[ShownAgent]:
    """The agents whose secrets must be set afterwards, those that change first."""
    found = [agent for agent in plan.agents if agent.kind is not Kind.MISSING and agent.secrets_to_set]
    return [ShownAgent(agent) for agent in sorted(found, key=lambda one: one.kind is Kind.SAME)]


def changes(plan: Plan) -> int:
    """The number of agents that a plan creates, changes and deletes."""
    return plan.counts[Kind.NEW] + plan.counts[Kind.CHANGED] + plan.deletes


def applied_sentence(done: Plan, incomplete: int) -> str:
    """What was done, with numbers, and how many of these agents are incomplete."""
    counted = ((done.counts[Kind.NEW], "created"), (done.counts[Kind.CHANGED], "changed"), (done.deletes, "deleted"))
    parts = [f"{number_text(number)} {what}" for number, what in counted if number]
    said = f"The file was applied: {', '.join(parts) or 'nothing changed'}."
    if not incomplete:
        return said
    are = "1 of them is" if incomplete == 1 else f"{number_text(incomplete)} of them are"
    return f"{said} {are} incomplete: runtimes need what is missing."


def _changed(agent: PlannedAgent) -> ShownAgent:
    before, after = (_values(agent, side) for side in ("before", "after"))
    shown = AgentValuesShown(before), AgentValuesShown(after)
    pointers = [one.pointer for one in agent.differences]
    if TYPE in pointers:
        # The configurations of two types have nothing in common.
        pointers = [*(one for one in pointers if one != TYPE and not one.startswith(f"/{CONFIG}/")), CONNECTION]
    fields = [
        ChangedField(
            shown[1].label(pointer) or shown[0].label(pointer) or pointer,
            shown[0].text(pointer),
            shown[1].text(pointer),
            shown[1].is_long(pointer) or shown[0].is_long(pointer),
        )
        for pointer in pointers
    ]
    secrets = [(_label(agent, one), SECRET_CHANGES.get(what, "Changed")) for one, what in agent.secrets.items()]
    return ShownAgent(agent, fields, secrets)


def _values(agent: PlannedAgent, side: str) -> dict[str, Any]:
    """The values of one side of the differences, as an agent has them."""
    values: dict[str, Any] = {"connection_type": agent.connection_type, CONFIG: {}}
    for one in agent.differences:
        name, _, member = one.pointer[1:].partition("/")
        (values[CONFIG] if name == CONFIG else values)[member or name] = _side(one, side)
    return values


def _side(difference: Difference, side: str) -> Any:
    return difference.before if side == "before" else difference.after


def _label(agent: PlannedAgent, pointer: str) -> str:
    return field_title(pointer, agent.connection_type) or pointer
