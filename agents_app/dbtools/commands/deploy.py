"""The command `flask db deploy`, for production."""

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import click
from alembic.script import ScriptDirectory
from flask import current_app

from agents_app.db import db
from agents_app.dbtools.branches import require_one_head
from agents_app.dbtools.commands.backup import AS_JSON, migration_url_or_exit, migrations_config, print_answer
from agents_app.dbtools.commands.limit_options import LIMIT_OPTIONS, X_ARGUMENT
from agents_app.dbtools.commands.status_and_plan import plan_lines, problem_lines
from agents_app.dbtools.configuration import limits_of_run
from agents_app.dbtools.database.connections import create_file_or_schema
from agents_app.dbtools.deployment import Deployment, DeploymentCheck, check_deployment, deploy
from agents_app.dbtools.marks import require_clear_marks
from agents_app.dbtools.output import pluralize
from agents_app.dbtools.phases import FINISH, Phase, position_as_data
from agents_app.dbtools.position import Position
from agents_app.dbtools.problems import PENDING, Problem
from agents_app.dbtools.review.plan import plan_as_data
from agents_app.dbtools.review.warnings import RAISES
from agents_app.paths import COMMAND

CANNOT_SUCCEED = "{steps} pending, which cannot be applied until these problems are solved."

WITHOUT_VALUE = "The release before wrote them after the fill, or this release cleared the value: nothing shows which."


@click.command("deploy")
@click.option("--dry-run", is_flag=True, help="Only check and plan. Change nothing.")
@click.option("--yes", is_flag=True, help="Continue even if a step is dangerous.")
@click.option("--no-backup", is_flag=True, help="Take no backup first. Rows that a step drops are saved (see -x).")
@click.option("--finish", is_flag=True, help="Also apply the steps that wait until the release before has stopped.")
@AS_JSON
def deploy_command(dry_run: bool, yes: bool, no_backup: bool, finish: bool, as_json: bool) -> None:
    """Upgrade the database for this release: check, plan, take a backup, apply the steps, check again.

    Steps with after_release = True wait: when no process of the release before runs any more, --finish applies them.

    It asks no questions. Without --yes, a DANGER that its file does not allow stops it before any change. Rows on which
    a step would fail stop it also with --yes. The exit code is 0 if this release can serve and the database has no
    problems.
    """
    phase = Phase.FINISH if finish else Phase.DEPLOY
    done = None
    with migration_url_or_exit() as url:
        # A wrong one is refused before the backup.
        limits_of_run(migrations_config())
        script = ScriptDirectory.from_config(migrations_config())
        require_one_head(script)
        require_clear_marks(script)
        if not dry_run:
            create_file_or_schema(url)
        check = check_deployment(url, migrations_config(), db.metadata, phase, backs_up=not no_backup)
        result = _result(check, dry_run=dry_run, yes=yes)
        if not as_json and check.plan.steps:
            print_answer(False, {}, plan_lines(check.plan, phase))
        if result == "deployed":
            folder = None if no_backup else current_app.config["BACKUP_FOLDER"]
            done = deploy(url, migrations_config(), db.metadata, check, folder)
    print_answer(as_json, _as_data(result, check, done), _lines(result, check, done))
    if _has_problem(check, done) or result == "refused" or (result == "dry run" and _is_refused(check, yes=yes)):
        raise click.exceptions.Exit(1)


def _result(check: DeploymentCheck, *, dry_run: bool, yes: bool) -> str:
    if not check.has_work:
        return "nothing to do"
    if dry_run:
        return "dry run"
    return "refused" if check.cannot_succeed or _is_refused(check, yes=yes) else "deployed"


def _has_problem(check: DeploymentCheck, done: Deployment | None) -> bool:
    found = [problem for problem in _problems(check, done) if not problem.is_about_files]
    # After --finish, the steps that follow wait for the next deployment.
    return any(check.phase is not Phase.FINISH or problem.code != PENDING for problem in found)


def _is_refused(check: DeploymentCheck, *, yes: bool) -> bool:
    # With --yes a step that would fail still fails.
    return bool(check.plan.refusals) or (bool(check.plan.dangers) and not yes)


def _lines(result: str, check: DeploymentCheck, done: Deployment | None) -> Iterator[str]:
    steps = pluralize(len(check.plan.steps), "step")
    position = done.position if done else check.plan.position
    where = f"The database is at {'head, ' if position.is_at_head else ''}{position.current}"
    if check.plan.position.is_ahead:
        yield f"The database is at {check.plan.position.current}, which is from a newer release. Nothing to do."
    elif result == "nothing to do":
        yield f"{where}. Nothing to do{' now' if position.pending else ''}."
    elif result == "refused" or (check.cannot_succeed and not done):
        yield _refusal(check)
    elif result == "dry run":
        yield f"{steps} would be applied. Nothing was done."
    elif done and not (done.applied or check.has_fills):
        yield f"Another deployment has already applied the steps. {where}."
    elif done:
        yield f"{_done_text(done)} in {done.seconds} s. {where}."
    yield from _pending_lines(position, check, done)
    for problem in _problems(check, done):
        if problem.code != PENDING:
            yield from problem_lines(problem)


def _done_text(done: Deployment) -> str:
    fills = f"ran {pluralize(done.fills, 'fill')} again" if done.fills else ""
    steps = f"applied {pluralize(done.applied, 'step')}" if done.applied or not fills else ""
    text = " and ".join(filter(None, (steps, fills)))
    return f"{text[:1].upper()}{text[1:]}"


def _refusal(check: DeploymentCheck) -> str:
    if check.cannot_succeed:
        return f"Nothing was changed: {CANNOT_SUCCEED.format(steps=pluralize(len(check.plan.steps), 'step'))}"
    if check.plan.refusals:
        return "Nothing was changed, and no backup was taken. Correct what FAILS names, then deploy again."
    if any(danger.what.startswith(f"{RAISES} ") for danger in check.plan.dangers):
        return "Nothing was changed. Correct the step that raises an error, then deploy again."
    if any(danger.is_failure for danger in check.plan.dangers):
        return "Nothing was changed, and no backup was taken. Correct the step that fails, then deploy again."
    return f"Nothing was changed. In each file give the reason with op.allow_danger, or: {COMMAND} db deploy --yes"


def _pending_lines(position: Position, check: DeploymentCheck, done: Deployment | None) -> Iterator[str]:
    if done and done.refilled:
        yield f"Filled {pluralize(done.refilled, 'row')} without a value. {WITHOUT_VALUE}"
    if refills := _refills(check, done):
        yield f"Rows that the release before still writes have no values of {', '.join(refills)}. {FINISH}"
    if position.is_finish_pending:
        yield f"{pluralize(len(position.waiting), 'step')} pending. {FINISH}"
    elif done and position.pending:
        yield f"{pluralize(len(position.pending), 'step')} pending. Next: {COMMAND} db deploy"


def _refills(check: DeploymentCheck, done: Deployment | None) -> tuple[str, ...]:
    # A refused deployment and a dry run show the plan, and are followed by another one.
    return done.refills if done else () if check.has_work else check.plan.refills


def _problems(check: DeploymentCheck, done: Deployment | None) -> tuple[Problem, ...]:
    return done.problems if done else check.problems


def _as_data(result: str, check: DeploymentCheck, done: Deployment | None) -> dict[str, Any]:
    backup = done.backup if done else None
    return {
        "result": result,
        "plan": plan_as_data(check.plan),
        "backup": {**asdict(backup), "file": str(backup.file)} if backup else None,
        "position": position_as_data(done.position if done else check.plan.position),
        "applied": done.applied if done else 0,
        "refilled": done.refilled if done else 0,
        "refills": _refills(check, done),
        "seconds": done.seconds if done else None,
        "problems": [asdict(problem) for problem in _problems(check, done)],
    }


deploy_command.params += [X_ARGUMENT, *LIMIT_OPTIONS]
COMMANDS = (deploy_command,)
