"""PostgreSQL's own programs: found, fit for the server, the password in their environment, refusals in one line."""

import os
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

from alembic.util import CommandError
from sqlalchemy.engine import URL

from agents_app.database.session import CONNECT_TIMEOUT_S, libpq_parameters
from agents_app.dbtools.database.advice import advice_for

DEBIAN = Path("/usr/lib/postgresql")


def find_program(name: str, server: int) -> str:
    """The path of `pg_dump` or `pg_restore` of the server's major version, else of the next that can talk to it.

    Raises CommandError where there is none.
    """
    found = sorted(((_major(path), str(path)) for path in _candidates(name)), key=lambda pair: pair[0])
    fitting = [path for major, path in found if major >= server]
    if fitting:
        return fitting[0]
    advice = f"Install PostgreSQL's client programs, version {server} or later (Debian: postgresql-client-{server})."
    if found:
        raise CommandError(f"{name} {found[-1][0]} cannot read a server of version {server}. {advice}")
    raise CommandError(f"{name} was not found on the PATH. {advice}")


def _candidates(name: str) -> Iterator[Path]:
    folders = [Path(folder) for folder in os.environ.get("PATH", os.defpath).split(os.pathsep) if folder]
    for folder in [*folders, *DEBIAN.glob("*/bin")]:
        path = folder / name
        if path.is_file() and os.access(path, os.X_OK) and _major(path):
            yield path


def _major(path: Path) -> int:
    done = subprocess.run([path, "--version"], check=False, capture_output=True, text=True)  # noqa: S603
    version = re.search(r"\d+", done.stdout)
    return int(version.group()) if version else 0


def run_program(command: list[str], url: URL | None = None, on_line: Callable[[str], None] | None = None) -> str:
    """What a program prints. With a `url` it works on that database; `on_line` gets each line that it tells meanwhile.

    Raises CommandError with what it complains of.
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
            told = list(_told(process, on_line))
            printed = process.stdout.read() if process.stdout else ""
        except BaseException:
            process.kill()
            raise
    if process.returncode:
        complaint = _complaint(told) or f"{Path(command[0]).name} ended with {process.returncode}."
        advice = advice_for(complaint, url) if url else None
        raise CommandError(f"{complaint} {advice}" if advice else complaint)
    return printed


def _told(process: "subprocess.Popen[str]", on_line: Callable[[str], None] | None) -> Iterator[str]:
    for line in process.stderr or ():
        if on_line:
            on_line(line)
        if not on_line or ": error:" in line:
            yield line.strip()


def _complaint(told: list[str]) -> str:
    lines = [line for line in told if "error:" in line] or told
    return re.sub(r"^.*?\berror:\s+(?:.*?\bERROR:\s+)?", "", lines[0]).rstrip(".") + "." if lines else ""


def _conninfo(url: URL) -> str:
    # Everybody on the machine can read a command line, so the password is not in it.
    given, options = libpq_parameters(url)
    # Also where it is empty: nothing is taken from PGOPTIONS then.
    given["options"] = options
    escaped = {name: str(value).replace("\\", "\\\\").replace("'", "\\'") for name, value in given.items()}
    escaped.pop("password", None)
    return " ".join(f"{name}='{value}'" for name, value in escaped.items())


def _environment(url: URL | None) -> dict[str, str]:
    # Their messages are read here, so they are in English.
    utf8 = {"PGCLIENTENCODING": "UTF8"}
    environment = {**os.environ, "LC_ALL": "C", "PGCONNECT_TIMEOUT": str(CONNECT_TIMEOUT_S), **utf8}
    password = libpq_parameters(url)[0].get("password") if url else None
    return {**environment, "PGPASSWORD": password} if password else environment
