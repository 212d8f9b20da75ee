"""Linters of OpenAPI documents find nothing, with all of their recommended rules but those on license and contact."""

import json
from pathlib import Path

import pytest

from tests.clients.tools import HERE, Workshop, run

pytestmark = pytest.mark.long


def test_redocly_and_spectral_find_nothing(workshop: Workshop, document_file: Path, tmp_path: Path) -> None:
    for name in ("redocly.yaml", "spectral.yaml"):
        (tmp_path / name).write_text((HERE / name).read_text())
    programs = workshop.npm_packages()
    redocly = ("lint", document_file, "--config", "redocly.yaml", "--format", "json")
    printed = run(tmp_path, programs / "redocly", *redocly)
    problems = json.loads(printed[printed.index("{") : printed.rindex("}") + 1])["problems"]
    assert problems == []
    spectral = ("lint", document_file, "--ruleset", "spectral.yaml", "--fail-severity", "hint")
    run(tmp_path, programs / "spectral", *spectral)
