"""Programs with generated clients use a console on a socket: what they call and what they are refused."""

import re
import shutil
import sys
from pathlib import Path

import pytest

from tests.clients.consoles import running
from tests.clients.tools import HERE, OFFLINE, Workshop, compile_typescript, require, run

pytestmark = pytest.mark.long
PROGRAMS = HERE / "programs"


def test_a_program_with_openapi_python_client(python_client: Path, schema_url: str) -> None:
    shutil.copy2(PROGRAMS / "console.py", python_client)
    run(python_client, sys.executable, "-m", "mypy", "--no-error-summary", "--strict", "console.py")
    with running(schema_url) as given:
        assert run(python_client, sys.executable, "console.py", given) == "done\n"


def test_a_program_with_openapi_fetch(types: Path, workshop: Workshop, postgres_schema_url: str) -> None:
    shutil.copy2(PROGRAMS / "console.ts", types)
    checks = {"noUncheckedIndexedAccess": True, "exactOptionalPropertyTypes": True}
    compile_typescript(types, workshop, "console.ts", noEmit=False, outDir="out", **checks)
    with running(postgres_schema_url) as given:
        assert run(types, "node", "out/console.js", given) == "done\n"


def test_a_short_program_with_openapi_generator_for_python(generated: Path, sqlite_schema_url: str) -> None:
    folder = generated / "python"
    shutil.copy2(PROGRAMS / "short.py", folder)
    options = ("--no-error-summary", "--strict", "--follow-imports", "silent", "short.py")
    run(folder, sys.executable, "-m", "mypy", *options)
    with running(sqlite_schema_url) as given:
        assert run(folder, sys.executable, "short.py", given) == "done\n"


def test_a_short_program_with_openapi_generator_for_typescript(
    generated: Path, workshop: Workshop, sqlite_schema_url: str
) -> None:
    folder = generated / "typescript-fetch"
    shutil.copy2(PROGRAMS / "short.ts", folder)
    compile_typescript(folder, workshop, "**/*.ts", noEmit=False, outDir="out")
    with running(sqlite_schema_url) as given:
        assert run(folder, "node", "out/short.js", given) == "done\n"


def test_a_short_program_with_openapi_generator_for_go_and_its_standard_library_alone(
    generated: Path, sqlite_schema_url: str
) -> None:
    require("go")
    folder = generated / "go"
    (folder / "short").mkdir(exist_ok=True)
    shutil.copy2(PROGRAMS / "short.go", folder / "short" / "main.go")
    assert re.findall(r"^\s*(\S+\.\S+) v", (folder / "go.mod").read_text(), re.MULTILINE) == []
    # Not the generated tests of the client, which use a package.
    run(folder, "go", "vet", ".", "./short", **OFFLINE)
    with running(sqlite_schema_url) as given:
        assert run(folder, "go", "run", "./short", given, **OFFLINE) == "done\n"
