"""The warnings about a step that cannot be undone, also one that changes the tables in plain SQL."""

from collections.abc import Iterator, Sequence

from alembic.operations import MigrateOperation, ops
from alembic.script import Script

from agents_app.dbtools.operations.constraints import SetNotNullOp, ValidateConstraintOp
from agents_app.dbtools.operations.dangers import AllowDangerOp
from agents_app.dbtools.operations.enums import CreateEnumOp, DropEnumOp
from agents_app.dbtools.operations.extensions import CreateExtensionOp
from agents_app.dbtools.operations.renames import AnswerRenameOp
from agents_app.dbtools.operations.requirements import RequireOp
from agents_app.dbtools.operations.rows_and_tables import FillRowsOp, RequireTablesOp
from agents_app.dbtools.operations.table_fills import FillTableOp
from agents_app.dbtools.review import warnings
from agents_app.dbtools.review.recorder import record_step
from agents_app.dbtools.review.sql_operations import (
    ChangeDomainOp,
    CreateObjectOp,
    CreateViewOp,
    DropObjectOp,
    DropTypeOp,
    RenameLabelOp,
    RenameObjectOp,
    ReviewOperation,
    RowSecurityOp,
    WriteHookOp,
)
from agents_app.dbtools.review.warnings import StepWarning

# They change no table that a downgrade would have to change back.
NEEDS_NO_DOWNGRADE = (
    AllowDangerOp,
    FillRowsOp,
    FillTableOp,
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
# Of what only plain SQL does, these change the schema.
CHANGES_SCHEMA = (
    *(ChangeDomainOp, CreateViewOp, DropObjectOp, DropTypeOp, RenameLabelOp, RenameObjectOp, RowSecurityOp),
    *(WriteHookOp, CreateObjectOp),
)


def warnings_for_downgrade(
    script: Script, operations: Sequence[MigrateOperation], dialect: str
) -> Iterator[StepWarning]:
    """The warnings about the way back of a step with these operations, which plain SQL has been translated into."""
    if not hasattr(script.module, "downgrade"):
        yield warnings.not_reversible("has no downgrade()")
        return
    downgrade = record_step(script, "downgrade", dialect)
    if downgrade.raises or (downgrade.failure or "").startswith("NotImplementedError"):
        yield warnings.not_reversible("cannot be undone: its downgrade() raises an error")
    elif any(map(_is_change, operations)) and not downgrade.operations and downgrade.failure is None:
        yield warnings.not_reversible("has a downgrade() that does nothing")


def _is_change(operation: MigrateOperation) -> bool:
    if isinstance(operation, ReviewOperation):
        return isinstance(operation, CHANGES_SCHEMA)
    return not isinstance(operation, NEEDS_NO_DOWNGRADE)
