"""Where the schema is: everything that `flask db status` says, check by check."""

from collections.abc import Iterator

from alembic.script import ScriptDirectory
from sqlalchemy.engine import URL, Connection

from agents_app.db import db
from agents_app.dbtools.configuration import alembic_config
from agents_app.dbtools.console_session import ConsoleSession, read_console_session
from agents_app.dbtools.position import read_position
from agents_app.dbtools.status import Status, read_status
from agents_app.doctor.check import Check, ok, problem, skipped, warning

SAME = "database.migration_address"
# What is said where nothing is wrong, in the order of the answer, by kind of database.
BOTH = {
    "database.encoding": "Text is stored as {encoding}.",
    "database.foreign_tables": "No table of another program is in the way.",
    "migrations.heads": "The steps are in one line.",
    "migrations.drift": "Tables and models agree.",
}
FINE = {
    "SQLite": {
        **BOTH,
        "database.rows": "The file is whole, and every row has the rows that it points to.",
        "backups.possible": "A backup can be taken.",
    },
    "PostgreSQL": {
        **BOTH,
        "database.schema": "The tables are in the schema {schema}.",
        "database.limits": "A statement ends after {statement_timeout}, waiting for a lock after {lock_timeout}.",
        "database.pooler": "{pooler}.",
        SAME: "{url} leads to the same database.",
        "database.read_only": "The database takes changes.",
        "database.rights": "The role {role} may make and change the console's tables.",
        "database.structure": "Indexes and constraints are whole.",
        "backups.possible": "A backup can be taken, with pg_dump {pg_dump}.",
    },
}


def checks(connection: Connection, console: URL) -> Iterator[Check]:
    """What is wrong with the database, and what is not; `console` is its address for the console itself."""
    try:
        script = ScriptDirectory.from_config(alembic_config(connection.engine.url))
        list(script.walk_revisions())
    except Exception as error:  # Whatever a file of Python may raise.
        what = f"The steps in migrations/versions cannot be read: {_why(error)}."
        yield problem("migrations.files", what, "Put the release's files back: git status migrations")
        return
    found = read_status(connection, script, db.metadata, read_position(connection, script))
    session = read_console_session(console, connection)
    problems = (*found.problems, *(session.problems if session else ()))
    for one in problems:
        yield problem(one.code, one.what, one.do)
    wrong = {one.code for one in problems}
    yield from _place(found, wrong)
    # Where there is one address, it is not said that it is the same.
    yield from _fine(found, session, wrong | (set() if connection.engine.url != console else {SAME}))


def _fine(found: Status, session: ConsoleSession | None, wrong: set[str]) -> Iterator[Check]:
    pooler = session.pooler if session else None
    between = f"A pooler in {pooler} mode is in between" if pooler else "No pooler is in between"
    words = {**vars(found), **(vars(session) if session else {}), "pooler": between}
    for code, sentence in FINE[found.server.partition(" ")[0]].items():
        if code == "migrations.drift" and found.drift is None:
            yield skipped(code, "Tables and models are compared when no step is pending.")
        elif code not in wrong:
            yield ok(code, sentence.format(**words))


def _place(found: Status, wrong: set[str]) -> Iterator[Check]:
    if found.position.is_ahead:
        what = f"The database is at {found.position.current}, which a newer release made."
        yield warning("migrations.ahead", what, "Install that release here too, or end its roll-out.")
    elif wrong & {"migrations.unstamped", "database.foreign_tables"}:
        yield skipped("migrations.pending", "The database is at no step of this release.")
    elif not found.position.pending:
        yield ok("migrations.pending", f"No step is pending; the database is at {found.position.current}.")
    if found.migrating:
        yield ok("migrations.running", f"A migration is running: {found.migrating}.")


def _why(error: Exception) -> str:
    # The text of other exceptions may repeat a line of the file.
    if isinstance(error, SyntaxError):
        return f"{error.filename}, line {error.lineno}, is no Python"
    return f"{type(error).__name__}: {str(error).splitlines()[0]}" if str(error) else type(error).__name__
