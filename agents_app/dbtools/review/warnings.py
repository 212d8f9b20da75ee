"""The warnings about a step: how serious, what, why, and the safe form, written with the operations of this project."""

from dataclasses import dataclass, replace
from enum import StrEnum

from agents_app.database.quoting import quote_if_needed


class Level(StrEnum):
    """DANGER loses data, fails or breaks the running release. WARN keeps people waiting."""

    DANGER = "DANGER"
    WARN = "WARN"


@dataclass(frozen=True)
class StepWarning:
    """One warning. `table` is None if it is about the step as a whole. `instead` may have several lines."""

    level: Level
    table: str | None
    what: str
    why: str
    instead: str


SAVED = "The rows are first saved to a file, unless you use --no-backup. To restore them: flask db restore-rows"
NOT_SAVED = "Plain SQL does not save the rows. op.drop_table and op.drop_column save them to a file first."
BREAKS_RELEASE = "the running release fails on it"
TWO_RELEASES = "First deploy a release that no longer uses it. Drop it in the release after that."
NEW_COLUMN = (
    "Add a new column. Write to both columns. Fill the new column with op.fill_rows. Then read only the new column. "
    + "Drop the old column in a later release."
)
OWN_STEP = "In a step of its own:"


def table_dropped(table: str, rows: int | None) -> StepWarning:
    """For DROP TABLE."""
    why = f"Its rows are deleted with it, and {BREAKS_RELEASE}."
    return StepWarning(_level_of_drop(rows), table, f"drops the table {table}", why, f"{TWO_RELEASES} {SAVED}")


def column_dropped(table: str, column: str, rows: int | None) -> StepWarning:
    """For DROP COLUMN."""
    what = f"drops the column {table}.{column}"
    why = f"Its values are deleted with it, and {BREAKS_RELEASE}."
    return StepWarning(_level_of_drop(rows), table, what, why, f"{TWO_RELEASES} {SAVED}")


def _level_of_drop(rows: int | None) -> Level:
    return Level.WARN if rows == 0 else Level.DANGER


def without_saved_rows(dropped: StepWarning) -> StepWarning:
    """The warning about the same drop in plain SQL, which saves no rows."""
    return replace(dropped, instead=dropped.instead.replace(SAVED, NOT_SAVED))


def table_renamed(table: str, name: str) -> StepWarning:
    """For a new name of a table."""
    why = f"Code that uses the name {table} fails from then on: {BREAKS_RELEASE}."
    instead = (
        f"Rename it and create a view with the old name: op.execute('CREATE VIEW {quote_if_needed(table)} AS ...')"
    )
    return StepWarning(Level.DANGER, table, f"renames the table {table} to {name}", why, instead)


def column_renamed(table: str, column: str, name: str) -> StepWarning:
    """For a new name of a column."""
    why = f"Code that uses the name {column} fails from then on: {BREAKS_RELEASE}."
    return StepWarning(Level.DANGER, table, f"renames the column {table}.{column} to {name}", why, NEW_COLUMN)


def type_changed(table: str, column: str, wanted: str) -> StepWarning:
    """For a new type of a column that makes PostgreSQL rewrite the table."""
    what = f"changes the type of {table}.{column} to {wanted}".rstrip()
    why = "The whole table is rewritten, and until then no one can even read it."
    return StepWarning(Level.DANGER, table, what, why, NEW_COLUMN)


def not_null_set(table: str, column: str) -> StepWarning:
    """For NOT NULL on a column of a table in use."""
    why = "Every row is checked while no one can read or write the table."
    instead = f"{OWN_STEP} op.set_not_null('{table}', '{column}')"
    return StepWarning(Level.WARN, table, f"sets NOT NULL on {table}.{column}", why, instead)


def not_null_too_early(table: str, column: str) -> StepWarning:
    """For NOT NULL on a column that the running release does not write."""
    why = "The running release does not know the column: its new rows are refused."
    instead = (
        "Do this in the release after the first that writes it. Or stop the console, then run: flask db deploy --yes"
    )
    return StepWarning(Level.DANGER, table, f"sets NOT NULL on the new column {table}.{column}", why, instead)


def value_missing(table: str, column: str) -> StepWarning:
    """For a new NOT NULL column without a value for the existing rows."""
    why = "The existing rows have no value for it, so the step fails."
    later = f"op.set_not_null('{table}', '{column}')"
    instead = (
        f"Give it a server_default. Or add it as nullable. In the next release, run op.fill_rows and then {later}."
    )
    return StepWarning(Level.DANGER, table, f"adds {table}.{column} NOT NULL without a default", why, instead)


def volatile_default(table: str, column: str, default: str) -> StepWarning:
    """For a new column whose default differs from row to row."""
    why = "It is computed for each row: the table is rewritten, and until then no one can even read it."
    instead = "Add it without a default, set the default with op.alter_column, then op.fill_rows in a step of its own."
    return StepWarning(Level.WARN, table, f"adds {table}.{column} with the default {default}", why, instead)


def index_created(table: str, name: str, columns: list[str]) -> StepWarning:
    """For CREATE INDEX without CONCURRENTLY."""
    why = "No one can write to the table until it is created."
    instead = f"{OWN_STEP} op.create_index_concurrently('{name}', '{table}', {columns})"
    return StepWarning(Level.WARN, table, f"creates the index {name} without CONCURRENTLY", why, instead)


def unique_added(table: str, name: str, columns: list[str]) -> StepWarning:
    """For a UNIQUE constraint, which creates an index."""
    why = "No one can read or write the table until its index is created."
    instead = f"{OWN_STEP} op.create_index_concurrently('{name}', '{table}', {columns}, unique=True)"
    return StepWarning(Level.WARN, table, f"adds the UNIQUE constraint {name}", why, instead)


def primary_key_added(table: str) -> StepWarning:
    """For a primary key on an existing table."""
    why = "No one can read or write the table until its index is created and every row is checked."
    last = f"op.execute('ALTER TABLE {quote_if_needed(table)} ADD PRIMARY KEY USING INDEX ...')"
    instead = f"One step for each: op.set_not_null, op.create_index_concurrently(..., unique=True), {last}"
    return StepWarning(Level.WARN, table, f"adds a primary key to {table}", why, instead)


def not_validated(table: str, kind: str, name: str) -> StepWarning:
    """For a CHECK or FOREIGN KEY that checks every row at once."""
    why = "Every row is checked while no one can write to the table."
    then = f"op.validate_constraint('{name}', '{table}')"
    instead = f"Add it with postgresql_not_valid=True: it then applies to new rows. In the next step, run {then}"
    return StepWarning(Level.WARN, table, f"adds the {kind} {name} without NOT VALID", why, instead)


def label_removed(name: str, label: str) -> StepWarning:
    """For an enum that loses a label."""
    why = f"The step fails if rows contain the label, {BREAKS_RELEASE}, and each table with such a column is rewritten."
    instead = "Keep the label, and remove it from the code that writes it. An unused label does no harm."
    return StepWarning(Level.DANGER, None, f"removes the label {label} of the enum {name}", why, instead)


def label_added_by_sql(statement: str) -> StepWarning:
    """For an enum that gets a label by plain SQL."""
    why = "The rest of the transaction cannot use the label, and on SQLite the CHECK must be changed."
    return StepWarning(Level.WARN, None, f"runs {statement}", why, "op.add_enum_value('name', 'LABEL')")


def rows_changed(table: str, verb: str) -> StepWarning:
    """For one statement that changes all rows of a table."""
    why = "All rows are locked until the step ends, and if it fails at the last row, all rows must be changed again."
    instead = "op.fill_rows, which works in small transactions, in a step of its own."
    return StepWarning(Level.WARN, table, f"runs {verb} on {table} without WHERE", why, instead)


def rows_deleted(table: str, verb: str) -> StepWarning:
    """For one statement that deletes all rows of a table."""
    why = "Every row is deleted, and none is saved."
    instead = "Name the rows with WHERE; or take a backup: flask db backup"
    return StepWarning(Level.DANGER, table, f"runs {verb} on {table} without WHERE", why, instead)


def wide_statement(statement: str) -> StepWarning:
    """For a statement that drops more than it names."""
    why = "It also drops objects that it does not name, and does not save them."
    return StepWarning(Level.DANGER, None, f"runs {statement}", why, "Drop each object by name.")


def shared_step(operation: str) -> StepWarning:
    """For an operation that commits in the middle of a step with other operations."""
    what = f"has other operations besides {operation}"
    why = "It commits the operations before it, so a failure leaves the step half done."
    return StepWarning(Level.WARN, None, what, why, "Give it a step of its own.")


def not_reversible(what: str) -> StepWarning:
    """For a step that cannot be undone."""
    why = "Only a backup can bring back the state before it."
    return StepWarning(Level.WARN, None, what, why, "Write downgrade(), or take a backup first: flask db backup")


def not_recorded(failure: str) -> StepWarning:
    """For a step that could only be partly reviewed."""
    why = f"It queries the database, so the operations after the query are not known ({failure})."
    instead = "Read the file. Then try the step on a copy: flask db rehearse"
    return StepWarning(Level.WARN, None, "can only be partly reviewed", why, instead)
