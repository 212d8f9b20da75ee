"""Applies one phase of a deployment: its steps and, with `--finish`, the second pass of fills."""

from dataclasses import dataclass, field

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy.engine import URL

from agents_app.dbtools.configuration import limits_of_run
from agents_app.dbtools.database.connections import connect
from agents_app.dbtools.phases import Phase, targets_of
from agents_app.dbtools.position import Position, read_position
from agents_app.dbtools.records.run import Course
from agents_app.dbtools.review.refills import find_fills
from agents_app.dbtools.runner.keeping import keep_end
from agents_app.dbtools.runner.refill import mark_refilled, refill


@dataclass
class AppliedPhase:
    """The seconds of each step that was applied, how many fills ran again, and how many rows they filled."""

    times: dict[str, float] = field(default_factory=dict)
    fills: int = 0
    filled: int = 0


def apply_phase(url: URL, config: Config, position: Position, phase: Phase) -> AppliedPhase:
    """Apply the steps of a phase to a database that was at `position`, and keep this as one deployment.

    Raises CommandError if a step fails.
    """
    course = config.attributes["course"] = Course(is_last=False)
    done = AppliedPhase(_upgrade(config, targets_of(position, Phase.DEPLOY), course, is_end=phase is Phase.DEPLOY))
    if phase is Phase.DEPLOY:
        return done
    # Rows that the release before wrote after a fill are filled before the marked steps need their values.
    script = ScriptDirectory.from_config(config)
    with connect(url) as connection:
        reached = read_position(connection, script)
        fills = find_fills(connection, script, reached)
    course.is_last = not position.waiting
    if fills:
        done.fills = len(fills)
        done.filled = refill(url, fills, reached.current, config.attributes, limits_of_run(config))
    if position.waiting:
        done.times |= _upgrade(config, targets_of(position, Phase.FINISH), course, is_end=True)
    elif not fills:
        keep_end(url, course)
    mark_refilled(url, fills)
    return done


def _upgrade(config: Config, targets: list[str], course: Course, *, is_end: bool) -> dict[str, float]:
    times: dict[str, float] = {}
    for target in targets:
        course.is_last = is_end and target == targets[-1]
        command.upgrade(config, target)
        times |= config.attributes["times"]
    return times
