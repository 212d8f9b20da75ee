"""The operation with which the file of a step gives the reason for what is dangerous in it."""

from alembic.operations import MigrateOperation, Operations
from alembic.util import CommandError

from agents_app.dbtools.database.notes import note_reason

WITHOUT_REASON = "op.allow_danger needs a reason: say why the step is safe, as op.allow_danger('...')."


class ReasonMissing(CommandError):
    """`op.allow_danger` was called without a reason."""


@Operations.register_operation("allow_danger")
class AllowDangerOp(MigrateOperation):
    """Allow the dangers of a step."""

    def __init__(self, reason: str) -> None:
        self.reason = reason

    @classmethod
    def allow_danger(cls, operations: Operations, reason: str = "") -> None:
        """Allow the dangers of this direction of the step, and say why. It changes nothing.

        `flask db plan` shows each DANGER with the reason, and `flask db deploy` does not stop at it. The reason is
        kept with the record of the run.

        Raises ReasonMissing if the reason is empty.
        """
        # What cannot be printed is no reason.
        letters = [letter if letter.isprintable() else " " for letter in reason] if isinstance(reason, str) else []
        text = " ".join("".join(letters).split())
        if not text:
            raise ReasonMissing(WITHOUT_REASON)
        operations.invoke(cls(text))


@Operations.implementation_for(AllowDangerOp)
def _allow(operations: Operations, operation: AllowDangerOp) -> None:
    note_reason(operations.migration_context, operation.reason)
