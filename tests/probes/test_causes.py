"""The table of causes and the code agree: what is raised is in the table, and what is in the table is raised."""

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

from agents_app.paths import ROOT
from agents_app.probes.causes import CAUSES
from agents_app.probes.causes.cause import Responsible

PROBES = ROOT / "agents_app" / "probes"
CODE = [path for path in (ROOT / "agents_app").rglob("*.py") if not path.is_relative_to(PROBES / "causes")]
TESTS = list(Path(__file__).parents[1].rglob("test_*.py"))


def texts(node: ast.AST) -> set[str]:
    """The texts in a part of the code."""
    return {part.value for part in ast.walk(node) if isinstance(part, ast.Constant) and isinstance(part.value, str)}


def raised(path: Path) -> Iterator[tuple[str, str]]:
    """What calls get first and what tables have as values, each with the name of the function or the line."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant | ast.IfExp):
            name = getattr(node.func, "id", getattr(node.func, "attr", ""))
            yield from ((name, text) for text in texts(node.args[0]))
        if isinstance(node, ast.Dict):
            values = [value for value in node.values if isinstance(value, ast.Constant)]
            yield from ((f"line {node.lineno}", text) for value in values for text in texts(value))


@pytest.mark.parametrize("path", sorted(PROBES.rglob("*.py")), ids=lambda path: str(path.relative_to(PROBES)))
def test_a_code_that_the_code_raises_is_in_the_table(path: Path) -> None:
    found = defaultdict(set)
    for place, text in raised(path):
        found[place].add(text)

    # Where one text is a code, all of them are.
    wrong = {place: codes - CAUSES.keys() for place, codes in found.items() if codes & CAUSES.keys()}

    assert {place: codes for place, codes in wrong.items() if codes} == {}


def test_a_cause_is_raised_by_the_code_and_expected_by_a_test() -> None:
    for paths in (CODE, TESTS):
        found = "".join(path.read_text() for path in paths)

        assert [code for code in CAUSES if f'"{code}"' not in found] == []


def test_a_next_step_with_statements_has_another_one_for_a_result_without_them() -> None:
    has_statements = {code for code, cause in CAUSES.items() if "statements" in cause.next_step.partition("Until")[0]}

    assert has_statements == {code for code, cause in CAUSES.items() if cause.without_statements}


def test_the_documentation_names_everyone_who_can_do_a_next_step() -> None:
    page = (ROOT / "docs" / "connections.md").read_text()

    assert [one.value for one in Responsible if f"`{one.value}`" not in page] == []


def test_what_is_wrong_and_what_to_do_are_sentences() -> None:
    causes = CAUSES.values()
    written = [text for one in causes for text in (one.what, one.next_step, one.without_statements or "None.")]

    # Some end with a sentence that the code adds, and some with a command to copy.
    wrong = [text for text in written if not re.fullmatch(r"[A-Z{].*(\.|\}|: \S+( -m pip)? install .*)", text)]

    assert wrong == []
