"""What an operation reports about itself while its step runs. The record of the run keeps it with the step."""

from alembic.runtime.migration import MigrationContext


def note_filled_rows(context: MigrationContext, count: int) -> None:
    """Add to the number of rows that the current step has filled."""
    if "record" in context.opts:
        context.opts["record"].note_filled_rows(count)


def note_reason(context: MigrationContext, reason: str) -> None:
    """Keep why the file of the current step allows a dangerous operation."""
    if "record" in context.opts:
        context.opts["record"].note_reason(reason)
