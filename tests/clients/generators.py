"""The generators, with the options that a user of each would give. No generated file is changed."""

import re
import sys
from pathlib import Path

from tests.clients.tools import Workshop, require, run

JAVA_OPTIONS = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"
# The module `example.org/console/client`.
GO_MODULE = ("--git-host", "example.org", "--git-user-id", "console", "--git-repo-id", "client")
OPENAPI_GENERATOR = ("python", "typescript-fetch", "go")
NAMES = {
    "python": ("--additional-properties", "packageName=short_client"),
    "typescript-fetch": (),
    "go": ("--additional-properties", "packageName=client", *GO_MODULE),
}
# What OpenAPI Generator warns of with every document of OpenAPI 3.1, and with a member that may be any JSON value.
EXPECTED_WARNINGS = (
    "OpenAPI 3.1 support is still in beta",
    "Failed to get the schema name: null",
    "Codegen property is null (e.g. map/dict of undefined type). Default to typing.Any.",
)


def openapi_python_client(folder: Path, document: Path) -> None:
    """Make the package `console_client`. Fails with any warning, such as of a schema that is left out."""
    # Its hooks would let the installed ruff change the code by the rules of that version.
    (folder / "options.yaml").write_text("post_hooks: []\n")
    options = ("--meta", "none", "--output-path", "console_client", "--config", "options.yaml", "--fail-on-warning")
    run(folder, sys.executable, "-m", "openapi_python_client", "generate", "--path", document, *options)


def datamodel_codegen(folder: Path, document: Path) -> None:
    """Make the module `console_models.py`. Fails with any warning."""
    options = ("--output-model-type", "pydantic_v2.BaseModel", "--target-python-version", "3.11", "--use-annotated")
    options += ("--formatters", "builtin", "--input-file-type", "openapi", "--output", "console_models.py")
    options += ("--openapi-scopes", "schemas", "paths")
    run(folder, sys.executable, "-W", "error", "-m", "datamodel_code_generator", "--input", document, *options)


def openapi_typescript(folder: Path, document: Path, workshop: Workshop) -> None:
    """Make the types `schema.d.ts`."""
    run(folder, workshop.npm_packages() / "openapi-typescript", document, "--output", "schema.d.ts")


def openapi_generator(folder: Path, document: Path) -> None:
    """Make a client with each generator of OPENAPI_GENERATOR, in a folder of its name. Fails with any other warning."""
    require("java")
    program = Path(sys.executable).with_name("openapi-generator-cli")
    for name in OPENAPI_GENERATOR:
        options = ("--generator-name", name, "--output", name, *NAMES[name])
        printed = run(folder, program, "generate", "--input-spec", document, *options, JAVA_TOOL_OPTIONS=JAVA_OPTIONS)
        warnings = re.findall(r"^.*\b(?:WARN|ERROR)\b.*$", printed, re.MULTILINE)
        assert [one for one in warnings if not any(known in one for known in EXPECTED_WARNINGS)] == [], name
