"""`flask doctor`: finds problems of an installation and says what to do. It runs with invalid settings too."""

import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any, NoReturn

import click
from flask import Flask
from flask.cli import AppGroup, FlaskGroup

from agents_app import __version__
from agents_app.cli.all_of_agents import agents
from agents_app.cli.commands import ConsoleCommand, MonitorCommand, json_option
from agents_app.cli.files import InputFile
from agents_app.cli.output import CONTROL_CHARACTERS, print_json
from agents_app.db import now
from agents_app.doctor import Check, Result, default_name, run_checks, write_bundle
from agents_app.errors import ConfigurationError
from agents_app.file_errors import cause_of

BUNDLE_CONTENT = """\
It has no key, and no name or address of your organisations. It has the names of columns, indexes and constraints that
only your database has. Read it before you send it to anyone."""
RESULT_WIDTH = max(map(len, Result)) + 1


@click.command(cls=ConsoleCommand)
@json_option
@click.option(
    "--bundle",
    type=click.Path(path_type=Path),
    is_flag=False,
    flag_value=Path(),
    metavar="[FILE]",
    help="Write a file for a maintainer, without names and secrets, instead of the checks.",
)
@click.option(
    "--log", type=InputFile(errors="replace"), help="Lines of the console's log for the bundle. - is standard input."
)
@click.pass_context
def doctor(context: click.Context, *, as_json: bool, bundle: Path | None, log: IO[str] | None) -> None:
    """Check the installation for problems.

    Checks settings, identity provider, keys, files, disk, database, migrations, backups and clock, and changes nothing.
    The exit code is 1 if there is a problem, and 0 if there are only warnings. Secrets are not decrypted; `flask
    secrets verify` does that.
    """
    if log is not None and bundle is None:
        raise click.UsageError("--log is only for --bundle.")
    if bundle is not None:
        _write_bundle(bundle, log, as_json=as_json)
        return
    checks = run_checks()
    if as_json:
        print_json(_summary(checks))
    else:
        for line in _lines(checks):
            click.echo(line.translate(CONTROL_CHARACTERS))
    context.exit(int(any(check.result is Result.PROBLEM for check in checks)))


def _write_bundle(given: Path, log: IO[str] | None, *, as_json: bool) -> None:
    file = Path(default_name(now())) if given == Path() else given
    try:
        write_bundle(file, log)
    except FileExistsError:
        raise click.ClickException(f"{file} already exists. Choose another name.") from None
    except OSError as error:
        raise click.ClickException(f"{file} cannot be written: {cause_of(error)}.") from None
    if as_json:
        print_json({"file": str(file), "bytes": file.stat().st_size})
    else:
        click.echo(f"Wrote {file}. {BUNDLE_CONTENT}")


def app_with_doctor_only(refusal: ConfigurationError) -> Flask:
    """The app for `flask` if a setting is invalid: it runs `flask doctor` and refuses every other command.

    Ends any other program with the sentence of the error and exit code 1. A command for monitors ends as with any
    other error.
    """
    context = click.get_current_context(silent=True)
    if context is None or not isinstance(context.command, FlaskGroup):
        sys.exit(refusal.detail)
    app = Flask("agents_app")
    app.cli = _DoctorOnly(refusal)
    return app


class _DoctorOnly(AppGroup):
    def __init__(self, refusal: ConfigurationError) -> None:
        super().__init__()
        self._refusal = refusal

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command:
        if cmd_name == agents.name:
            return _MonitorsOnly(self._refusal)
        return doctor if cmd_name == doctor.name else self._refuse()

    def list_commands(self, ctx: click.Context) -> list[str]:
        return self._refuse()

    def _refuse(self) -> NoReturn:
        sys.exit(self._refusal.detail)


class _MonitorsOnly(_DoctorOnly):
    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command:
        known = agents.commands.get(cmd_name)
        if not isinstance(known, MonitorCommand):
            return self._refuse()
        return MonitorCommand(known.name, params=known.params, callback=self._raise)

    def _raise(self, **_values: object) -> NoReturn:
        raise self._refusal


def _summary(checks: list[Check]) -> dict[str, Any]:
    count = Counter(check.result for check in checks)
    worst = next((result for result in (Result.PROBLEM, Result.WARNING) if count[result]), Result.OK)
    return {
        "version": __version__,
        "result": worst,
        "problems": count[Result.PROBLEM],
        "warnings": count[Result.WARNING],
        "checks": [{"group": check.group, **asdict(check)} for check in checks],
    }


def _lines(checks: list[Check]) -> Iterator[str]:
    group = ""
    for check in checks:
        if check.group != group:
            group = check.group
            yield group.replace("_", "-").capitalize()
        yield f"  {check.result.ljust(RESULT_WIDTH)} {check.detail}"
        if check.do:
            yield f"  {' ' * RESULT_WIDTH} do: {check.do}"
    count = Counter(check.result for check in checks)
    found = [_pluralise(count[result], result) for result in (Result.PROBLEM, Result.WARNING) if count[result]]
    yield ""
    yield (
        f"{' and '.join(found)}." if count[Result.PROBLEM] else f"No problems found.{f' {found[0]}.' if found else ''}"
    )


def _pluralise(number: int, thing: str) -> str:
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"
