"""What can be said against a step: how bad, what, why, and the safe form in terms of the operations that exist here."""

from dataclasses import dataclass, replace
from enum import StrEnum


class Level(StrEnum):
    """How bad: DANGER loses data, fails or breaks the release that still runs; WARN keeps people waiting."""

    DANGER = "DANGER"
    WARN = "WARN"


@dataclass(frozen=True)
class StepWarning:
    """One thing to say. `table` is None where it concerns the step as a whole; `instead` may have several lines."""

    level: Level
    table: str | None
    what: str
    why: str
    instead: str


SAVED = "What is dropped is saved to a file first, unless --no-backup; `flask db restore-rows` brings it back."
UNSAVED = "Plain SQL saves nothing of what it drops; op.drop_table and op.drop_column save it to a file first."
STILL_RUNS = "the release that still runs fails on it"
TWO_RELEASES = "Let a release that no longer uses it run first; drop it in the release after that."
OTHER_COLUMN = (
    "Add a column beside it, write both, fill it with op.fill_rows, read the new one, drop the old one later."
)
IN_ITS_OWN = "In a step of its own:"


def table_dropped(table: str, rows: int | None) -> StepWarning:
    """A table goes."""
    level = Level.WARN if rows == 0 else Level.DANGER
    return StepWarning(
        level,
        table,
        f"drops the table {table}",
        f"Its rows go with it, and {STILL_RUNS}.",
        f"{TWO_RELEASES} {SAVED}",
    )


def column_dropped(table: str, column: str, rows: int | None) -> StepWarning:
    """A column goes."""
    level = Level.WARN if rows == 0 else Level.DANGER
    return StepWarning(
        level,
        table,
        f"drops the column {table}.{column}",
        f"Its values go with it, and {STILL_RUNS}.",
        f"{TWO_RELEASES} {SAVED}",
    )


def without_saved_rows(dropped: StepWarning) -> StepWarning:
    """The same drop, of which nothing is saved."""
    return replace(dropped, instead=dropped.instead.replace(SAVED, UNSAVED))


def table_renamed(table: str, name: str) -> StepWarning:
    """A table gets another name."""
    why = f"Whoever says {table} fails from that moment on: {STILL_RUNS}."
    instead = f"Rename it and leave a view with the old name behind: op.execute('CREATE VIEW {table} AS ...')"
    return StepWarning(Level.DANGER, table, f"renames the table {table} to {name}", why, instead)


def column_renamed(table: str, column: str, name: str) -> StepWarning:
    """A column gets another name."""
    why = f"Whoever says {column} fails from that moment on: {STILL_RUNS}."
    return StepWarning(Level.DANGER, table, f"renames the column {table}.{column} to {name}", why, OTHER_COLUMN)


def type_changed(table: str, column: str, wanted: str) -> StepWarning:
    """A column gets a type that makes the table be written anew."""
    why = "The whole table is written anew, and until then nobody can even read it."
    return StepWarning(
        Level.DANGER, table, f"changes the type of {table}.{column} to {wanted}".rstrip(), why, OTHER_COLUMN
    )


def not_null_set(table: str, column: str) -> StepWarning:
    """A column must have a value from now on."""
    why = "Every row is looked at while nobody can read or write the table."
    instead = f"{IN_ITS_OWN} op.set_not_null('{table}', '{column}')"
    return StepWarning(Level.WARN, table, f"sets NOT NULL on {table}.{column}", why, instead)


def not_null_too_early(table: str, column: str) -> StepWarning:
    """A column must have a value that the release which still runs does not write."""
    why = "The release that still runs does not know the column: its new rows are refused."
    instead = "Leave this to the release after the one that writes the column; or stop the console, then deploy --yes."
    return StepWarning(Level.DANGER, table, f"sets NOT NULL on the new column {table}.{column}", why, instead)


def value_missing(table: str, column: str) -> StepWarning:
    """A new column must have a value, and the rows that are there get none."""
    why = "The rows that are there have no value for it, so the step fails."
    later = f"op.set_not_null('{table}', '{column}')"
    instead = f"Give it a server_default. Or add it nullable; in the next release op.fill_rows, then {later}."
    return StepWarning(Level.DANGER, table, f"adds {table}.{column} NOT NULL without a default", why, instead)


def volatile_default(table: str, column: str, default: str) -> StepWarning:
    """A new column gets a value that is another one for each row."""
    why = "It is worked out for each row: the table is written anew, and until then nobody can even read it."
    instead = "Add it without a default, set the default with op.alter_column, then op.fill_rows in a step of its own."
    return StepWarning(Level.WARN, table, f"adds {table}.{column} with the default {default}", why, instead)


def index_created(table: str, name: str, columns: list[str]) -> StepWarning:
    """An index is made while writers wait."""
    why = "Nobody can write to the table until it is made."
    instead = f"{IN_ITS_OWN} op.create_index_concurrently('{name}', '{table}', {columns})"
    return StepWarning(Level.WARN, table, f"makes the index {name} without CONCURRENTLY", why, instead)


def unique_added(table: str, name: str, columns: list[str]) -> StepWarning:
    """A UNIQUE constraint is added, and its index made while everybody waits."""
    why = "Nobody can read or write the table until its index is made."
    instead = f"{IN_ITS_OWN} op.create_index_concurrently('{name}', '{table}', {columns}, unique=True)"
    return StepWarning(Level.WARN, table, f"adds the UNIQUE constraint {name}", why, instead)


def primary_key_added(table: str) -> StepWarning:
    """A primary key is added."""
    why = "Nobody can read or write the table until its index is made and every row was looked at."
    last = f"op.execute('ALTER TABLE {table} ADD PRIMARY KEY USING INDEX ...')"
    instead = f"A step for each: op.set_not_null, op.create_index_concurrently(..., unique=True), {last}"
    return StepWarning(Level.WARN, table, f"makes a primary key on {table}", why, instead)


def not_validated(table: str, kind: str, name: str) -> StepWarning:
    """A CHECK or FOREIGN KEY is added that looks at every row at once."""
    why = "Every row is looked at while nobody can write to the table."
    then = f"op.validate_constraint('{name}', '{table}')"
    instead = f"Say postgresql_not_valid=True, which holds for new rows at once; in the next step: {then}"
    return StepWarning(Level.WARN, table, f"adds the {kind} {name} without NOT VALID", why, instead)


def label_removed(name: str, label: str) -> StepWarning:
    """An enum loses a label."""
    why = f"Rows that hold it make the step fail, {STILL_RUNS}, and each table with such a column is written anew."
    instead = "Keep the label and let no code write it any more; it costs nothing."
    return StepWarning(Level.DANGER, None, f"removes the label {label} of the enum {name}", why, instead)


def label_added_by_sql(statement: str) -> StepWarning:
    """An enum gets a label by plain SQL."""
    why = "In a transaction the label cannot be used by what follows, and SQLite needs its CHECK changed."
    return StepWarning(Level.WARN, None, f"says {statement}", why, "op.add_enum_value('name', 'LABEL')")


def rows_changed(table: str, verb: str) -> StepWarning:
    """All rows of a table are changed by one statement."""
    why = "All rows are locked until the step ends, and a failure at the last one begins again at the first."
    instead = "op.fill_rows, which goes on in small transactions, in a step of its own."
    return StepWarning(Level.WARN, table, f"says {verb} on {table} without WHERE", why, instead)


def rows_deleted(table: str, verb: str) -> StepWarning:
    """All rows of a table are deleted by one statement."""
    why = "Every row goes, and none is saved."
    instead = "Say which rows with WHERE; or take a backup: flask db backup"
    return StepWarning(Level.DANGER, table, f"says {verb} on {table} without WHERE", why, instead)


def wide_statement(statement: str) -> StepWarning:
    """A statement drops more than it names."""
    why = "It drops more than it names, and what goes with it is not saved."
    return StepWarning(
        Level.DANGER, None, f"says {statement}", why, "Name each thing that is to go, one after the other."
    )


def shared_step(what: str) -> StepWarning:
    """An operation that commits half-way shares its step."""
    why = "It commits what came before it in this step, so a failure leaves the step half done."
    return StepWarning(Level.WARN, None, f"does other things besides {what}", why, "Give it a step of its own.")


def not_reversible(reason: str) -> StepWarning:
    """A step cannot be undone."""
    why = "There is no way back but a backup."
    return StepWarning(Level.WARN, None, reason, why, "Write downgrade(), or take a backup first: flask db backup")


def not_recorded(failure: str) -> StepWarning:
    """A step could not be looked through to its end."""
    why = f"It asks the database for something, so what comes after that is not known beforehand ({failure})."
    return StepWarning(
        Level.WARN, None, "cannot be looked through", why, "Read the file; try it with: flask db rehearse"
    )
