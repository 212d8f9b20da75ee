"""`flask db deploy`: what an operator types in production."""

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import click
from flask import current_app

from agents_app.db import db
from agents_app.dbtools.commands.backup import AS_JSON, migration_url_or_exit, print_answer
from agents_app.dbtools.commands.status_and_plan import migrations_config, plan_lines, problem_lines
from agents_app.dbtools.database.connections import create_file_or_schema
from agents_app.dbtools.deployment import Deployment, DeploymentCheck, check_deployment, deploy
from agents_app.dbtools.output import pluralize
from agents_app.dbtools.review.plan import plan_as_data


@click.command("deploy")
@click.option("--dry-run", is_flag=True, help="Look, and change nothing.")
@click.option("--yes", is_flag=True, help="Go on where a step is dangerous.")
@click.option("--no-backup", is_flag=True, help="Take no backup first; what a step drops is saved all the same.")
@AS_JSON
def deploy_command(dry_run: bool, yes: bool, no_backup: bool, as_json: bool) -> None:
    """Bring the database to head: look, plan, take a backup, apply, look again.

    Nothing is asked. A DANGER stops it before anything is done, unless --yes. The exit code is 0 when the database is
    at head and nothing is wrong with it.
    """
    done = None
    with migration_url_or_exit() as url:
        if not dry_run:
            create_file_or_schema(url)
        seen = check_deployment(url, migrations_config(), db.metadata, backs_up=not no_backup)
        result = _verdict(seen, dry_run=dry_run, yes=yes)
        if not as_json and seen.plan.steps:
            print_answer(False, {}, plan_lines(seen.plan))
        if result == "deployed":
            folder = None if no_backup else current_app.config["BACKUP_FOLDER"]
            done = deploy(url, migrations_config(), db.metadata, seen, folder)
    problems = done.problems if done else seen.problems
    print_answer(as_json, _as_data(result, seen, done), _lines(result, seen, done))
    if problems or result == "refused" or (result == "dry run" and seen.plan.dangers and not yes):
        raise click.exceptions.Exit(1)


def _verdict(seen: DeploymentCheck, *, dry_run: bool, yes: bool) -> str:
    if not seen.plan.steps:
        return "nothing to do"
    if dry_run:
        return "dry run"
    return "deployed" if yes or not seen.plan.dangers else "refused"


def _lines(result: str, seen: DeploymentCheck, done: Deployment | None) -> Iterator[str]:
    steps = pluralize(len(seen.plan.steps), "step")
    if seen.plan.position.is_ahead:
        yield f"The database is at {seen.plan.position.current}, which a newer release made. Nothing to do."
    elif result == "nothing to do":
        yield f"The database is at head, {seen.plan.target}. Nothing to do."
    elif result == "refused":
        yield "Nothing was done. If this is what you want: flask db deploy --yes"
    elif result == "dry run":
        yield f"{steps} would be applied. Nothing was done."
    elif done and not done.applied:
        yield f"Another deployment has done it meanwhile. The database is at head, {seen.plan.target}."
    elif done:
        applied = pluralize(done.applied, "step")
        yield f"Applied {applied} in {done.seconds} s. The database is at head, {seen.plan.target}."
    for problem in done.problems if done else seen.problems:
        yield from problem_lines(problem)


def _as_data(result: str, seen: DeploymentCheck, done: Deployment | None) -> dict[str, Any]:
    problems = done.problems if done else seen.problems
    kept = done.backup if done else None
    return {
        "result": result,
        "plan": plan_as_data(seen.plan),
        "backup": {**asdict(kept), "file": str(kept.file)} if kept else None,
        "applied": done.applied if done else 0,
        "seconds": done.seconds if done else None,
        "problems": [asdict(problem) for problem in problems],
    }


COMMANDS = (deploy_command,)
