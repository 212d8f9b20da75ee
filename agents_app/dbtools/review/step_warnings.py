"""The warnings about one step: those of its operations, and those about the step as a whole."""

from collections.abc import Iterable, Iterator

from alembic.operations import MigrateOperation
from alembic.script import Script

from agents_app.dbtools.marks import is_after_release
from agents_app.dbtools.operations.dangers import AllowDangerOp
from agents_app.dbtools.operations.renames import has_open_question, how_to_answer
from agents_app.dbtools.review import row_warnings, rules, warnings
from agents_app.dbtools.review.data_checks import DataCheck
from agents_app.dbtools.review.facts import DatabaseFacts
from agents_app.dbtools.review.recorder import RecordedStep
from agents_app.dbtools.review.warnings import StepWarning
from agents_app.dbtools.review.way_back import warnings_for_downgrade


def warnings_for_rows(checks: Iterable[DataCheck], operations: list[MigrateOperation]) -> Iterator[StepWarning]:
    """The warnings about rows that are not counted, and on which a step would fail, and about values that it loses."""
    for check in checks:
        if check.is_loss and check.count and not check.note and check.table is not None:
            lost = row_warnings.values_lost(check.table, check.what, check.query)
            yield warnings.with_reasons(lost, reasons_of(operations))
        if check.is_unfilled and check.table is not None:
            yield warnings.with_reasons(row_warnings.never_filled(check.table, check.what), reasons_of(operations))


def reasons_of(operations: list[MigrateOperation]) -> list[str]:
    """The reasons for which a step allows its dangers."""
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
    reasons = reasons_of(operations)
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
        yield from warnings_for_downgrade(script, operations, facts.dialect)
