"""Prevents tests from accessing the data of the person who runs them. It works from its import, before other modules.

- The environment is empty but for KEPT, and the home folder is a temporary one, so that no setting, no service file
  and no password file of that person is found.
- `.env`, `instance/` and `backups/` of the checkout are out of bounds: an audit hook, which Python calls before it
  opens, lists, makes, renames or removes a file, refuses them.
- Python's hook does not see into other programs. So no program is started in the checkout, and none is given its path:
  commands of the project run in a copy (`project.py`). The exception is the child process of a test of a connection,
  which opens no file of the checkout but the modules that it imports.

A refusal fails the test that caused it, even where the code under test catches the exception.
"""

import atexit
import os
import re
import shutil
import sys
import tempfile
import traceback
from collections.abc import Iterable, Mapping
from pathlib import Path

import psycopg2
import pytest
import sqlalchemy as sa

CHECKOUT = Path(__file__).resolve().parent.parent
# Programs are found by PATH; the others are settings of the tests.
KEPT = ("PATH", "TEST_DATABASE_URL", "REQUIRE_ALL", "VNU_JAR")
# Resolved, so that a path through a link is the same path.
OUT_OF_BOUNDS = tuple(os.path.realpath(CHECKOUT / name) for name in (".env", "instance", "backups"))
# The checkout's path in a longer text, unless it leads to the programs in `.venv`.
NAMES_CHECKOUT = re.compile(rf"(?<![\w.-]){re.escape(str(CHECKOUT))}(?!/\.venv/)(?![\w.-])")
ABOUT_FILES = ("open", "os.", "shutil.", "sqlite3.connect", "glob.", "pathlib.", "tempfile.")
# An action on a folder includes its files, whose names are not in the event.
ACTS_ON_TREE = ("shutil.rmtree", "shutil.move", "os.rename", "os.fwalk")
# The command of a probe, as `agents_app/probes/runner.py` starts it.
PROBES = [sys.executable, "-B", "-s", "-m", "agents_app.probes"]
STARTS_A_PROGRAM = ("subprocess.Popen", "os.posix_spawn", "os.exec", "os.spawn", "os.system", "pty.spawn")
TABLES = """
    SELECT count(*) FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
    WHERE relkind IN ('r', 'p', 'f', 'm') AND nspname !~ '^pg_' AND nspname <> 'information_schema'
"""

# Set by pytest while a test runs.
RUNNING_TEST = "PYTEST_CURRENT_TEST"

HOME = Path(tempfile.mkdtemp(prefix="console-tests-")).resolve()
REFUSED = HOME / "refused"


class OutOfBounds(RuntimeError):
    """A test accessed the data of the person who runs it."""


def _empty_the_environment() -> None:
    kept = {name: os.environ[name] for name in KEPT if os.environ.get(name)}
    os.environ.clear()
    os.environ.update(kept, HOME=str(HOME))


def _watch(event: str, values: tuple[object, ...]) -> None:
    if event in STARTS_A_PROGRAM:
        if values[1:2] == (PROBES,):
            return
        wrong = next((text for text in _given_to_program(values) if NAMES_CHECKOUT.search(text)), None)
    elif event.startswith(ABOUT_FILES):
        takes_tree = event in ACTS_ON_TREE
        wrong = next((text for text in _texts(values) if _is_out_of_bounds(text, takes_tree)), None)
    else:
        return
    if wrong is not None:
        _refuse(f"A test must not touch the checkout's data, nor start a program there: {event} {wrong!r}")


def _given_to_program(values: tuple[object, ...]) -> Iterable[str]:
    yield from _texts(values)
    # The default folder: pytest itself can start its workers in the checkout.
    if RUNNING_TEST in os.environ:
        yield str(Path.cwd())
        yield from _texts([os.environ])


def _texts(values: Iterable[object]) -> Iterable[str]:
    for value in values:
        if isinstance(value, str | bytes | os.PathLike):
            yield os.fsdecode(value)
        elif isinstance(value, Mapping):
            # The PATH may contain the checkout.
            yield from _texts([text for name, text in value.items() if name not in ("PATH", b"PATH")])
        elif isinstance(value, list | tuple):
            yield from _texts(value)


def _is_out_of_bounds(path: str, takes_tree: bool) -> bool:
    if path.startswith("file:"):
        path = path.removeprefix("file:").partition("?")[0]
    if not path.startswith(os.sep) and RUNNING_TEST not in os.environ:
        # A name relative to an open folder, such as those that pytest removes at its end, looks the same.
        return False
    try:
        found = os.path.realpath(path)
    except ValueError:  # a null byte: no file has this name
        return False
    return any(
        f"{found}/".startswith(f"{bound}/") or (takes_tree and bound.startswith(f"{found}/")) for bound in OUT_OF_BOUNDS
    )


def _refuse(sentence: str) -> None:
    # In a file, so that actions of forked processes count too.
    with REFUSED.open("a") as record:
        record.write(f"{sentence}\n{''.join(traceback.format_stack()[:-2])}\n")
    raise OutOfBounds(sentence)


def judge(report: pytest.TestReport) -> pytest.TestReport:
    """The report of a test, changed to failed if an action was refused since the last report."""
    if REFUSED.exists():
        if not report.failed:
            report.outcome, report.longrepr = "failed", REFUSED.read_text()
        REFUSED.unlink()
    return report


def check_server() -> None:
    """Refuse a TEST_DATABASE_URL that cannot be used, or whose database has tables. Raises UsageError."""
    given = os.environ.get("TEST_DATABASE_URL")
    if not given:
        return
    try:
        url = sa.make_url(given).set(drivername="postgresql")
        connection = psycopg2.connect(url.render_as_string(hide_password=False))
    except (sa.exc.ArgumentError, psycopg2.Error):
        raise pytest.UsageError("TEST_DATABASE_URL does not lead to a PostgreSQL server that answers.") from None
    with connection.cursor() as cursor:
        cursor.execute(TABLES)
        (tables,) = cursor.fetchone() or (0,)
    connection.close()
    if tables:
        raise pytest.UsageError(
            "The database of TEST_DATABASE_URL has tables. Name an empty one: tests never run next to data."
        )


_empty_the_environment()
atexit.register(shutil.rmtree, HOME, ignore_errors=True)
sys.addaudithook(_watch)
