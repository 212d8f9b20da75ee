"""The warnings about one step: those of its operations, and those about the step as a whole."""

from collections.abc import Iterable, Iterator

from alembic.operations import MigrateOperation, ops
from alembic.script import Script

from agents_app.dbtools.marks import is_after_release
from agents_app.dbtools.operations.constraints import SetNotNullOp, ValidateConstraintOp
from agents_app.dbtools.operations.dangers import AllowDangerOp
from agents_app.dbtools.operations.enums import CreateEnumOp, DropEnumOp
from agents_app.dbtools.operations.extensions import CreateExtensionOp
from agents_app.dbtools.operations.renames import AnswerRenameOp, has_open_question, how_to_answer
from agents_app.dbtools.operations.requirements import RequireOp
from agents_app.dbtools.operations.rows_and_tables import FillRowsOp, RequireTablesOp
from agents_app.dbtools.review import row_warnings, rules, warnings
from agents_app.dbtools.review.data_checks import DataCheck
from agents_app.dbtools.review.facts import DatabaseFacts
from agents_app.dbtools.review.recorder import RecordedStep, record_step
from agents_app.dbtools.review.warnings import StepWarning

# They change no table that a downgrade would have to change back.
NEEDS_NO_DOWNGRADE = (
    AllowDangerOp,
    FillRowsOp,
    AnswerRenameOp,
    RequireOp,
    RequireTablesOp,
    CreateEnumOp,
    DropEnumOp,
    ops.BulkInsertOp,
    ops.ExecuteSQLOp,
    SetNotNullOp,
    ValidateConstraintOp,
    CreateExtensionOp,
)


def warnings_for_rows(checks: Iterable[DataCheck], operations: list[MigrateOperation]) -> Iterator[StepWarning]:
    """The warnings about rows that are not counted, and on which a step would fail."""
    for check in checks:
        if check.is_unfilled and check.table is not None:
            yield warnings.with_reasons(row_warnings.never_filled(check.table, check.what), _reasons(operations))


def _reasons(operations: list[MigrateOperation]) -> list[str]:
    return [found.reason for found in operations if isinstance(found, AllowDangerOp)]


def warnings_for_step(
    facts: DatabaseFacts,
    script: Script,
    recorded: RecordedStep,
    operations: list[MigrateOperation],
    direction: str,
) -> Iterator[StepWarning]:
    """The warnings about one step that do not depend on the steps before it."""
    is_marked, is_upgrade = is_after_release(script), direction == "upgrade"
    reasons = _reasons(operations)
    for operation in operations:
        for warning in rules.warnings_for_operation(operation, facts):
            given = warnings.in_step(warning, is_marked=is_marked, is_upgrade=is_upgrade)
            if given is not None:
                yield warnings.with_reasons(given, reasons)
    yield from rules.warnings_for_shared_step(operations, facts)
    if recorded.failure is not None:
        yield warnings.not_recorded(recorded.failure, raises=recorded.raises)
    if is_upgrade:
        if has_open_question(script.module):
            yield warnings.question_open(how_to_answer(script))
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
