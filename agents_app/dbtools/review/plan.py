"""The steps between a database and a revision: the tables of each, its warnings and its SQL."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from alembic.operations import MigrateOperation, ops
from alembic.script import Script, ScriptDirectory
from alembic.util import CommandError
from sqlalchemy.engine import Connection

from agents_app.dbtools.branches import RELATIVE_UP, ambiguous_way_back, ancestors, descendants, require_one_head
from agents_app.dbtools.marks import is_after_release
from agents_app.dbtools.operations.requirements import IncompleteRequirement
from agents_app.dbtools.phases import position_as_data
from agents_app.dbtools.position import EMPTY_REVISION, Position, Step
from agents_app.dbtools.review import rules, sql, warnings
from agents_app.dbtools.review.data_checks import DataCheck, DataChecks, check_as_data
from agents_app.dbtools.review.estimates import Estimate, Estimates, estimate_as_data
from agents_app.dbtools.review.facts import DatabaseFacts
from agents_app.dbtools.review.limit_queries import THIS_STEP
from agents_app.dbtools.review.recorder import record_step, step_sql
from agents_app.dbtools.review.refills import Fill, find_fills
from agents_app.dbtools.review.sql_operations import CreateViewOp
from agents_app.dbtools.review.step_warnings import warnings_for_rows, warnings_for_step
from agents_app.dbtools.review.table_size import TableSize
from agents_app.dbtools.review.warnings import Level, StepWarning
from agents_app.paths import COMMAND


@dataclass(frozen=True)
class PlannedStep:
    """One step: `direction` is "upgrade" or "downgrade"; `sql` is None if it depends on the tables themselves."""

    revision: str
    name: str
    direction: str
    tables: tuple[TableSize, ...]
    warnings: tuple[StepWarning, ...]
    sql: str | None
    after_release: bool = False
    checks: tuple[DataCheck, ...] = ()
    estimates: tuple[Estimate, ...] = ()


@dataclass(frozen=True)
class Plan:
    """The steps from the position of the database to `target`; there are none if the database is ahead.

    `refills` names the applied steps whose fills run again with `flask db deploy --finish`.
    """

    position: Position
    target: str
    steps: tuple[PlannedStep, ...]
    refills: tuple[str, ...] = ()

    @property
    def dangers(self) -> list[StepWarning]:
        """Every warning that stops a deployment."""
        return [warning for warning in self._all_dangers if warning.allowed is None]

    @property
    def allowed_dangers(self) -> list[StepWarning]:
        """Every DANGER that the file of its step allows, with the reason."""
        return [warning for warning in self._all_dangers if warning.allowed is not None]

    @property
    def refusals(self) -> list[DataCheck]:
        """Every data check that found rows on which a step would fail."""
        return [check for step in self.steps for check in step.checks if check.stops]

    @property
    def is_blocked(self) -> bool:
        """Whether it has a step that follows a pending marked one, so that `flask db deploy` applies none."""
        return self.position.is_blocked and any(
            step.direction == "upgrade" and step.revision not in {found.revision for found in self.position.finish}
            for step in self.steps
        )

    @property
    def _all_dangers(self) -> list[StepWarning]:
        return [warning for step in self.steps for warning in step.warnings if warning.level is Level.DANGER]


def make_plan(
    connection: Connection,
    script: ScriptDirectory,
    position: Position,
    target: str = "head",
    *,
    steps: tuple[Step, ...] | None = None,
    counts: bool = True,
) -> Plan:
    """The steps from `position` to `target`: "head", "+1", "-1", "base" or a revision. Nothing is changed.

    Pending `steps` are planned instead of a target. Without `counts` no table is read, so that large ones are fast too.

    Raises CommandError if `target` is unknown.
    """
    if position.is_ahead:
        return Plan(position, position.head, steps=())
    if steps is None:
        direction, revision, chosen = _steps_to(target, script, position)
    else:
        direction, revision, chosen = "upgrade", steps[-1].revision if steps else position.current, list(steps)
    fills = find_fills(connection, script, position)
    found = tuple(_planned_steps(DatabaseFacts(connection, counts=counts), script, chosen, direction, fills))
    return Plan(position, revision or "base", found, tuple(dict.fromkeys(fill.step.name for fill in fills)))


def _planned_steps(
    facts: DatabaseFacts, script: ScriptDirectory, steps: list[Step], direction: str, fills: list[Fill]
) -> Iterator[PlannedStep]:
    checks, estimates = DataChecks(facts), Estimates(facts)
    for step in steps:
        if step.after_release and direction == "upgrade":
            # `flask db deploy --finish` runs them again before the marked steps.
            for fill in fills:
                checks.note_fill(fill.step.name, fill.operation)
        yield _planned_step(facts, checks, estimates, script.get_revision(step.revision), direction)


def _steps_to(target: str, script: ScriptDirectory, position: Position) -> tuple[str, str | None, list[Step]]:
    revision = _target_revision(target, script, position)
    applied, parents = position.steps[: position.applied_count], position.parents
    if revision is not None and revision not in [step.revision for step in applied]:
        wanted = ancestors(parents, [revision])
        return "upgrade", revision, [step for step in position.pending if step.revision in wanted]
    undone = parents.keys() if revision is None else descendants(parents, revision)
    return "downgrade", revision, [step for step in reversed(applied) if step.revision in undone]


def _target_revision(target: str, script: ScriptDirectory, position: Position) -> str | None:
    # None is base.
    if target == "base":
        return None
    if target[:1] in "+-" and target[1:].isdigit():
        return _relative_revision(target, position)
    if not target:
        raise CommandError(EMPTY_REVISION)
    if target == "head":
        require_one_head(script)
    revision = script.get_revision(target)
    if revision is None:
        raise CommandError(f"There is no revision {target}. See: {COMMAND} db history")
    return revision.revision


def _relative_revision(target: str, position: Position) -> str | None:
    applied, total = position.applied_count, len(position.steps)
    count = applied + int(target)
    if not 0 <= count <= total:
        raise CommandError(f"There are not that many steps: {applied} are applied, {total - applied} are pending.")
    if target[0] == "+" and any(len(step.after) > 1 for step in position.pending):
        raise CommandError(RELATIVE_UP.format(target=target))
    if target[0] == "-" and (problem := ambiguous_way_back(position.parents, position.revisions, target)):
        raise CommandError(problem)
    return position.steps[count - 1].revision if count else None


def _planned_step(
    facts: DatabaseFacts, checks: DataChecks, estimates: Estimates, script: Script, direction: str
) -> PlannedStep:
    recorded = record_step(script, direction, facts.dialect)
    read = [part for found in recorded.operations for part in sql.operations_of(found, facts.dialect)]
    operations = checks.failures.without_missing(read)
    # No one uses a table that this step creates, also not before the operation that creates it.
    created = [rules.table_of(found, facts) for found in operations if isinstance(found, ops.CreateTableOp)]
    facts.created |= {name for name in created if name is not None and not facts.size(name).is_there}
    facts.views = {rules.table_of(found, facts) for found in operations if isinstance(found, CreateViewOp)}
    found = tuple(dict.fromkeys(warnings_for_step(facts, script, recorded, operations, direction)))
    names = dict.fromkeys(name for operation in operations for name in rules.tables_of(operation, facts))
    tables = tuple(facts.size(name) for name in names)
    text = step_sql(script, direction, facts.dialect)
    checked = tuple(
        replace(found, do=found.do.replace(THIS_STEP, script.revision))
        for found in _checks_of_step(checks, script, operations, is_known=recorded.failure is None)
    )
    found += tuple(dict.fromkeys(warnings_for_rows(checked, operations)))
    failing = checks.failures.of_step(operations, is_known=recorded.failure is None)
    found += tuple(failing)
    marked = is_after_release(script)
    lasting = estimates.of_step(operations)
    return PlannedStep(script.revision, script.doc, direction, tables, found, text, marked, checked, lasting)


def _checks_of_step(
    checks: DataChecks, script: Script, operations: list[MigrateOperation], *, is_known: bool
) -> tuple[DataCheck, ...]:
    try:
        return checks.of_step(script.doc, operations, is_known=is_known)
    except IncompleteRequirement as error:
        raise IncompleteRequirement(f"{Path(script.path).name}: {error}") from error


def plan_as_data(plan: Plan) -> dict[str, Any]:
    """A plan as plain data, for JSON."""
    steps = [_step_as_data(step) for step in plan.steps]
    return {**position_as_data(plan.position), "target": plan.target, "steps": steps}


def _step_as_data(step: PlannedStep) -> dict[str, Any]:
    return {
        "revision": step.revision,
        "name": step.name,
        "direction": step.direction,
        "tables": [vars(table) for table in step.tables],
        "after_release": step.after_release,
        "checks": [check_as_data(check) for check in step.checks],
        "estimates": [estimate_as_data(found) for found in step.estimates],
        "findings": [warnings.warning_as_data(warning) for warning in step.warnings],
        "sql": step.sql,
    }
