"""The warnings about columns: how serious, what, why, and the safe form."""

from agents_app.dbtools.review.table_warnings import SAVED, TWO_RELEASES, level_of_drop
from agents_app.dbtools.review.warnings import BREAKS_RELEASE, OWN_STEP, Level, StepWarning

NEW_COLUMN = (
    "Add a new column. Write to both columns. Fill the new column with op.fill_rows. Then read only the new column. "
    + "Drop the old column in a later release."
)
QUIET = "Do it while the console is stopped. Or add the column without it, and fill it with op.fill_rows."


def column_dropped(table: str, column: str, rows: int | None) -> StepWarning:
    """For DROP COLUMN."""
    what = f"drops the column {table}.{column}"
    why = f"Its values are deleted with it, and {BREAKS_RELEASE}."
    instead = f"{TWO_RELEASES} {SAVED}"
    return StepWarning(level_of_drop(rows), table, what, why, instead, breaks_release=True, when_marked=Level.WARN)


def column_renamed(table: str, column: str, name: str) -> StepWarning:
    """For a new name of a column."""
    why = f"Code that uses the name {column} fails from then on: {BREAKS_RELEASE}."
    what = f"renames the column {table}.{column} to {name}"
    return StepWarning(Level.DANGER, table, what, why, NEW_COLUMN, breaks_release=True)


def type_changed(table: str, column: str, wanted: str) -> StepWarning:
    """For a new type of a column that makes PostgreSQL rewrite the table."""
    what = f"changes the type of {table}.{column} to {wanted}".rstrip()
    why = "The whole table is rewritten, and until then no one can even read it."
    return StepWarning(Level.DANGER, table, what, why, NEW_COLUMN, breaks_release=True, when_marked=Level.WARN)


def not_null_set(table: str, column: str) -> StepWarning:
    """For NOT NULL on a column of a table in use."""
    why = "Every row is checked while no one can read or write the table."
    instead = f"{OWN_STEP} op.set_not_null('{table}', '{column}')"
    return StepWarning(Level.WARN, table, f"sets NOT NULL on {table}.{column}", why, instead)


def not_null_without_default(table: str, column: str) -> StepWarning:
    """For NOT NULL on a column that the running release may leave empty."""
    what = f"sets NOT NULL on {table}.{column}, which has no default"
    why = "Where the running release leaves the column empty, its new rows are refused."
    return StepWarning(Level.DANGER, table, what, why, "Or give it a server_default first.", breaks_release=True)


def not_null_too_early(table: str, column: str) -> StepWarning:
    """For NOT NULL on a column that the running release does not write."""
    why = "The running release does not know the column: its new rows are refused."
    instead = "Or stop the console, then run: flask db deploy --yes"
    what = f"sets NOT NULL on the new column {table}.{column}"
    return StepWarning(Level.DANGER, table, what, why, instead, breaks_release=True)


def value_missing(table: str, column: str) -> StepWarning:
    """For a new NOT NULL column without a value for the existing rows."""
    why = "The existing rows have no value for it, so the step fails."
    later = f"op.set_not_null('{table}', '{column}')"
    instead = f"Give it a server_default. Or add it as nullable, run op.fill_rows, and in a marked step {later}."
    return StepWarning(Level.DANGER, table, f"adds {table}.{column} NOT NULL without a default", why, instead)


def volatile_default(table: str, column: str, default: str) -> StepWarning:
    """For a new column whose default differs from row to row."""
    why = "It is computed for each row: the table is rewritten, and until then no one can even read it."
    instead = "Add it without a default, set the default with op.alter_column, then op.fill_rows in a step of its own."
    return StepWarning(Level.WARN, table, f"adds {table}.{column} with the default {default}", why, instead)


def generated_column_added(table: str, column: str) -> StepWarning:
    """For a new column that is computed from others and stored."""
    why = "It is computed for each row: the table is rewritten, and until then no one can even read it."
    return StepWarning(Level.WARN, table, f"adds the stored generated column {table}.{column}", why, QUIET)


def default_dropped(table: str, column: str, *, is_required: bool) -> StepWarning:
    """For a column that loses its default."""
    what = f"drops the default of {table}.{column}"
    if not is_required:
        why = "Rows of a release that does not write the column get NULL from then on."
        return StepWarning(Level.WARN, table, what, why, "Keep it until every release writes the column.")
    why = "The column is NOT NULL: where the running release relies on the default, its new rows are refused."
    return StepWarning(Level.DANGER, table, what, why, "An unused default does no harm.", breaks_release=True)


def label_removed(name: str, label: str) -> StepWarning:
    """For an enum that loses a label."""
    why = f"The step fails if rows contain the label, {BREAKS_RELEASE}, and each table with such a column is rewritten."
    instead = "Keep the label, and remove it from the code that writes it. An unused label does no harm."
    what = f"removes the label {label} of the enum {name}"
    return StepWarning(Level.DANGER, None, what, why, instead, breaks_release=True, when_marked=Level.WARN)


def label_renamed(name: str, label: str, new_label: str) -> StepWarning:
    """For a label of an enum that gets another name."""
    why = f"Code that reads or writes the label {label} fails from then on: {BREAKS_RELEASE}."
    instead = "Add the new label with op.add_enum_value, write it, and change the rows with op.fill_rows."
    what = f"renames the label {label} of the enum {name} to {new_label}"
    return StepWarning(Level.DANGER, None, what, why, instead, breaks_release=True)


def catalog_edited(statement: str) -> StepWarning:
    """For a statement that changes PostgreSQL's own tables."""
    why = "PostgreSQL checks nothing there: rows that need what is removed can no longer be read."
    instead = "Use op.add_enum_value, op.remove_enum_value or ALTER."
    return StepWarning(Level.DANGER, None, f"changes PostgreSQL's own tables: {statement[:120]}", why, instead)


def label_added_by_sql(name: str, label: str) -> StepWarning:
    """For an enum that gets a label inside the transaction of a step."""
    what = f"adds the label {label} to the enum {name} inside a transaction"
    why = "The rest of the transaction cannot use the label, and on SQLite the CHECK must be changed."
    return StepWarning(Level.WARN, None, what, why, f"{OWN_STEP} op.add_enum_value('{name}', '{label}')")
