"""Where the schema is: everything that `flask db status` says, check by check."""

from collections.abc import Iterator

from alembic.script import ScriptDirectory
from sqlalchemy.engine import Connection

from agents_app.db import db
from agents_app.dbtools.configuration import alembic_config
from agents_app.dbtools.status import Status, status
from agents_app.doctor.check import Check, ok, problem, skipped, warning

# What is said where nothing is wrong, in the order of the answer.
FINE = {
    "database.rights": "The role may make and change the console's tables.",
    "database.structure": "Indexes and constraints are whole.",
    "database.rows": "The file is whole, and every row has the rows that it points to.",
    "migrations.heads": "The steps are in one line.",
    "migrations.drift": "Tables and models agree.",
    "backups.possible": "A backup can be taken{tool}.",
}
ONLY_ON = {"database.rights": "PostgreSQL", "database.structure": "PostgreSQL", "database.rows": "SQLite"}


def checks(connection: Connection) -> Iterator[Check]:
    """What is wrong with the schema, and what is not."""
    try:
        script = ScriptDirectory.from_config(alembic_config(connection.engine.url))
        list(script.walk_revisions())
    except Exception as error:  # Whatever a file of Python may raise.
        what = f"The steps in migrations/versions cannot be read: {_why(error)}."
        yield problem("migrations.files", what, "Put the release's files back: git status migrations")
        return
    found = status(connection, script, db.metadata)
    for one in found.problems:
        yield problem(one.code, one.what, one.do)
    wrong = {one.code for one in found.problems}
    yield from _place(found, wrong)
    for code, sentence in FINE.items():
        if code in wrong or not found.server.startswith(ONLY_ON.get(code, "")):
            continue
        if code == "migrations.drift" and found.drift is None:
            yield skipped(code, "Tables and models are compared when no step is pending.")
            continue
        yield ok(code, sentence.format(tool=f" with pg_dump {found.pg_dump}" if found.pg_dump else ""))


def _place(found: Status, wrong: set[str]) -> Iterator[Check]:
    if found.is_ahead:
        what = f"The database is at {found.current}, which a newer release made."
        yield warning("migrations.ahead", what, "Install that release here too, or end its roll-out.")
    elif not wrong & {"migrations.pending", "migrations.unstamped"}:
        yield ok("migrations.pending", f"No step is pending; the database is at {found.current}.")
    if found.migrating:
        yield ok("migrations.running", f"A migration is running: {found.migrating}.")


def _why(error: Exception) -> str:
    # The text of other exceptions may repeat a line of the file.
    if isinstance(error, SyntaxError):
        return f"{error.filename}, line {error.lineno}, is no Python"
    return f"{type(error).__name__}: {str(error).splitlines()[0]}" if str(error) else type(error).__name__
