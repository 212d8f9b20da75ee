"""Clients are generated with six generators, lose no schema and no operation, and compile with strict checks.

`test_programs.py` compiles those of OpenAPI Generator for TypeScript and Go, with a program each.
"""

import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest

from agents_app.api.answer_components import AGENTS
from agents_app.connections import TYPES
from agents_app.schemas.agents import CONFIG
from agents_app.values.choices import ConnectionType
from tests.clients.generators import OPENAPI_GENERATOR, datamodel_codegen
from tests.clients.tools import Workshop, compile_typescript, run

pytestmark = pytest.mark.long
POWER_BI = TYPES[ConnectionType.POWERBI]
API_GUIDE = Path(__file__).parents[2] / "docs" / "api.md"

IMPORT_EVERYTHING = """
import importlib, pkgutil, sys
import {package}
for module in pkgutil.walk_packages({package}.__path__, "{package}."):
    importlib.import_module(module.name)
names = set(sys.modules) | set(vars(importlib.import_module("{package}.models")))
print(*sorted(names))
"""


def schemas(document_file: Path) -> dict[str, Any]:
    """The schemas of the document, by name."""
    found: dict[str, Any] = json.loads(document_file.read_text())["components"]["schemas"]
    return found


def operations(document_file: Path) -> list[str]:
    """The ids of the operations of the document."""
    paths = json.loads(document_file.read_text())["paths"].values()
    return [operation["operationId"] for path in paths for operation in path.values()]


def as_snake_case(name: str) -> str:
    """`listAgents` as `list_agents`."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()


def check_types(folder: Path, *options: str) -> None:
    """Check Python files with the installed mypy."""
    run(folder, sys.executable, "-m", "mypy", "--no-error-summary", *options)


def test_openapi_python_client_has_every_operation_and_passes_strict_checks(
    python_client: Path, document_file: Path
) -> None:
    names = run(python_client, sys.executable, "-c", IMPORT_EVERYTHING.format(package="console_client")).split()
    models = {name for name, schema in schemas(document_file).items() if "anyOf" not in schema}
    assert models - set(names) == set()
    modules = {name.rpartition(".")[2] for name in names}
    assert {as_snake_case(name) for name in operations(document_file)} - modules == set()
    check_types(python_client, "--strict", "-p", "console_client")


def test_datamodel_code_generator_has_every_schema_and_passes_strict_checks(
    workshop: Workshop, document_file: Path
) -> None:
    folder = workshop.made("models", lambda folder: datamodel_codegen(folder, document_file))
    names = run(folder, sys.executable, "-W", "error", "-c", "import console_models; print(*vars(console_models))")
    assert schemas(document_file).keys() - set(names.split()) == set()
    check_types(folder, "--strict", "console_models.py")
    (folder / "read.py").write_text(READ_AGENTS)
    agents = json.dumps([[name, *agents_of_releases(document_file, name)] for name in AGENTS])
    assert run(folder, sys.executable, "read.py", agents).splitlines() == [
        f"{name} {name}Database {name}PowerBi {name}Unknown {name}Database" for name in AGENTS
    ]


READ_AGENTS = """
import json, sys
import console_models
for name, *agents in json.loads(sys.argv[1]):
    union = getattr(console_models, name)
    print(name, *[type(union.model_validate(agent).root).__name__ for agent in agents])
"""


def agents_of_releases(document_file: Path, name: str) -> list[dict[str, Any]]:
    """An agent of each type, one of a type of a later release, and one with members of a later release."""
    database: dict[str, Any] = schemas(document_file)[f"{name}Database"]["examples"][0]
    shape = POWER_BI.model_validate(POWER_BI.example).model_dump(mode="json")
    power_bi = {**database, "connection_type": "POWERBI", CONFIG: shape}
    later = {**database, "connection_type": "LATER", CONFIG: {"path": "/"}, "new_member": [1]}
    return [database, power_bi, later, {**database, CONFIG: {**database[CONFIG], "new_member": 1}}]


def test_openapi_typescript_has_every_schema_and_compiles(types: Path, workshop: Workshop, document_file: Path) -> None:
    names = "".join(f'  {name}: components["schemas"]["{name}"];\n' for name in schemas(document_file))
    called = "".join(f'  {name}: operations["{name}"];\n' for name in operations(document_file))
    imported = 'import type { components, operations } from "./schema";\n'
    sent = re.findall(r"-d '(\{.*?\})'", API_GUIDE.read_text(), re.DOTALL)[0]
    created = f'export const created: components["schemas"]["AgentCreate"] = {sent};\n'
    (types / "all.ts").write_text(f"{imported}{created}export interface All {{\n{names}{called}}}\n")
    compile_typescript(types, workshop, "all.ts", noUncheckedIndexedAccess=True, exactOptionalPropertyTypes=True)


@pytest.mark.parametrize("generator", OPENAPI_GENERATOR)
def test_openapi_generator_has_every_schema_and_operation(generated: Path, document_file: Path, generator: str) -> None:
    wanted = {*schemas(document_file), *operations(document_file)}
    text = "\n".join(path.read_text() for path in (generated / generator).rglob("*.*") if path.suffix in SUFFIXES)
    declared = {word.lower().replace("_", "") for word in re.findall(DECLARATION, text)}
    assert {name for name in wanted if name.lower() not in declared} == set()


SUFFIXES = (".py", ".ts", ".go")
DECLARATION = r"\b(?:class|def|interface|type|func|const|async|func \(\w+ \*?\w+\)) (\w+)"


def test_openapi_generator_for_python_passes_the_checks_of_its_own_configuration(generated: Path) -> None:
    folder = generated / "python"
    run(folder, sys.executable, "-W", "error", "-c", IMPORT_EVERYTHING.format(package="short_client"))
    # Its templates leave out some annotations, so that `--strict` fails with every document.
    check_types(folder, "--config-file", "pyproject.toml", "-p", "short_client")
