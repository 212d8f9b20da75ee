"""The commands `flask db deployments` (who applied which steps, and when) and `accept-change`."""

from collections.abc import Iterator
from typing import Any

import click
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from agents_app.dbtools.commands.backup import AS_JSON, migration_url_or_exit, migrations_config, print_answer
from agents_app.dbtools.configuration import limits_of_run
from agents_app.dbtools.database.connections import read_only_connection
from agents_app.dbtools.database.schema import current_schema
from agents_app.dbtools.output import pluralize
from agents_app.dbtools.records.accept import accept_change
from agents_app.dbtools.records.history import KeptDeployment, deployment_as_data, find_deployment, read_deployments
from agents_app.dbtools.records.steps import ACCEPT, FILL
from agents_app.dbtools.records.tables import DEPLOYMENTS
from agents_app.paths import COMMAND

LIST = f"{COMMAND} db deployments"
NOT_KEPT = (
    f"This database does not keep deployments yet. The step add_deployments creates the tables: {COMMAND} db deploy"
)
LISTED_MAX = 50
TIME = "%Y-%m-%d %H:%M:%S UTC"


@click.command("deployments")
@click.argument("deployment", metavar="[ID]", required=False)
@click.option("--last", default=LISTED_MAX, type=click.IntRange(1, 10_000), help="How many, newest first.")
@AS_JSON
def deployments_command(deployment: str | None, last: int, as_json: bool) -> None:
    """Show who deployed which steps when, how long they took, and which backup belongs to them.

    With the beginning of an ID, show everything that is kept about one deployment.
    """
    with migration_url_or_exit() as url, read_only_connection(url) as connection:
        _require_rights(connection)
        if deployment is not None:
            found = find_deployment(connection, deployment)
            print_answer(as_json, deployment_as_data(found), deployment_lines(found))
            return
        listed = read_deployments(connection, last)
    data = {"is_kept": listed is not None, "deployments": [deployment_as_data(one) for one in listed or ()]}
    print_answer(as_json, data, _list_lines(listed))


@click.command("accept-change")
@click.argument("revision")
@click.option("--reason", required=True, metavar="TEXT", help="Why the change is right. It is kept with your name.")
@AS_JSON
def accept_change_command(revision: str, reason: str, as_json: bool) -> None:
    """Accept that the file of the applied step REVISION was changed or removed. The tables stay as they are."""
    with migration_url_or_exit() as url:
        config = migrations_config()
        found = accept_change(url, config, revision, reason, limits_of_run(config))
    lines = [f"Accepted: {found.what}. The reason is kept: {LIST}"]
    print_answer(as_json, {"revision": found.revision, "name": found.name, "what": found.what}, iter(lines))


def _require_rights(connection: Connection) -> None:
    # The tables that a role may not read look as if they were not there.
    if connection.dialect.name == "postgresql":
        current_schema(connection)
        if sa.inspect(connection).has_table(DEPLOYMENTS.name):
            connection.execute(sa.select(sa.literal(1)).select_from(DEPLOYMENTS).limit(0))


def _list_lines(listed: list[KeptDeployment] | None) -> Iterator[str]:
    if listed is None:
        yield NOT_KEPT
    elif not listed:
        yield "No deployment is kept yet."
    for one in listed or ():
        yield f"{one.short_id}  {one.started_at:{TIME}}  {one.command:15}  {one.outcome:11}  {summary(one)}"


def summary(one: KeptDeployment) -> str:
    """What was done from where to where, in which time, by whom."""
    done = _count_text(one)
    took = f" in {one.seconds} s" if one.seconds is not None else ""
    return f"{one.from_revision or 'base'} -> {one.to_revision or 'base'}, {done}{took}, by {who(one)}"


def _count_text(one: KeptDeployment) -> str:
    # As `flask db deploy` counts them: a fill that ran again is no step.
    parts = []
    for noun, kind in (("step", False), ("fill", True)):
        found = [step for step in one.steps if (step.direction == FILL) == kind]
        done = sum(step.seconds is not None for step in found)
        if found:
            again = " again" if kind else ""
            parts.append(f"{'' if done == len(found) else f'{done} of '}{pluralize(len(found), noun)}{again}")
    return " and ".join(parts) or "0 steps"


def who(one: KeptDeployment) -> str:
    """The person and the machine."""
    role = f" as {one.role}" if one.role else ""
    return f"{one.os_user} on {one.host}{role}"


def deployment_lines(one: KeptDeployment) -> Iterator[str]:
    """Everything that is kept about a deployment, for a person."""
    yield f"Deployment {one.id}"
    yield f"Command    {one.command}, release {one.release}, by {who(one)}"
    yield f"Began      {one.started_at:{TIME}}"
    yield f"Ended      {format(one.ended_at, TIME) if one.ended_at else 'no end was kept'}"
    yield f"Outcome    {one.outcome}"
    yield f"Revisions  {one.from_revision or 'base'} -> {one.to_revision or 'base'}"
    yield f"Limits     {', '.join(limit_text(*limit) for limit in one.limits.items())}"
    yield f"Backup     {one.backup or 'none'}"
    for file in one.saved_files:
        yield f"Saved      {_saved_text(file)}"
    for danger in one.dangers:
        yield f"Allowed    {danger['revision']} {danger['what']}{_reason_text(danger)}"
    for number, step in enumerate(one.steps, 1):
        yield f"{number}. {step.direction} {step.revision}{f', {step.name}' if step.name else ''}: {_step_text(step)}"


def limit_text(name: str, value: float) -> str:
    """A limit as its option is written."""
    is_time = name.endswith("timeout")
    shown = "none" if is_time and not value else f"{value:g}{' s' if is_time else ''}"
    return f"{name.replace('_', ' ')} {shown}"


def _saved_text(file: dict[str, Any]) -> str:
    what = f"{file['table']}.{file['column']}" if file["column"] else file["table"]
    return f"{pluralize(file['rows'], 'row')} of {what} in {file['file']}"


def _reason_text(danger: dict[str, Any]) -> str:
    return f" (allowed: {danger['reason']})" if danger.get("reason") else " (allowed by --yes)"


def _step_text(step: Any) -> str:
    parts = [f"{step.seconds:.2f} s" if step.seconds is not None else "not done"]
    if step.filled_rows:
        parts.append(f"{pluralize(step.filled_rows, 'row')} filled")
    elif step.updated_rows:
        parts.append(f"{pluralize(step.updated_rows, 'row')} changed by UPDATE")
    if step.reason:
        parts.append(f"{'why' if step.direction == ACCEPT else 'a danger was allowed'}: {step.reason}")
    if step.error:
        parts.append(step.error)
    return ", ".join(parts)


COMMANDS = (deployments_command, accept_change_command)
