"""Keeps the record of a run: its begin, and its failure."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from alembic.runtime.migration import MigrationContext
from alembic.util import CommandError
from sqlalchemy.engine import URL, Connection
from sqlalchemy.exc import DBAPIError

from agents_app.database.migration_limits import Limits
from agents_app.dbtools.database import sqlite
from agents_app.dbtools.database.connections import connect
from agents_app.dbtools.records.run import Course, RunFacts, RunRecord
from agents_app.dbtools.runner.error_messages import cause_and_advice
from agents_app.dbtools.runner.steps import PlanFunction

# Alembic's names of its functions, and those of the commands.
COMMANDS = {"do_stamp": "stamp"}


def new_record(
    attributes: dict[str, Any], plan: PlanFunction, saved_files: Callable[[], list[dict[str, Any]]]
) -> RunRecord:
    """The record of a run with the function `plan` of Alembic. `attributes` are those of the configuration.

    Runs with the same `course` in their attributes are kept as one.
    """
    name = getattr(plan, "__name__", "")
    command = attributes.get("command") or COMMANDS.get(name, name)
    limits = attributes.get("limits", Limits())
    facts = RunFacts(command, attributes.get("backup"), attributes.get("dangers", []), saved_files, limits)
    course = attributes.get("course") or Course()
    return RunRecord(facts, plan, course, is_kept=attributes.get("keeps_records", True))


def begin(connection: Connection, context: MigrationContext, record: RunRecord, limits: Limits) -> None:
    """Write the begin of the run, and commit it, so that it remains if the process is killed."""
    if commit_begin(connection, is_written=record.begin(connection, context), limits=limits):
        record.begin(connection, context)


def commit_begin(connection: Connection, *, is_written: bool, limits: Limits) -> bool:
    """Commit what was written at the begin. Return whether other writers may have come in between."""
    if connection.dialect.name == "postgresql":
        # Alembic never commits a transaction that it finds open.
        connection.commit()
    elif is_written:
        sqlite.commit_and_begin(connection, limits)
        return True
    return False


@contextmanager
def keep_failure(url: URL, record: RunRecord, done: Callable[[], int]) -> Iterator[None]:
    """Keep that the run failed after `done()` steps. The original error is raised, also if this fails."""
    try:
        yield
    except BaseException as error:
        with suppress(DBAPIError, CommandError, OSError), connect(url) as connection:
            record.fail(connection, _reason(error, url), done())
            connection.commit()
        raise


def keep_end(url: URL, course: Course) -> None:
    """Keep that a deployment ended with the run that was its last one until now."""
    with connect(url) as connection:
        for part in course.parts[-1:]:
            part.end(connection)
        connection.commit()


def _reason(error: BaseException, url: URL) -> str:
    if isinstance(error, DBAPIError):
        return cause_and_advice(error, url)[0]
    return "Interrupted" if isinstance(error, KeyboardInterrupt) else str(error) or type(error).__name__
