"""The read-only commands `flask db status` and `flask db plan`."""

import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from io import StringIO
from itertools import chain

import click
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from flask import current_app
from sqlalchemy.engine import Connection

from agents_app.database.migration_limits import LIMITS, Limits
from agents_app.db import db
from agents_app.dbtools.branches import require_one_head
from agents_app.dbtools.commands.backup import AS_JSON, migration_url_or_exit, migrations_config, print_answer
from agents_app.dbtools.commands.deployments import LIST, limit_text
from agents_app.dbtools.configuration import console_url, limits_of_run
from agents_app.dbtools.console_session import ConsoleSession, read_console_session
from agents_app.dbtools.database.connections import connect, read_only_connection
from agents_app.dbtools.marks import require_clear_marks
from agents_app.dbtools.output import pluralize
from agents_app.dbtools.phases import FINISH, FINISH_COMMAND, Phase, blocked_advice
from agents_app.dbtools.position import read_position
from agents_app.dbtools.problems import Problem
from agents_app.dbtools.records.tables import FAILED, INTERRUPTED
from agents_app.dbtools.review.data_checks import DataCheck
from agents_app.dbtools.review.plan import Plan, PlannedStep, make_plan, plan_as_data
from agents_app.dbtools.review.refills import Undecided, Unfilled, count_undecided, count_unfilled
from agents_app.dbtools.review.table_size import TableSize
from agents_app.dbtools.review.warnings import StepWarning
from agents_app.dbtools.server_problems import stopping_problems
from agents_app.dbtools.status import Status, read_status, status_as_data

UNITS = ("B", "kB", "MB", "GB", "TB")


@click.command("status")
@click.option("--check", is_flag=True, help="Exit with code 1 if there is a problem.")
@AS_JSON
def status_command(check: bool, as_json: bool) -> None:
    """Show the state of the database, its problems and what to do about them."""
    with migration_url_or_exit() as url, read_only_connection(url) as connection:
        script = ScriptDirectory.from_config(migrations_config())
        console = console_url(current_app)
        status = read_status(connection, script, db.metadata, read_position(connection, script), console)
        session = read_console_session(console, connection)
        unfilled = count_unfilled(connection, script, status.position)
        undecided = count_undecided(connection, script, status.position)
    problems = (*status.problems, *(session.problems if session else ()))
    settings = {name: value for name, value in asdict(session).items() if name != "problems"} if session else None
    answer = {**status_as_data(status), "session": settings, "problems": [asdict(problem) for problem in problems]}
    limits = limits_of_run(migrations_config())
    answer["migration_limits"] = {limit.option: getattr(limits, limit.member) for limit in LIMITS}
    answer |= {"unfilled": list(map(asdict, unfilled)), "undecided": list(map(asdict, undecided))}
    fills = (*map(_unfilled_line, unfilled), *map(_undecided_line, undecided))
    print_answer(as_json, answer, chain(status_lines(status, session, problems, limits), fills, _stopped_run(status)))
    if check and problems:
        raise click.exceptions.Exit(1)


@click.command("plan", context_settings={"ignore_unknown_options": True})
@click.argument("revision", default="head")
@click.option("--sql", is_flag=True, help="Show the SQL of these steps, and nothing else.")
@AS_JSON
def plan_command(revision: str, sql: bool, as_json: bool) -> None:
    """Show the steps from the current revision to REVISION, with warnings.

    REVISION is head by default. The exit code is 1 if a step is dangerous, would fail on rows that exist or because of
    the rights of the role, or follows a step that waits for `deploy --finish`.
    """
    if sql and as_json:
        raise click.UsageError("Use either --sql or --json. The JSON contains the SQL of each step.")
    config = migrations_config()
    script = ScriptDirectory.from_config(config)
    with _connection(script, revision) as connection:
        plan = make_plan(connection, script, read_position(connection, script), revision)
        if sql:
            click.echo(plan_sql(config, plan), nl=False)
            return
        problems = stopping_problems(connection, script.dir, db.metadata, plan)
    data = {**plan_as_data(plan), "problems": [asdict(problem) for problem in problems]}
    print_answer(as_json, data, chain(plan_lines(plan), *map(problem_lines, problems)))
    if plan.dangers or plan.refusals or plan.is_blocked or problems:
        raise click.exceptions.Exit(1)


@contextmanager
def _connection(script: ScriptDirectory, revision: str) -> Iterator[Connection]:
    with migration_url_or_exit() as url:
        if revision == "head":
            # Also if there is no database yet.
            require_one_head(script)
        require_clear_marks(script)
        with connect(url) as connection:
            yield connection


def plan_sql(config: Config, plan: Plan) -> str:
    """Return the SQL of a plan, as Alembic's `--sql` writes it, or a comment if nothing is pending."""
    if not plan.steps:
        return "-- Nothing is pending.\n"
    output = StringIO()
    config.output_buffer = output
    run = command.downgrade if plan.steps[0].direction == "downgrade" else command.upgrade
    run(config, f"{plan.position.current or 'base'}:{plan.target}", sql=True)
    return output.getvalue()


def status_lines(
    status: Status, session: ConsoleSession | None, problems: tuple[Problem, ...], limits: Limits
) -> Iterator[str]:
    """Yield the lines of a status for a person."""
    yield f"Database   {status.url}"
    yield f"Server     {status.server}{f', as {status.role}' if status.role else ''}, through {status.driver}"
    if status.role:
        yield f"Schema     {status.schema}, text in {status.encoding}"
        if session and session.statement_timeout:
            yield f"Limits     {session.statement_timeout} for a statement, {session.lock_timeout} for a lock"
            migration = (limit_text(limit.option, getattr(limits, limit.member)) for limit in LIMITS)
            yield f"           of migrations: {', '.join(migration)}"
            yield f"Pooler     {f'in {session.pooler} mode' if session.pooler else 'none'}"
        yield f"pg_dump    {status.pg_dump or 'not found'}"
        yield f"Migrating  {status.migrating or 'no'}"
    position = status.position
    newer = " (of a newer release)" if position.is_ahead else ""
    yield f"Revision   {', '.join(position.revisions) or 'none yet'}{newer}"
    yield f"Head       {' and '.join(position.heads)}"
    yield f"Pending    {', '.join(step.name for step in position.pending) or 'nothing'}"
    if position.waiting:
        yield f"Deploy     {', '.join(step.name for step in position.next_phase) or 'nothing'}"
        yield f"Finish     {', '.join(step.name for step in position.waiting)}"
    if position.is_finish_pending:
        yield f"Ready. {FINISH}"
    if not problems:
        yield "No problems found."
    for problem in problems:
        yield from problem_lines(problem)


def _unfilled_line(found: Unfilled) -> str:
    rows = "an unknown number of rows" if found.rows is None else pluralize(found.rows, "row")
    why = "The release before wrote them after the fill, or this release cleared the value."
    return f"Unfilled   {rows} of {found.table} ({found.step}), which {FINISH_COMMAND} fills. {why}"


def _undecided_line(found: Undecided) -> str:
    rows = f"{pluralize(found.rows, 'row')} of {found.table} ({found.step})"
    what = f"{found.new} has its default, and {found.old} another value"
    why = "The release before wrote them, or this release set the default"
    return f"Undecided  {rows}: {what}. {why}: {FINISH_COMMAND} leaves them. Correct the first ones yourself."


def _stopped_run(status: Status) -> Iterator[str]:
    last = status.last_deployment
    if last and last.outcome in (FAILED, INTERRUPTED):
        at = next((f", at {step.name or step.revision}" for step in last.steps if step.seconds is None), "")
        yield f"Last run   {last.command} {last.outcome}{at}. See: {LIST} {last.short_id}"


def problem_lines(problem: Problem) -> Iterator[str]:
    """Yield the lines of a problem for a person."""
    yield f"Wrong: {problem.what}"
    yield f"  Do: {problem.do}"


def plan_lines(plan: Plan, phase: Phase = Phase.DEPLOY) -> Iterator[str]:
    """Yield the lines of a plan for a person. A plan of --finish does not say that --finish is needed."""
    if plan.position.is_ahead:
        yield f"The database is at {plan.position.current}, which is from a newer release. Nothing is pending."
    elif not plan.steps:
        yield f"The database is at {plan.position.current or 'base'}. Nothing is pending."
    waiting = [step.revision for step in plan.position.waiting]
    for number, step in enumerate(plan.steps, 1):
        if step.revision in waiting[:1] and phase is Phase.DEPLOY:
            yield FINISH
        yield from _step_lines(number, step)
    if plan.is_blocked:
        yield "Refused: {} {}".format(*blocked_advice(plan.position))
    if plan.dangers:
        yield f"{pluralize(len(plan.dangers), 'DANGER')}. Read the warnings before you continue."
    if plan.refusals:
        yield "A step would fail. Correct what FAILS names first."


def _step_lines(number: int, step: PlannedStep) -> Iterator[str]:
    yield f"{number}. {step.direction} {step.revision}, {step.name}"
    if step.tables:
        yield f"   touches {', '.join(_describe_table(table) for table in step.tables)}"
    for estimate in step.estimates:
        yield f"   {estimate.text}"
    for warning in step.warnings:
        yield from warning_lines(warning)
    for check in step.checks:
        yield from check_lines(check)


def warning_lines(warning: StepWarning) -> Iterator[str]:
    """Yield the lines of a warning for a person: what, why, and the safe form."""
    allowed = f" (allowed: {warning.allowed})" if warning.allowed else ""
    yield f"   {warning.level}{allowed} {warning.what}"
    for text in (warning.why, f"Instead: {warning.instead}"):
        yield from _wrapped(text)


def check_lines(check: DataCheck) -> Iterator[str]:
    """Yield the lines of a data check for a person; none if it was counted and found no row, or if a DANGER says it."""
    if check.count == 0 or (check.is_loss and check.count and not check.note):
        return
    if check.stops:
        yield f"   FAILS {check.what.rstrip('.')}: {check.why}"
    elif not check.do:
        yield f"   LEFT OUT {check.what.rstrip('.')}: {check.note.removeprefix('not counted: ')}"
        return
    else:
        yield f"   {'LEFT OUT' if check.count is None else 'ROWS'} {check.what}: {check.why}"
        yield from _wrapped(f"{check.note[:1].upper()}{check.note[1:]}.")
    yield from _wrapped(f"Do: {check.do}")
    # Unwrapped, so that it can be copied.
    yield f"      {'Query' if check.table is None and check.count is None else 'Rows'}: {check.query}"


def _wrapped(text: str) -> Iterator[str]:
    yield from textwrap.wrap(
        text, 110, initial_indent=" " * 6, subsequent_indent=" " * 8, break_long_words=False, break_on_hyphens=False
    )


def _describe_table(table: TableSize) -> str:
    if not table.is_there:
        return f"{table.name} (new)"
    about = "about " if table.is_estimate else ""
    rows = "unknown rows" if table.rows is None else f"{about}{pluralize(table.rows, 'row')}"
    size = f", {_format_size(table.bytes)}" if table.bytes is not None else ""
    return f"{table.name} ({rows}{size})"


def _format_size(count: float) -> str:
    for unit in UNITS[:-1]:
        if count < 1024:
            return f"{count:.0f} {unit}"
        count /= 1024
    return f"{count:.0f} {UNITS[-1]}"


COMMANDS = (status_command, plan_command)
