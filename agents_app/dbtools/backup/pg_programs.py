"""Finds and runs PostgreSQL's client programs, with the password in their environment and errors in one line."""

import os
import re
import subprocess
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

from alembic.util import CommandError
from sqlalchemy.engine import URL

from agents_app.database.session import CONNECT_TIMEOUT_S, libpq_parameters
from agents_app.dbtools.database.advice import advice_for

DEBIAN = Path("/usr/lib/postgresql")


def find_program(name: str, server: int) -> str:
    """Return the path of `pg_dump` or `pg_restore` with the server's major version, or else the next later version.

    Raises CommandError if no suitable version is installed.
    """
    found = sorted(_candidates(name), key=lambda pair: pair[0])
    suitable = [path for major, path in found if major >= server]
    if suitable:
        return suitable[0]
    advice = f"Install PostgreSQL's client programs, version {server} or later (Debian: postgresql-client-{server})."
    if found:
        raise CommandError(f"{name} {found[-1][0]} cannot read a server of version {server}. {advice}")
    raise CommandError(f"{name} was not found on the PATH. {advice}")


def _candidates(name: str) -> Iterator[tuple[int, str]]:
    """The major version and the path of each program with this name."""
    folders = [Path(folder) for folder in os.environ.get("PATH", os.defpath).split(os.pathsep) if folder]
    # Often one folder has two names, such as /bin and /usr/bin. Of these, the first is used.
    different: dict[Path, Path] = {}
    for folder in [*folders, *DEBIAN.glob("*/bin")]:
        different.setdefault(folder.resolve(), folder)
    for folder in different.values():
        path = folder / name
        if path.is_file() and os.access(path, os.X_OK) and (version := program_version(str(path))):
            yield int(version.partition(".")[0]), str(path)


@cache
def program_version(path: str) -> str:
    """The version of a program, such as `15.18`; empty if it does not say one. A process starts each program once."""
    result = subprocess.run([path, "--version"], check=False, capture_output=True, text=True)  # noqa: S603
    version = re.search(r"\d+(?:\.\d+)*", result.stdout)
    return version.group() if version else ""


def run_program(command: list[str], url: URL | None = None, on_line: Callable[[str], None] | None = None) -> str:
    """Run a program and return its output. `url` is its database. `on_line` gets each line of its standard error.

    Raises CommandError with the program's message if it fails.
    """
    target = [f"--dbname={_conninfo(url)}", "--no-password"] if url else []
    process = subprocess.Popen(  # noqa: S603  No shell, and the programs are PostgreSQL's own.
        [*command, *target],
        env=_environment(url),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
    )
    with process:
        try:
            error_lines = list(_read_error_lines(process, on_line))
            output = process.stdout.read() if process.stdout else ""
        except BaseException:
            process.kill()
            raise
    if process.returncode:
        message = _error_message(error_lines) or f"{Path(command[0]).name} ended with {process.returncode}."
        advice = advice_for(message, url) if url else None
        raise CommandError(f"{message} {advice}" if advice else message)
    return output


def _read_error_lines(process: "subprocess.Popen[str]", on_line: Callable[[str], None] | None) -> Iterator[str]:
    for line in process.stderr or ():
        if on_line:
            on_line(line)
        if not on_line or ": error:" in line:
            yield line.strip()


def _error_message(error_lines: list[str]) -> str:
    lines = [line for line in error_lines if "error:" in line] or error_lines
    return re.sub(r"^.*?\berror:\s+(?:.*?\bERROR:\s+)?", "", lines[0]).rstrip(".") + "." if lines else ""


def _conninfo(url: URL) -> str:
    # The password is not included, because every user of the machine can read command lines.
    connect, options = libpq_parameters(url)
    # Set even if empty, so that PGOPTIONS has no effect.
    connect["options"] = options
    escaped = {name: str(value).replace("\\", "\\\\").replace("'", "\\'") for name, value in connect.items()}
    escaped.pop("password", None)
    return " ".join(f"{name}='{value}'" for name, value in escaped.items())


def _environment(url: URL | None) -> dict[str, str]:
    # Messages must be in English, because the code above looks for "error:" in them.
    own = {"LC_ALL": "C", "PGCONNECT_TIMEOUT": str(CONNECT_TIMEOUT_S), "PGCLIENTENCODING": "UTF8"}
    environment = {**os.environ, **own}
    password = libpq_parameters(url)[0].get("password") if url else None
    return {**environment, "PGPASSWORD": password} if password else environment
