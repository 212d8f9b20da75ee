"""A warning about a step, and the warnings about a step as a whole. Others are about tables, columns or rows."""

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from agents_app.paths import COMMAND


class Level(StrEnum):
    """DANGER loses data, fails or breaks the running release. WARN keeps people waiting."""

    DANGER = "DANGER"
    WARN = "WARN"


@dataclass(frozen=True)
class StepWarning:
    """One warning. `table` is None if it is about the step as a whole. `instead` may have several lines.

    `breaks_release`: the release that runs before the step fails on it. A step that is marked `after_release` runs when
    that release is gone: there the warning has the level `when_marked`, and is not given if that is None. `allowed` is
    the reason with which the file of the step allows a DANGER. `is_failure`: the database refuses the step, which no
    reason allows.
    """

    level: Level
    table: str | None
    what: str
    why: str
    instead: str
    breaks_release: bool = False
    when_marked: Level | None = None
    allowed: str | None = None
    is_failure: bool = False


RAISES = "raises"
BREAKS_RELEASE = "the running release fails on it"
MARK = "Write `after_release = True` next to its revision, and put the step last in a release that works without it."
OWN_STEP = "In a step of its own:"
AUTOCOMMIT = "with op.get_context().autocommit_block(): and one statement in each op.execute"


def warning_as_data(warning: StepWarning) -> dict[str, Any]:
    """A warning as plain data, for JSON."""
    return {
        "level": warning.level.value,
        "table": warning.table,
        "what": warning.what,
        "why": warning.why,
        "instead": warning.instead,
        "breaks_release": warning.breaks_release,
        "allowed": warning.allowed,
    }


def in_step(warning: StepWarning, *, is_marked: bool, is_upgrade: bool) -> StepWarning | None:
    """The warning as it is given about a step: `is_marked` is its `after_release`. None if it is not given."""
    if not warning.breaks_release or not is_upgrade:
        return warning
    if not is_marked:
        return replace(warning, level=Level.DANGER, instead=f"{MARK} {warning.instead}")
    if warning.when_marked is None:
        return None
    why = warning.why.replace(f", and {BREAKS_RELEASE}", "").replace(f", {BREAKS_RELEASE},", "")
    return replace(warning, level=warning.when_marked, why=why, breaks_release=False)


def with_reasons(warning: StepWarning, reasons: list[str]) -> StepWarning:
    """The warning with the reasons for which its step allows a DANGER, if it is one."""
    if not reasons or warning.level is not Level.DANGER or warning.is_failure:
        return warning
    return replace(warning, allowed=" ".join(dict.fromkeys(reasons)))


def not_understood(statement: str) -> StepWarning:
    """For plain SQL that cannot be read."""
    why = "Whether it loses rows or blocks other sessions is not known."
    instead = f"Use the operations of op. Or read it yourself, and try the step on a copy: {COMMAND} db rehearse"
    return StepWarning(Level.WARN, None, f"is not understood: {_shortened(statement)}", why, instead)


def refused_in_transaction(statement: str, table: str | None) -> StepWarning:
    """For a statement that PostgreSQL runs only outside a transaction."""
    why = "The database refuses it there, so the step fails."
    what = f"runs {_shortened(statement)} inside a transaction"
    return StepWarning(Level.DANGER, table, what, why, f"In a step of its own, {AUTOCOMMIT}.", is_failure=True)


def transaction_ended(statement: str) -> StepWarning:
    """For BEGIN, COMMIT or ROLLBACK in a step."""
    why = "The step is a transaction, which ends there. A failure after it leaves the step half done."
    if statement.upper().startswith(("BEGIN", "START")):
        why = "The step is in a transaction already, so it does nothing, or fails on SQLite."
    return StepWarning(Level.WARN, None, f"runs {statement}", why, f"Leave it out. To commit at once: {AUTOCOMMIT}.")


def certain_failure(table: str | None, cause: str, instead: str) -> StepWarning:
    """For an operation that the database refuses, however the rows are."""
    why = "The database refuses it, so the step fails."
    return StepWarning(Level.DANGER, table, f"fails: {cause}", why, instead, is_failure=True)


def risky_statement(statement: str, table: str | None, why: str, instead: str, *, is_danger: bool) -> StepWarning:
    """For a statement that needs a word, and no rule of its own."""
    level = Level.DANGER if is_danger else Level.WARN
    return StepWarning(level, table, f"runs {_shortened(statement)}", why, instead)


def limit_changed(statement: str) -> StepWarning:
    """For a SET of a time limit."""
    why = "It replaces the limits of the migration: others can wait for it longer than these allow."
    instead = "Leave it out, and use --lock-timeout or --statement-timeout."
    return StepWarning(Level.WARN, None, f"runs {_shortened(statement)}", why, instead)


def meaning_changed(statement: str) -> StepWarning:
    """For a SET of what the statements after it mean, such as search_path."""
    why = "The statements after it can mean other tables, or do other things, than the plan says."
    instead = "Leave it out, and write the schema before the name of a table."
    return StepWarning(Level.WARN, None, f"is not understood after {_shortened(statement)}", why, instead)


def _shortened(statement: str) -> str:
    return statement if len(statement) <= 120 else f"{statement[:117]}..."


def wide_statement(statement: str) -> StepWarning:
    """For a statement that drops more than it names."""
    why = "It also drops objects that it does not name, and does not save them."
    return StepWarning(Level.DANGER, None, f"runs {_shortened(statement)}", why, "Drop each object by name.")


def shared_step(operation: str) -> StepWarning:
    """For an operation that commits in the middle of a step with other operations."""
    what = f"has other operations besides {operation}"
    why = "It commits the operations before it, so a failure leaves the step half done."
    return StepWarning(Level.WARN, None, what, why, "Give it a step of its own.")


def validates_with_locks() -> StepWarning:
    """For VALIDATE CONSTRAINT in plain SQL, in the transaction of other operations."""
    why = "It checks every row, and others wait for the locks of these operations until the step ends."
    return StepWarning(
        Level.WARN, None, "has other operations besides VALIDATE CONSTRAINT", why, f"{OWN_STEP} op.validate_constraint"
    )


def question_open(answer: str) -> StepWarning:
    """For a step that asks whether a column was renamed."""
    why = "Only a person knows whether the new column has the values of the one that is gone."
    return StepWarning(Level.DANGER, None, "asks a question that nobody has answered", why, f"{answer}.")


def not_reversible(what: str) -> StepWarning:
    """For a step that cannot be undone."""
    why = "Only a backup can bring back the state before it."
    return StepWarning(Level.WARN, None, what, why, f"Write downgrade(), or take a backup first: {COMMAND} db backup")


def not_recorded(failure: str, *, raises: bool) -> StepWarning:
    """For a step that could only be partly reviewed, or that `raises` an error by itself."""
    if raises:
        why = "The step fails there, and the steps after it are not applied."
        return StepWarning(Level.DANGER, None, f"{RAISES} {failure}", why, "Correct the file.", is_failure=True)
    why = f"It queries the database, so the operations after the query are not known ({failure})."
    instead = f"Read the file. Then try the step on a copy: {COMMAND} db rehearse"
    return StepWarning(Level.WARN, None, "can only be partly reviewed", why, instead)
