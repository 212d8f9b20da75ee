"""Every test that docs/security.md names exists, and each requirement is listed once."""

import ast
import re
from functools import cache

import pytest

from agents_app.paths import ROOT

DOCUMENT = (ROOT / "docs" / "security.md").read_text()
NAMED = sorted(set(re.findall(r"`(?:tests/)?([\w/]+\.py)::(\w+)`", DOCUMENT)))
ROWS = re.findall(r"^\| (\d+\.\d+\.\d+) \| ([12]) \| ", DOCUMENT, re.MULTILINE)


@cache
def names_in(path: str) -> set[str]:
    tree = ast.parse((ROOT / "tests" / path).read_text())
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")}


@pytest.mark.parametrize(("path", "name"), NAMED, ids=lambda part: part)
def test_every_test_that_the_document_names_exists(path: str, name: str) -> None:
    assert name in names_in(path)


def test_every_requirement_has_one_row_and_a_test() -> None:
    numbers = [number for number, _ in ROWS]
    lines = [line for line in DOCUMENT.splitlines() if re.match(r"\| \d+\.\d+\.\d+ \| [12] \|", line)]

    assert len(numbers) == len(set(numbers)) > 80
    assert numbers == sorted(numbers, key=lambda number: [int(part) for part in number.split(".")])
    assert [line for line in lines if ".py::test_" not in line] == []
