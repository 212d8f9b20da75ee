"""The warnings about statements that change or delete rows."""

from agents_app.dbtools.output import pluralize
from agents_app.dbtools.review.warnings import Level, StepWarning
from agents_app.paths import COMMAND
from agents_app.wording import number_text


def rows_changed(table: str, verb: str, met: str, *, has_condition: bool) -> StepWarning:
    """For one statement that changes many rows."""
    why = "These rows are locked until the step ends, and if it fails at the last row, all must be changed again."
    instead = "op.fill_rows, which works in small transactions, in a step of its own."
    return StepWarning(Level.WARN, table, _what(table, verb, met, has_condition=has_condition), why, instead)


def rows_deleted(
    table: str, verb: str, met: str, others: list[str], *, has_condition: bool, meets_none: bool
) -> StepWarning:
    """For one statement that deletes rows. `others` are the tables whose rows go with them, or lose a value."""
    what = _what(table, verb, met, has_condition=has_condition)
    level = Level.WARN if meets_none else Level.DANGER
    why = "No rows that it deletes are saved." if has_condition else "Every row is deleted, and none is saved."
    if others:
        why += f" Rows of {' and '.join(others)} that refer to them are deleted too, or lose the reference."
    name = (
        f"Take a backup: {COMMAND} db backup"
        if has_condition
        else f"Name the rows with WHERE; or take a backup: {COMMAND} db backup"
    )
    return StepWarning(level, table, what, why, name)


def values_not_copied(table: str, old: str, new: str) -> StepWarning:
    """For a rename that was answered with False."""
    why = f"It says that {new} has nothing to do with {old}: the values of {old} are not copied to {new}."
    instead = f"If {new} is the new name of {old}, write is_rename = True in the file before it is applied."
    return StepWarning(Level.WARN, table, f"copies no values of {old}", why, instead)


def never_filled(table: str, rows: str) -> StepWarning:
    """For a rule that needs a value in a new column which no step fills. `rows` are those that it refuses."""
    why = "The column is new, no step fills it, and the table has rows: the step fails."
    instead = "Fill it in a step before this one: op.fill_rows. Or add it with a server_default."
    return StepWarning(Level.DANGER, table, f"refuses {rows}", why, instead)


def values_lost(table: str, rows: str, query: str) -> StepWarning:
    """For a new type that cuts off or rounds values. `rows` are those that have them, and `query` lists them."""
    why = "No row is refused. The values that they have now are lost: nothing is saved, and no way back restores them."
    instead = f"Correct these rows in a step before this one, or keep them in another column. Rows: {query}"
    return StepWarning(Level.DANGER, table, f"loses values: {rows}", why, instead)


def met_rows(count: int | str | None, rows: int | None, *, is_estimate: bool) -> str:
    """How many rows of a table a statement meets: a count, or why they are not counted."""
    about = "about " if is_estimate else ""
    if isinstance(count, str):
        return f"rows not counted: {count}"
    if count is None:
        return "rows unknown" if rows is None else f"{about}{pluralize(rows, 'row')}"
    whole = "" if rows is None else f" of {about}{number_text(rows)}"
    return f"{number_text(count)}{whole} {'row' if (rows if rows is not None else count) == 1 else 'rows'}"


def _what(table: str, verb: str, met: str, *, has_condition: bool) -> str:
    return f"runs {verb} on {table}{'' if has_condition else ' without WHERE'} ({met})"
