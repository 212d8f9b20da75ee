"""Finds and runs PostgreSQL's client programs, with the password in their environment and errors in one line."""

import os
import re
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

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
    own: dict[str, Any] = {"text": True, "errors": "replace", "stdin": subprocess.DEVNULL}
    with _start(command, url, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **own) as process:
        try:
            error_lines = list(_read_error_lines(process, on_line))
            output: str = process.stdout.read() if process.stdout else ""
        except BaseException:
            process.kill()
            raise
    _check(process.returncode, command, error_lines, url)
    return output


def run_script(command: list[str], psql: str, url: URL, select: Callable[[Iterable[bytes]], Iterable[bytes]]) -> None:
    """Give psql the SQL that a program writes, as far as `select` returns its lines.

    The SQL has a transaction of its own, so that nothing remains of a part of it. Raises CommandError with the message
    of the program that failed.
    """
    client = [psql, "--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", "--file=-"]
    # The messages go to a file, because a program waits when nobody reads its pipe.
    with (
        tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as messages,
        _start(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=messages) as source,
        _start(client, url, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=messages) as target,
    ):
        try:
            _pass_on(source, target, select)
        except BaseException:
            source.kill()
            target.kill()
            target.communicate()
            raise
        messages.seek(0)
        lines = [line.strip() for line in messages]
    _check(target.returncode, client, lines, url)
    _check(source.returncode, command, lines, url)


def _pass_on(
    source: "subprocess.Popen[bytes]",
    target: "subprocess.Popen[bytes]",
    select: Callable[[Iterable[bytes]], Iterable[bytes]],
) -> None:
    # psql ends at its first error. The other program then must not wait for a reader.
    if source.stdout and target.stdin:
        with suppress(BrokenPipeError), source.stdout as lines:
            target.stdin.writelines(select(lines))
    # Closes the input, also of a psql that has ended, and waits.
    target.communicate()
    source.wait()


def _start(command: list[str], url: URL | None = None, **options: Any) -> "subprocess.Popen[Any]":
    target = [f"--dbname={_conninfo(url)}", "--no-password"] if url else []
    # No shell, and the programs are PostgreSQL's own.
    return subprocess.Popen([*command, *target], env=_environment(url), **options)  # noqa: S603


def _check(code: int, command: list[str], error_lines: list[str], url: URL | None) -> None:
    if code:
        message = _error_message(error_lines) or f"{Path(command[0]).name} ended with {code}."
        advice = advice_for(message, url) if url else None
        raise CommandError(f"{message} {advice}" if advice else message)


def _read_error_lines(process: "subprocess.Popen[str]", on_line: Callable[[str], None] | None) -> Iterator[str]:
    for line in process.stderr or ():
        if on_line:
            on_line(line)
        if not on_line or ": error:" in line:
            yield line.strip()


def _error_message(error_lines: list[str]) -> str:
    # psql writes only `ERROR:` of the server, and the other programs `error:` before it.
    lines = [line for line in error_lines if re.search("error:|ERROR:", line)] or error_lines
    return re.sub(r"^.*?\b(?:error|ERROR):\s+(?:.*?\bERROR:\s+)?", "", lines[0]).rstrip(".") + "." if lines else ""


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
