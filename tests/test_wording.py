"""Messages write numbers with separators, and the label of a field in a sentence without its capital letter."""

import ast
import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules

import pytest
from pydantic import BaseModel

import agents_app.connections
import agents_app.schemas
from agents_app.errors import ConsoleError, InvalidInput
from agents_app.paths import ROOT
from agents_app.refusals import FRAMEWORK_ERRORS
from agents_app.values.json_text import BYTES_MAX, MEMBERS_MAX, read_object
from agents_app.values.rules import line, list_of_lines, multiline_text, whole_number
from agents_app.wording import label_in_sentence, number_text, seconds_text
from tests.bad_inputs import BAD_AGENTS

FILES = [path for path in (ROOT / "agents_app").rglob("*.py") if "dbtools" not in path.parts and path.stem != "wording"]
ABBREVIATIONS = {"API", "TLS"}
ModelType = type(BaseModel)
# A limit in an f-string, such as `{NAME_MAX}`.
LIMIT = re.compile(r"(.*_)?(MAX|MIN|BYTES|LIMIT)|most|least|entries|count|lineno|colno")
# Four digits or more that are no part of an address, an id or a date.
BARE_NUMBER = re.compile(r"(?<![\w.:,+-])[0-9]{4,}(?![\w-])")


def messages(path: Path) -> Iterator[ast.expr]:
    """The texts of the refusals of a file."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
            yield from (part for part in ast.walk(node.exc) if isinstance(part, ast.JoinedStr | ast.Constant))


@pytest.mark.parametrize(
    ("number", "text"), [(0, "0"), (999, "999"), (1_000, "1,000"), (65_535, "65,535"), (-1_000, "-1,000")]
)
def test_a_number_has_a_comma_between_thousands(number: int, text: str) -> None:
    assert number_text(number) == text


@pytest.mark.parametrize(("seconds", "text"), [(1, "1 second"), (2, "2 seconds"), (3_600, "3,600 seconds")])
def test_a_number_of_seconds_has_the_singular_for_one(seconds: int, text: str) -> None:
    assert seconds_text(seconds) == text


@pytest.mark.parametrize(
    ("label", "text"), [("Password", "password"), ("Client secret", "client secret"), ("API key", "API key"), ("", "")]
)
def test_a_label_in_a_sentence_keeps_only_the_capitals_of_an_abbreviation(label: str, text: str) -> None:
    assert label_in_sentence(label) == text


def labels() -> set[str]:
    """The label of every field of every schema and connection type."""
    packages = (agents_app.connections, agents_app.schemas)
    names = [f"{package.__name__}.{module.name}" for package in packages for module in iter_modules(package.__path__)]
    models = [value for name in names for value in vars(import_module(name)).values() if isinstance(value, ModelType)]
    return {field.title or "" for model in models for field in model.model_fields.values()}


@pytest.mark.parametrize("label", sorted(labels()))
def test_each_label_begins_in_lower_case_or_with_an_abbreviation(label: str) -> None:
    first, _, rest = label_in_sentence(label).partition(" ")

    assert first.islower() or first in ABBREVIATIONS
    assert (first.casefold(), rest) == (label.partition(" ")[0].casefold(), label.partition(" ")[2])


@pytest.mark.parametrize(
    ("rule", "value", "sentence"),
    [
        (whole_number("Rows", 1_000, 50_000), 0, "Rows must be between 1,000 and 50,000."),
        (line(2_000), "x" * 2_001, "Use at most 2,000 characters."),
        (multiline_text(32_000), "x" * 32_001, "Use at most 32,000 characters."),
        (list_of_lines(10, entries=1_000), ["x"] * 1_001, "Use at most 1,000 entries."),
        (line(5_000), "x" * 1_233 + "\u202e", "character 1,234"),
    ],
)
def test_a_rule_refuses_with_separated_numbers(rule: object, value: object, sentence: str) -> None:
    with pytest.raises(Exception, match=re.escape(sentence)):
        rule.check(value)


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b" " * (BYTES_MAX + 1), "Send at most 1,000 kB."),
        (
            b'{"a": [' + b"{%s}" % b",".join(b'"%d": 1' % n for n in range(MEMBERS_MAX + 1)) + b"]}",
            "at most 1,000 members",
        ),
        (b"\n" * 1_233 + b"{", "line 1,234,"),
    ],
)
def test_json_that_is_too_large_is_refused_with_separated_numbers(body: bytes, sentence: str) -> None:
    with pytest.raises(ConsoleError, match=re.escape(sentence)):
        read_object(body)


def test_every_refusal_of_the_console_has_separated_numbers() -> None:
    sentences = [sentence for bad in BAD_AGENTS for _, sentence in bad.refused]
    sentences += [sentence for _, sentence in FRAMEWORK_ERRORS.values()]
    # The parts of a pasted address are written as they must be typed.
    sentences = [sentence for sentence in sentences if not sentence.startswith("This is a complete address")]

    assert [sentence for sentence in sentences if BARE_NUMBER.search(sentence)] == []
    assert InvalidInput([("", "")] * 1_000).detail == "1,000 fields need attention."


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_refusal_writes_each_number_with_number_text(path: Path) -> None:
    wrong = []
    for part in messages(path):
        if isinstance(part, ast.Constant):
            wrong += BARE_NUMBER.findall(part.value) if isinstance(part.value, str) else []
            continue
        for value in part.values if isinstance(part, ast.JoinedStr) else []:
            if isinstance(value, ast.FormattedValue):
                name = getattr(value.value, "attr", getattr(value.value, "id", ""))
                wrong += [ast.unparse(value)] if value.format_spec is not None or LIMIT.fullmatch(name) else []

    assert wrong == []
