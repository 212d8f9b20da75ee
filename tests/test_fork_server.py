"""A command that the fork server runs does what the real program does."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fork_server import programs
from tests.make import KEYS
from tests.project import reused_copy

pytestmark = pytest.mark.long

REAL = Path(sys.executable).parent
LINES = ("flask --version", "flask db status", "python -m flask nonsense", "alembic current", "alembic upgrade nothing")
# Typed into `flask shell`.
FACTS = """
import os, sys, warnings
print(sorted(item for item in os.environ.items() if item[0] not in ("PATH", "_", "SHLVL")))
initial = open("/proc/self/environ").read().split("\\0")
print(sorted(item for item in initial if item and not item.startswith(("PATH=", "_=", "SHLVL="))))
print(os.getcwd(), sys.argv, sys.path[0], [(s.encoding, s.errors) for s in (sys.stdin, sys.stdout, sys.stderr)])
print(warnings.filters, sys.warnoptions)
print(sorted(name for name in sys.modules if name.startswith("agents_app")))
sys.exit(7)
"""


@pytest.fixture
def folder(tmp_path: Path, sqlite_schema_url: str) -> Path:
    """A copy of the project. Its `.env` names another database than the environment does."""
    folder = reused_copy(tmp_path)
    (folder / ".env").write_text(f"DATABASE_URL=sqlite:///{folder}/other.db\nLOG_LEVEL=ERROR\n")
    return folder


def run(path: Path, line: str, folder: Path, typed: str = "", **settings: str | None) -> tuple[str, str, int]:
    """The output, the errors and the exit code of a command line. A setting of None is not in its environment."""
    usual = {**KEYS, "PATH": f"{path}:/usr/bin:/bin", "LANG": "C.UTF-8", "PYTHONWARNINGS": "error"}
    environment = {name: value for name, value in {**usual, **settings}.items() if value is not None}
    words = ["bash", "-c", line]
    ended = subprocess.run(words, check=False, cwd=folder, env=environment, input=typed, capture_output=True, text=True)
    return re.sub("0x[0-9a-f]+", "0x", ended.stdout), ended.stderr, ended.returncode


@pytest.mark.parametrize("line", LINES)
def test_it_prints_the_same_and_ends_with_the_same_code(line: str, folder: Path, sqlite_schema_url: str) -> None:
    real = run(REAL, line, folder, DATABASE_URL=sqlite_schema_url)

    assert run(programs(), line, folder, DATABASE_URL=sqlite_schema_url) == real


@pytest.mark.parametrize(
    "settings",
    [{}, {"PYTHONWARNINGS": None}, {"LC_ALL": "C"}, {"LANG": ""}, {"PYTHONIOENCODING": "latin-1"}],
)
def test_it_has_the_same_environment_arguments_and_streams(
    settings: dict[str, str | None], folder: Path, sqlite_schema_url: str
) -> None:
    settings = {"DATABASE_URL": sqlite_schema_url, **settings}
    real = run(REAL, "python -m flask shell", folder, FACTS, **settings)

    forked = run(programs(), "python -m flask shell", folder, FACTS, **settings)

    assert forked == real
    assert real[2] == 7


def test_a_program_that_raises_an_exception_ends_with_its_name_and_1(folder: Path, sqlite_schema_url: str) -> None:
    (folder / "migrations" / "env.py").write_text("raise LookupError('broken')\n")

    for path in (REAL, programs()):
        _, errors, code = run(path, "alembic current", folder, DATABASE_URL=sqlite_schema_url)

        assert (errors.splitlines()[-1], code) == ("LookupError: broken", 1)


@pytest.mark.parametrize("statement", ["raise LookupError('odd')", "import warnings; warnings.warn('odd')"])
@pytest.mark.parametrize("settings", [{}, {"PYTHONWARNINGS": None}], ids=["error", "default"])
def test_a_change_of_a_module_counts_from_the_next_command(
    statement: str, settings: dict[str, str | None], folder: Path, sqlite_schema_url: str
) -> None:
    settings = {"DATABASE_URL": sqlite_schema_url, **settings}
    assert run(programs(), "alembic current", folder, **settings)[2] == 0
    module = folder / "agents_app" / "models" / "__init__.py"
    module.write_text(f"{module.read_text()}\n{statement}\n")

    forked, real = (run(path, "alembic current", folder, **settings) for path in (programs(), REAL))

    # A traceback also has the frames of the server.
    assert (forked[0], forked[1].splitlines()[-1], forked[2]) == (real[0], real[1].splitlines()[-1], real[2])
    assert "odd" in real[1]


def test_output_that_cannot_be_written_ends_it_with_the_same_code(folder: Path, sqlite_schema_url: str) -> None:
    line = "alembic history > /dev/full"
    real = run(REAL, line, folder, DATABASE_URL=sqlite_schema_url)

    assert run(programs(), line, folder, DATABASE_URL=sqlite_schema_url)[2] == real[2] != 0
