"""The command `flask db deploy`, for production."""

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import click
from flask import current_app

from agents_app.db import db
from agents_app.dbtools.commands.backup import AS_JSON, migration_url_or_exit, print_answer
from agents_app.dbtools.commands.limit_options import LIMIT_OPTIONS
from agents_app.dbtools.commands.status_and_plan import migrations_config, plan_lines, problem_lines
from agents_app.dbtools.configuration import limits_of_run
from agents_app.dbtools.database.connections import create_file_or_schema
from agents_app.dbtools.deployment import Deployment, DeploymentCheck, check_deployment, deploy
from agents_app.dbtools.output import pluralize
from agents_app.dbtools.review.plan import plan_as_data


@click.command("deploy")
@click.option("--dry-run", is_flag=True, help="Only check and plan. Change nothing.")
@click.option("--yes", is_flag=True, help="Continue even if a step is dangerous.")
@click.option("--no-backup", is_flag=True, help="Take no backup first. Rows that a step drops are still saved.")
@AS_JSON
def deploy_command(dry_run: bool, yes: bool, no_backup: bool, as_json: bool) -> None:
    """Upgrade the database to head: check, plan, take a backup, apply the steps, check again.

    It asks no questions. Without --yes, a DANGER that its file does not allow stops it before any change. Rows
    on which a step would fail stop it also with --yes. The exit code
    is 0 if the database is at head and has no problems.
    """
    done = None
    with migration_url_or_exit() as url:
        # A wrong one is refused before the backup.
        limits_of_run(migrations_config())
        if not dry_run:
            create_file_or_schema(url)
        check = check_deployment(url, migrations_config(), db.metadata, backs_up=not no_backup)
        result = _result(check, dry_run=dry_run, yes=yes)
        if not as_json and check.plan.steps:
            print_answer(False, {}, plan_lines(check.plan))
        if result == "deployed":
            folder = None if no_backup else current_app.config["BACKUP_FOLDER"]
            done = deploy(url, migrations_config(), db.metadata, check, folder)
    problems = done.problems if done else check.problems
    print_answer(as_json, _as_data(result, check, done), _lines(result, check, done))
    if problems or result == "refused" or (result == "dry run" and _is_refused(check, yes=yes)):
        raise click.exceptions.Exit(1)


def _result(check: DeploymentCheck, *, dry_run: bool, yes: bool) -> str:
    if not check.plan.steps:
        return "nothing to do"
    if dry_run:
        return "dry run"
    return "refused" if _is_refused(check, yes=yes) else "deployed"


def _is_refused(check: DeploymentCheck, *, yes: bool) -> bool:
    # With --yes a step that would fail still fails.
    return bool(check.plan.refusals) or (bool(check.plan.dangers) and not yes)


def _lines(result: str, check: DeploymentCheck, done: Deployment | None) -> Iterator[str]:
    steps = pluralize(len(check.plan.steps), "step")
    if check.plan.position.is_ahead:
        yield f"The database is at {check.plan.position.current}, which is from a newer release. Nothing to do."
    elif result == "nothing to do":
        yield f"The database is at head, {check.plan.target}. Nothing to do."
    elif result == "refused" and check.plan.refusals:
        yield "Nothing was changed, and no backup was taken. Correct the rows that FAILS names, then deploy again."
    elif result == "refused":
        yield "Nothing was changed. In each file give the reason with op.allow_danger, or: flask db deploy --yes"
    elif result == "dry run":
        yield f"{steps} would be applied. Nothing was done."
    elif done and not done.applied:
        yield f"Another deployment has already applied the steps. The database is at head, {check.plan.target}."
    elif done:
        applied = pluralize(done.applied, "step")
        yield f"Applied {applied} in {done.seconds} s. The database is at head, {check.plan.target}."
    for problem in done.problems if done else check.problems:
        yield from problem_lines(problem)


def _as_data(result: str, check: DeploymentCheck, done: Deployment | None) -> dict[str, Any]:
    problems = done.problems if done else check.problems
    backup = done.backup if done else None
    return {
        "result": result,
        "plan": plan_as_data(check.plan),
        "backup": {**asdict(backup), "file": str(backup.file)} if backup else None,
        "applied": done.applied if done else 0,
        "seconds": done.seconds if done else None,
        "problems": [asdict(problem) for problem in problems],
    }


deploy_command.params += LIMIT_OPTIONS
COMMANDS = (deploy_command,)
