"""The state of the schema: the facts of `flask db status` as checks."""

from collections.abc import Iterator

from alembic.script import ScriptDirectory
from sqlalchemy.engine import URL, Connection

from agents_app.db import db
from agents_app.dbtools.configuration import alembic_config
from agents_app.dbtools.console_session import ConsoleSession, read_console_session
from agents_app.dbtools.output import pluralize
from agents_app.dbtools.phases import FINISH
from agents_app.dbtools.position import read_position
from agents_app.dbtools.review.refills import find_fills
from agents_app.dbtools.status import Status, read_status
from agents_app.doctor import search
from agents_app.doctor.check import Check, ok, problem, skipped, warning

RESTORE_FILES = "Restore the files of the release. To list changed files: git status migrations"
AHEAD = (
    "This is expected during a rolling upgrade and after a return to this release. Otherwise install the newer one "
    + "here too."
)
SAME_DATABASE = "database.migration_address"
# The sentences for checks without a problem, in their order, by type of database.
ALL_DATABASES = {
    "database.encoding": "Text is stored as {encoding}.",
    "database.foreign_tables": "No other program has tables with the names of the console's tables.",
    "migrations.heads": "Each migration follows exactly one other migration.",
    "migrations.changed": "No file of an applied step was changed since checksums are kept.",
    "migrations.drift": "The tables match the models.",
}
OK_SENTENCES = {
    "SQLite": {
        **ALL_DATABASES,
        "database.rows": "The file is intact, and no row has a missing reference.",
        "backups.possible": "A backup can be taken.",
    },
    "PostgreSQL": {
        **ALL_DATABASES,
        "database.schema": "The tables are in the schema {schema}.",
        "database.limits": "A statement ends after {statement_timeout}, waiting for a lock after {lock_timeout}.",
        "database.pooler": "{pooler}.",
        SAME_DATABASE: "{url} is the same database.",
        "database.read_only": "The database accepts changes.",
        "database.rights": "The role {role} can create and change the console's tables.",
        "database.serving_rights": "The role of the console has its rights on every table.",
        "database.structure": "Indexes and constraints are complete.",
        "backups.possible": "A backup can be taken, with pg_dump {pg_dump}.",
    },
}


def checks(connection: Connection, console: URL) -> Iterator[Check]:
    """Check the schema. `console` is the URL that the console uses."""
    try:
        script = ScriptDirectory.from_config(alembic_config(connection.engine.url))
        list(script.walk_revisions())
    except Exception as error:  # A Python file can raise any exception.
        what = f"The steps in migrations/versions cannot be read: {_reason(error)}."
        yield problem("migrations.files", what, RESTORE_FILES)
        return
    found = read_status(connection, script, db.metadata, read_position(connection, script), console)
    session = read_console_session(console, connection)
    problems = (*found.problems, *(session.problems if session else ()))
    for one in problems:
        yield problem(one.code, one.what, one.do)
    wrong = {one.code for one in problems}
    yield from _position(found, wrong)
    if not found.position.pending:
        yield from search.checks(connection)
    if fills := dict.fromkeys(fill.step.name for fill in find_fills(connection, script, found.position)):
        what = f"Rows that the release before wrote can lack the values of {', '.join(fills)}."
        yield warning("migrations.fills_pending", what, FINISH)
    # With one URL there is nothing to compare.
    yield from _ok_checks(found, session, wrong | (set() if connection.engine.url != console else {SAME_DATABASE}))


def _ok_checks(found: Status, session: ConsoleSession | None, wrong: set[str]) -> Iterator[Check]:
    pooler = session.pooler if session else None
    between = f"The connection uses a pooler in {pooler} mode" if pooler else "The connection uses no pooler"
    words = {**vars(found), **(vars(session) if session else {}), "pooler": between}
    for code, sentence in OK_SENTENCES[found.server.partition(" ")[0]].items():
        if code == "migrations.drift" and found.drift is None:
            yield skipped(code, "Tables are compared with the models when no step is pending.")
        elif code not in wrong:
            yield ok(code, sentence.format(**words))


def _position(found: Status, wrong: set[str]) -> Iterator[Check]:
    if found.position.is_ahead:
        what = f"The database is at {found.position.current}, which belongs to a newer release."
        yield warning("migrations.ahead", what, AHEAD)
    elif wrong & {"migrations.unstamped", "database.foreign_tables"}:
        yield skipped("migrations.pending", "The database is not at a revision of this release.")
    elif found.position.is_finish_pending:
        what = f"{pluralize(len(found.position.pending), 'step')} pending until the release before no longer runs."
        yield warning("migrations.finish_pending", what, FINISH)
    elif not found.position.pending:
        yield ok("migrations.pending", f"No step is pending; the database is at {found.position.current}.")
    if found.migrating:
        yield ok("migrations.running", f"A migration is running: {found.migrating}.")


def _reason(error: Exception) -> str:
    # The message of a SyntaxError can contain a line of the file.
    if isinstance(error, SyntaxError):
        return f"{error.filename}, line {error.lineno}, is not valid Python"
    return f"{type(error).__name__}: {str(error).splitlines()[0]}" if str(error) else type(error).__name__
