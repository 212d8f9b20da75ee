"""The steps between a database and a revision: the tables of each, its warnings and its SQL."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

from alembic.operations import ops
from alembic.script import Script, ScriptDirectory
from alembic.util import CommandError
from sqlalchemy.engine import Connection

from agents_app.dbtools.operations.constraints import SetNotNullOp, ValidateConstraintOp, is_checked_not_null
from agents_app.dbtools.operations.enums import CreateEnumOp, DropEnumOp
from agents_app.dbtools.operations.extensions import CreateExtensionOp
from agents_app.dbtools.operations.rows_and_tables import FillRowsOp, RequireTablesOp
from agents_app.dbtools.position import EMPTY_REVISION, Position
from agents_app.dbtools.review import rules, sql, warnings
from agents_app.dbtools.review.recorder import RecordedStep, record_step, step_sql
from agents_app.dbtools.review.table_size import TableSize, table_size
from agents_app.dbtools.review.warnings import Level, StepWarning

# They change no table that a downgrade would have to change back.
NEEDS_NO_DOWNGRADE = (
    FillRowsOp,
    RequireTablesOp,
    CreateEnumOp,
    DropEnumOp,
    ops.BulkInsertOp,
    ops.ExecuteSQLOp,
    SetNotNullOp,
    ValidateConstraintOp,
    CreateExtensionOp,
)


@dataclass(frozen=True)
class PlannedStep:
    """One step: `direction` is "upgrade" or "downgrade"; `sql` is None if it depends on the tables themselves."""

    revision: str
    name: str
    direction: str
    tables: tuple[TableSize, ...]
    warnings: tuple[StepWarning, ...]
    sql: str | None


@dataclass(frozen=True)
class Plan:
    """The steps from the position of the database to `target`; there are none if the database is ahead."""

    position: Position
    target: str
    steps: tuple[PlannedStep, ...]

    @property
    def dangers(self) -> list[StepWarning]:
        """Every warning that stops a deployment."""
        return [warning for step in self.steps for warning in step.warnings if warning.level is Level.DANGER]


def make_plan(connection: Connection, script: ScriptDirectory, position: Position, target: str = "head") -> Plan:
    """The steps from `position` to `target`: "head", "+1", "-1", "base" or a revision. Nothing is changed.

    Raises CommandError if `target` is unknown.
    """
    if position.is_ahead:
        return Plan(position, position.head, steps=())
    scripts = list(script.walk_revisions())[::-1]
    start, end = position.applied_count, _count_up_to(target, script, position)
    facts = _database_facts(connection)
    if end >= start:
        steps = [_planned_step(connection, facts, step, "upgrade") for step in scripts[start:end]]
    else:
        steps = [_planned_step(connection, facts, step, "downgrade") for step in reversed(scripts[end:start])]
    return Plan(position, position.steps[end - 1].revision if end else "base", tuple(steps))


def _count_up_to(target: str, script: ScriptDirectory, position: Position) -> int:
    # How many steps a database at the target has: 0 is base.
    if target == "base":
        return 0
    applied, total = position.applied_count, len(position.steps)
    if target[:1] in "+-" and target[1:].isdigit():
        count = applied + int(target)
        if not 0 <= count <= total:
            raise CommandError(f"There are not that many steps: {applied} are applied, {total - applied} are pending.")
        return count
    if not target:
        raise CommandError(EMPTY_REVISION)
    revision = script.get_revision(target)
    if revision is None:
        raise CommandError(f"There is no revision {target}. See: flask db history")
    return [step.revision for step in position.steps].index(revision.revision) + 1


def _database_facts(connection: Connection) -> rules.DatabaseFacts:
    size_of = cache(partial(table_size, connection))
    dialect = connection.dialect.name

    def is_checked(table: str, column: str) -> bool:
        return dialect == "postgresql" and is_checked_not_null(connection, table, column)

    return rules.DatabaseFacts(dialect, lambda table: size_of(table).rows, is_checked)


def _planned_step(connection: Connection, facts: rules.DatabaseFacts, script: Script, direction: str) -> PlannedStep:
    recorded = record_step(script, direction, facts.dialect)
    # No one uses a table that this step creates, also not before the operation that creates it.
    facts.created |= {
        name for name in _created_tables(recorded, facts.dialect) if not table_size(connection, name).is_there
    }
    found = tuple(dict.fromkeys(_warnings(facts, script, recorded, direction)))
    tables = tuple(table_size(connection, name) for name in _tables(recorded, facts.dialect))
    return PlannedStep(
        script.revision, script.doc, direction, tables, found, step_sql(script, direction, facts.dialect)
    )


def _warnings(
    facts: rules.DatabaseFacts, script: Script, recorded: RecordedStep, direction: str
) -> Iterator[StepWarning]:
    for operation in recorded.operations:
        if isinstance(operation, ops.ExecuteSQLOp):
            yield from sql.warnings_for_sql(operation, facts)
        else:
            yield from rules.warnings_for_operation(operation, facts)
    yield from rules.warnings_for_shared_step(recorded.operations, facts)
    if recorded.failure is not None:
        yield warnings.not_recorded(recorded.failure)
    if direction == "upgrade":
        yield from _warnings_for_downgrade(script, recorded, facts.dialect)


def _warnings_for_downgrade(script: Script, recorded: RecordedStep, dialect: str) -> Iterator[StepWarning]:
    if not hasattr(script.module, "downgrade"):
        yield warnings.not_reversible("has no downgrade()")
        return
    downgrade = record_step(script, "downgrade", dialect)
    changes = [operation for operation in recorded.operations if not isinstance(operation, NEEDS_NO_DOWNGRADE)]
    if downgrade.failure is not None and downgrade.failure.startswith("NotImplementedError"):
        yield warnings.not_reversible("cannot be undone: its downgrade() raises an error")
    elif changes and not downgrade.operations and downgrade.failure is None:
        yield warnings.not_reversible("has a downgrade() that does nothing")


def _tables(recorded: RecordedStep, dialect: str) -> list[str]:
    names: dict[str, None] = {}
    for operation in recorded.operations:
        if isinstance(operation, ops.ExecuteSQLOp):
            names |= dict.fromkeys(sql.tables_in(operation, dialect))
        elif not isinstance(operation, RequireTablesOp) and (table := rules.table_of(operation)):
            names[table] = None
    return list(names)


def _created_tables(recorded: RecordedStep, dialect: str) -> Iterator[str]:
    for operation in recorded.operations:
        if isinstance(operation, ops.CreateTableOp):
            yield operation.table_name
        elif isinstance(operation, ops.ExecuteSQLOp):
            yield from sql.tables_created_in(operation, dialect)


def plan_as_data(plan: Plan) -> dict[str, Any]:
    """A plan as plain data, for JSON."""
    return {
        "current": plan.position.current,
        "target": plan.target,
        "is_ahead": plan.position.is_ahead,
        "steps": [_step_as_data(step) for step in plan.steps],
    }


def _step_as_data(step: PlannedStep) -> dict[str, Any]:
    return {
        "revision": step.revision,
        "name": step.name,
        "direction": step.direction,
        "tables": [vars(table) for table in step.tables],
        "findings": [{**vars(warning), "level": warning.level.value} for warning in step.warnings],
        "sql": step.sql,
    }
