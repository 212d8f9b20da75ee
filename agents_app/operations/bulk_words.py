"""Helpers that say in words what a bulk act did: for the list, the result page, the API and the terminal."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

from agents_app.schemas.bulk_agents import REMOVABLE, act_of
from agents_app.wording import number_text

UNDO = "undo"
# What the agents were that an act changed, and those that were so already.
WERE = {
    "enable": ("enabled", "active already"),
    "disable": ("disabled", "disabled already, for this reason"),
    "delete": ("deleted", "deleted already"),
    "set_owner": ("given this owner", "given this owner before"),
    "set_environment": ("given this environment", "given this environment before"),
    "set_labels": ("given these labels", "labelled like this before"),
    "test": ("tested without a failure", "not tested"),
    UNDO: ("restored to the previous state", "like this already"),
}
FAILED = {"test": "failed or could not be tested"}


class Replaced(Protocol):
    """An agent that was changed, and whether only its reason was."""

    @property
    def reason_replaced(self) -> bool:
        """Whether it was disabled already, and only got a new reason."""


# A number of agents, and what follows it.
Part = tuple[int, str]


def removes(values: Mapping[str, Any]) -> bool:
    """Whether these values of an act remove a value of the agents, such as the owner."""
    name = REMOVABLE.get(act_of(values))
    return name is not None and name in values and values[name] is None


def parts(act: str, changed: Sequence[Replaced], unchanged: int, *, removes: bool) -> list[Part]:
    """What was done with the agents that were changed, and with those that were so already."""
    # Another release may know other acts.
    done, before = WERE.get(act, ("changed", "unchanged"))
    if removes:
        name = REMOVABLE[act_of({"act": act})]
        return [(len(changed), f"had the {name} removed"), (unchanged, f"had no {name} before")]
    replaced = new_reasons(changed)
    found = [(len(changed) - replaced, done), (replaced, "disabled already, and got a new reason"), (unchanged, before)]
    return [(number, _were(number, what)) for number, what in found if number != 0 or what != found[1][1]]


def new_reasons(changed: Sequence[Replaced]) -> int:
    """The number of agents that were disabled already, and only got a new reason."""
    return sum(one.reason_replaced for one in changed)


def sentences(parts: Iterable[Part], failed: int, act: str = "") -> str:
    """These parts in sentences, and how many agents failed."""
    said = [*parts, (failed, FAILED.get(act, _were(failed, "not changed")))]
    return " ".join(f"{number_text(number)} agent{'s' * (number != 1)} {what}." for number, what in said if number)


def _were(number: int, what: str) -> str:
    return f"{'was' if number == 1 else 'were'} {what}"
