"""The two phases of a deployment: before the new release starts, and when the one before has stopped."""

from enum import StrEnum
from typing import Any

from agents_app.dbtools.branches import ancestors, last_of
from agents_app.dbtools.output import pluralize
from agents_app.dbtools.position import Position, Step
from agents_app.paths import COMMAND

DEPLOY = f"{COMMAND} db deploy"
FINISH_COMMAND = f"{DEPLOY} --finish"
PLAN = f"{COMMAND} db plan"
FINISH = f"When no process of an earlier release runs any more: {FINISH_COMMAND}"


class Phase(StrEnum):
    """What `flask db deploy` applies: the steps up to the first marked one, or also the first block of marked ones."""

    DEPLOY = "deploy"
    FINISH = "finish"


def steps_of(position: Position, phase: Phase) -> tuple[Step, ...]:
    """The steps that a deployment in this phase applies."""
    return position.finish if phase is Phase.FINISH else position.next_phase


def targets_of(position: Position, phase: Phase) -> list[str]:
    """The revisions to which a deployment in this phase leads: several if a pending merge joins their branches later.

    There are none if it applies no step.
    """
    return last_of(position.parents, [step.revision for step in steps_of(position, phase)])


def blocked_advice(position: Position) -> tuple[str, str]:
    """Why no step can be applied but by `--finish`, and what to do."""
    then = position.pending[len(position.finish)]
    before = ancestors(position.parents, then.after)
    first = next(step for step in position.waiting if step.revision in before)
    what = f"The step {then.name} follows {first.name}, which is pending and waits for --finish."
    do = f"When no process of the release before {first.name} runs any more: {FINISH_COMMAND}, then {DEPLOY}"
    return what, do


def require_not_blocked(position: Position, phase: Phase) -> None:
    """Raise CommandError if an unmarked step follows a pending marked one, and the phase does not apply that one."""
    from alembic.util import CommandError

    if phase is Phase.DEPLOY and position.is_blocked:
        what, do = blocked_advice(position)
        raise CommandError(f"{what} {do}. Nothing was changed.")


def way_to_head(position: Position) -> str:
    """The commands that apply every pending step."""
    if position.is_blocked:
        return f"{FINISH_COMMAND}, then {DEPLOY}"
    return FINISH_COMMAND if position.waiting else DEPLOY


def pending_advice(position: Position) -> tuple[str, str] | None:
    """What is pending before this release can serve, and what to do; None if it can."""
    if position.is_ready:
        return None
    if position.is_blocked:
        return blocked_advice(position)
    return f"{pluralize(len(position.pending), 'step')} pending, the next is {position.pending[0].name}.", DEPLOY


def position_as_data(position: Position) -> dict[str, Any]:
    """A position and its phases as plain data, for JSON."""
    return {
        "current": position.current,
        "is_ahead": position.is_ahead,
        "phases": {
            Phase.DEPLOY.value: [step.revision for step in position.next_phase],
            Phase.FINISH.value: [step.revision for step in position.waiting],
        },
        "is_ready": position.is_ready,
        "is_finish_pending": position.is_finish_pending,
        "is_blocked": position.is_blocked,
    }
