"""The warnings about tables, their constraints and their indexes: how serious, what, why, and the safe form."""

from dataclasses import replace

from agents_app.database.quoting import quote_if_needed
from agents_app.dbtools.review.warnings import BREAKS_RELEASE, OWN_STEP, Level, StepWarning
from agents_app.paths import COMMAND

SAVED = f"The rows are first saved to a file, unless you use -x no_backup=1. To restore them: {COMMAND} db restore-rows"
NOT_SAVED = "Plain SQL does not save the rows. op.drop_table and op.drop_column save them to a file first."
TWO_RELEASES = "First deploy a release that no longer uses it."
UNNAMED = "(unnamed)"
NO_LONGER_UNIQUE = "Nothing refuses equal rows from then on, and code with ON CONFLICT fails."
QUIET = "Do it while the console is stopped."


def level_of_drop(rows: int | None) -> Level:
    """How serious a drop is in a downgrade."""
    return Level.WARN if rows == 0 else Level.DANGER


def table_dropped(table: str, rows: int | None) -> StepWarning:
    """For DROP TABLE."""
    why = f"Its rows are deleted with it, and {BREAKS_RELEASE}."
    instead = f"{TWO_RELEASES} {SAVED}"
    what = f"drops the table {table}"
    return StepWarning(level_of_drop(rows), table, what, why, instead, breaks_release=True, when_marked=Level.WARN)


def without_saved_rows(dropped: StepWarning) -> StepWarning:
    """The warning about the same drop in plain SQL, which saves no rows."""
    return replace(dropped, instead=dropped.instead.replace(SAVED, NOT_SAVED), when_marked=dropped.level)


def table_renamed(table: str, name: str) -> StepWarning:
    """For a new name of a table."""
    why = f"Code that uses the name {table} fails from then on: {BREAKS_RELEASE}."
    view = f"op.execute('CREATE VIEW {quote_if_needed(table)} AS ...')"
    what = f"renames the table {table} to {name}"
    instead = f"Or rename it and create a view with the old name: {view}"
    return StepWarning(Level.DANGER, table, what, why, instead, breaks_release=True)


def object_renamed(kind: str, name: str, new_name: str) -> StepWarning:
    """For a new name of a type, a schema or the like."""
    why = f"Code that uses the name {name} fails from then on: {BREAKS_RELEASE}."
    what = f"renames the {kind} {name} to {new_name}"
    return StepWarning(Level.DANGER, None, what, why, "Keep the name.", breaks_release=True)


def object_dropped(kind: str, name: str) -> StepWarning:
    """For a view, a sequence or a function that is dropped."""
    why = "Code that uses it fails until it is created again."
    what = f"drops the {kind} {name}"
    return StepWarning(Level.WARN, None, what, why, "First deploy a release that no longer uses it.")


def index_created(table: str, name: str, call: str) -> StepWarning:
    """For CREATE INDEX without CONCURRENTLY. `call` creates the same index."""
    why = "No one can write to the table until it is created."
    what = f"creates the index {name or UNNAMED} without CONCURRENTLY"
    return StepWarning(Level.WARN, table, what, why, f"{OWN_STEP} {call}")


def index_dropped(table: str, name: str, *, is_unique: bool) -> StepWarning:
    """For DROP INDEX without CONCURRENTLY."""
    why = "It waits for every transaction on the table, and until then no one can even read it."
    why += f" {NO_LONGER_UNIQUE}" if is_unique else ""
    instead = f"{OWN_STEP} op.drop_index_concurrently('{name}', '{table}')"
    return StepWarning(Level.WARN, table, f"drops the index {name} without CONCURRENTLY", why, instead)


def unique_dropped(table: str, name: str) -> StepWarning:
    """For a UNIQUE constraint or a unique index."""
    why = f"{NO_LONGER_UNIQUE} If equal rows are written, it cannot be created again."
    instead = "First deploy a release that works without it."
    return StepWarning(Level.WARN, table, f"drops {name}, which keeps rows of {table} unique", why, instead)


def primary_key_dropped(table: str, name: str) -> StepWarning:
    """For a primary key, which is dropped with its index."""
    why = f"Its index goes with it, and to create it again takes long. {NO_LONGER_UNIQUE}"
    instead = "First deploy a release that does not need it."
    return StepWarning(Level.WARN, table, f"drops the primary key {name} of {table}", why, instead)


def unique_added(table: str, name: str, call: str) -> StepWarning:
    """For a UNIQUE constraint, which creates an index. `call` adds the same constraint."""
    why = "No one can read or write the table until its index is created."
    return StepWarning(Level.WARN, table, f"adds the UNIQUE constraint {name}", why, f"{OWN_STEP} {call}")


def primary_key_added(table: str) -> StepWarning:
    """For a primary key on an existing table."""
    why = "No one can read or write the table until its index is created and every row is checked."
    last = f"op.execute('ALTER TABLE {quote_if_needed(table)} ADD PRIMARY KEY USING INDEX ...')"
    instead = f"One step for each: op.set_not_null, op.create_index_concurrently(..., unique=True), {last}"
    return StepWarning(Level.WARN, table, f"adds a primary key to {table}", why, instead)


def not_validated(table: str, kind: str, name: str, referent: str = "") -> StepWarning:
    """For a CHECK or FOREIGN KEY that checks every row at once."""
    tables = f"{table} or {referent}" if referent not in ("", table) else table
    why = f"Every row is checked while no one can write to {tables}."
    if kind == "CHECK":
        why = "Every row is checked while no one can even read the table."
    then = f"op.validate_constraint('{'...' if name == UNNAMED else name}', '{table}')"
    instead = f"Add it with postgresql_not_valid=True: it then applies to new rows. In the next step, run {then}"
    return StepWarning(Level.WARN, table, f"adds the {kind} {name} without NOT VALID", why, instead)


def exclusion_added(table: str, name: str) -> StepWarning:
    """For an EXCLUDE constraint, which creates an index."""
    why = "No one can read or write the table until its index is created, and there is no other way to add it."
    return StepWarning(Level.WARN, table, f"adds the EXCLUDE constraint {name}", why, QUIET)


def partition_attached(table: str) -> StepWarning:
    """For ATTACH PARTITION."""
    why = "Every row of it is checked while no one can even read it, unless a validated CHECK says the same."
    instead = "First add such a CHECK with postgresql_not_valid=True, and run op.validate_constraint."
    return StepWarning(Level.WARN, table, f"attaches the partition {table}", why, instead)


def table_locked(table: str, mode: str) -> StepWarning:
    """For LOCK TABLE."""
    why = "Others wait until the step ends. Each statement takes the lock that it needs by itself."
    return StepWarning(Level.WARN, table, f"locks {table} in the mode {mode}", why, "Leave it out.")


def table_rewritten(table: str | None, verb: str, instead: str) -> StepWarning:
    """For a statement that rewrites a table or its indexes under a lock."""
    why = "Everything is written again, and until then no one can write, or even read."
    return StepWarning(Level.WARN, table, f"runs {verb} on {table or 'every table'}", why, instead or QUIET)


def view_refreshed(name: str) -> StepWarning:
    """For REFRESH MATERIALIZED VIEW."""
    why = "No one can read the view until it is complete."
    instead = "REFRESH MATERIALIZED VIEW CONCURRENTLY, which needs a UNIQUE index on the view."
    return StepWarning(Level.WARN, name, f"refreshes the view {name} without CONCURRENTLY", why, instead)


def partition_added(table: str, default: str) -> StepWarning:
    """For a new partition of a table that has a default partition with rows."""
    why = f"Every row of the default partition {default} is checked, and until then no one can even read it."
    instead = "First add a CHECK to the default partition that excludes these rows, and run op.validate_constraint."
    return StepWarning(Level.WARN, table, f"adds a partition to {table}, which has a default partition", why, instead)


def partition_detached(table: str, partition: str) -> StepWarning:
    """For DETACH PARTITION and NO INHERIT."""
    why = f"Its rows are no longer in {table}: the running release no longer finds them."
    what = f"takes the rows of {partition} out of {table}"
    instead = "Deploy a release that does not need them first."
    return StepWarning(Level.DANGER, table, what, why, instead, breaks_release=True)


def hook_created(table: str, kind: str, name: str, *, replaces: bool) -> StepWarning:
    """For CREATE TRIGGER and CREATE RULE."""
    what = f"creates the {kind} {name} on {table}"
    if replaces:
        why = "It does something else instead of a statement: what the running release writes can be lost."
        return StepWarning(Level.DANGER, table, what, why, "Use a trigger.", breaks_release=True)
    why = "It runs for what every release writes from then on: if it fails, so does the statement."
    return StepWarning(Level.WARN, table, what, why, f"Try the running release with it: {COMMAND} db rehearse")


def rows_hidden(table: str, verb: str) -> StepWarning:
    """For ENABLE and FORCE ROW LEVEL SECURITY."""
    whom = "every role" if verb.startswith("FORCE") else "every role but the owner"
    why = f"Rows that no policy allows are hidden from {whom}: the running release no longer finds them."
    what = f"runs {verb} on {table}"
    return StepWarning(Level.DANGER, table, what, why, "First create the policies.", breaks_release=True)


def protection_removed(table: str, verb: str) -> StepWarning:
    """For DISABLE TRIGGER and the like."""
    why = "What it kept from being written, or from being read, no longer is: foreign keys are triggers too."
    return StepWarning(Level.WARN, table, f"runs {verb} on {table}", why, "Leave it out.")


def domain_changed(name: str, rule: str, tables: str, *, is_refusing: bool) -> StepWarning:
    """For a new rule of a domain."""
    why = f"Every row of {tables} is checked, and until then no one can write to it."
    if is_refusing:
        why += " New rows of the running release without a value are refused."
        what = f"sets {rule} on the domain {name}"
        return StepWarning(Level.DANGER, None, what, why, "Keep it nullable.", breaks_release=True)
    instead = "ALTER DOMAIN ... ADD CONSTRAINT ... NOT VALID checks no rows."
    return StepWarning(Level.WARN, None, f"sets {rule} on the domain {name}", why, instead)


def right_taken(statement: str) -> StepWarning:
    """For REVOKE."""
    why = "Code that connects as such a role and needs the right fails from then on."
    return StepWarning(Level.WARN, None, f"runs {statement[:120]}", why, "Check first who uses the right.")
