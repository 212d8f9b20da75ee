"""The steps between a database and a revision: what each touches, what is to be said against it, its SQL."""

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
from agents_app.dbtools.position import EMPTY, state_among
from agents_app.dbtools.review import rules, sql, warnings
from agents_app.dbtools.review.recorder import RecordedStep, record_step, sql_of_step
from agents_app.dbtools.review.table_size import TableSize, table_size
from agents_app.dbtools.review.warnings import Level, StepWarning

# They change no table, so a step back has nothing to undo.
NEEDS_NO_WAY_BACK = (
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
    """One step: `direction` is "upgrade" or "downgrade"; `sql` is None where it needs the tables themselves."""

    revision: str
    name: str
    direction: str
    tables: tuple[TableSize, ...]
    findings: tuple[StepWarning, ...]
    sql: str | None


@dataclass(frozen=True)
class Plan:
    """The way from where the database is to `target`; a database ahead of this code has no steps."""

    current: str | None
    target: str
    is_ahead: bool
    steps: tuple[PlannedStep, ...]

    @property
    def dangers(self) -> list[StepWarning]:
        """Every finding that should stop somebody."""
        return [finding for step in self.steps for finding in step.findings if finding.level is Level.DANGER]


@dataclass
class _Way:
    connection: Connection
    facts: rules.DatabaseFacts


def plan(connection: Connection, script: ScriptDirectory, target: str = "head") -> Plan:
    """The steps from where the database of this connection is to `target`: "head", "+1", "-1", "base", a revision.

    Nothing is changed. Raises CommandError where `target` is not known.
    """
    steps = list(script.walk_revisions())[::-1]
    order = [step.revision for step in steps]
    state = state_among(connection, script)
    current = state.current
    if state.is_ahead:
        return Plan(current, order[-1], is_ahead=True, steps=())
    start = order.index(current) + 1 if current else 0
    end = _place(script, order, start, target)
    way = _way(connection)
    if end >= start:
        found = [_step(way, step, "upgrade") for step in steps[start:end]]
    else:
        found = [_step(way, step, "downgrade") for step in reversed(steps[end:start])]
    return Plan(current, order[end - 1] if end else "base", is_ahead=False, steps=tuple(found))


def _place(script: ScriptDirectory, order: list[str], start: int, target: str) -> int:
    # A place in the order counts the steps before it: 0 is base.
    if target == "base":
        return 0
    if target[:1] in "+-" and target[1:].isdigit():
        place = start + int(target)
        if not 0 <= place <= len(order):
            raise CommandError(f"There are not that many steps: {start} done, {len(order) - start} to come.")
        return place
    if not target:
        raise CommandError(EMPTY)
    revision = script.get_revision(target)
    if revision is None:
        raise CommandError(f"There is no revision {target}. See: flask db history")
    return order.index(revision.revision) + 1


def _way(connection: Connection) -> _Way:
    known = cache(partial(table_size, connection))
    is_checked = partial(_is_checked, connection)
    facts = rules.DatabaseFacts(connection.dialect.name, lambda table: known(table).rows, is_checked)
    return _Way(connection, facts)


def _is_checked(connection: Connection, table: str, column: str) -> bool:
    return connection.dialect.name == "postgresql" and is_checked_not_null(connection, table, column)


def _step(way: _Way, script: Script, direction: str) -> PlannedStep:
    dialect = way.facts.dialect
    recorded = record_step(script, direction, dialect)
    # A table that this step makes is nobody's yet, wherever in the step it comes.
    new = {name for name in _made(recorded, dialect) if not table_size(way.connection, name).is_there}
    way.facts.made |= new
    found = tuple(dict.fromkeys(_findings(way.facts, script, recorded, direction)))
    tables = tuple(table_size(way.connection, name) for name in _tables(recorded, dialect))
    return PlannedStep(script.revision, script.doc, direction, tables, found, sql_of_step(script, direction, dialect))


def _findings(
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
        yield from _way_back(script, recorded, facts.dialect)


def _way_back(script: Script, recorded: RecordedStep, dialect: str) -> Iterator[StepWarning]:
    if not hasattr(script.module, "downgrade"):
        yield warnings.not_reversible("has no downgrade()")
        return
    back = record_step(script, "downgrade", dialect)
    changes = [operation for operation in recorded.operations if not isinstance(operation, NEEDS_NO_WAY_BACK)]
    if back.failure is not None and back.failure.startswith("NotImplementedError"):
        yield warnings.not_reversible("refuses to be undone")
    elif changes and not back.operations and back.failure is None:
        yield warnings.not_reversible("has a downgrade() that does nothing")


def _tables(recorded: RecordedStep, dialect: str) -> list[str]:
    names: dict[str, None] = {}
    for operation in recorded.operations:
        if isinstance(operation, ops.ExecuteSQLOp):
            names |= dict.fromkeys(sql.tables_in(operation, dialect))
        elif not isinstance(operation, RequireTablesOp) and (table := rules.table_of(operation)):
            names[table] = None
    return list(names)


def _made(recorded: RecordedStep, dialect: str) -> Iterator[str]:
    for operation in recorded.operations:
        if isinstance(operation, ops.CreateTableOp):
            yield operation.table_name
        elif isinstance(operation, ops.ExecuteSQLOp):
            yield from sql.made_in(operation, dialect)


def as_data(found: Plan) -> dict[str, Any]:
    """A plan as plain data, for JSON."""
    return {
        "current": found.current,
        "target": found.target,
        "is_ahead": found.is_ahead,
        "steps": [_step_as_data(step) for step in found.steps],
    }


def _step_as_data(step: PlannedStep) -> dict[str, Any]:
    return {
        "revision": step.revision,
        "name": step.name,
        "direction": step.direction,
        "tables": [vars(table) for table in step.tables],
        "findings": [{**vars(finding), "level": finding.level.value} for finding in step.findings],
        "sql": step.sql,
    }
