"""The lines of the values of a document: JSON and YAML alike."""

import tracemalloc
from collections.abc import Callable

import pytest

from agents_app.errors import Malformed
from agents_app.values import limits, yaml_text
from agents_app.values.line_numbers import Lines, lines_of

TEXT = '{"a": 1,\n "b/c": [\n  "x",\n  {"d~": null}\n ],\n "": {}}\n'
WANTED = {
    "": None,
    "/none": None,
    "/a": 1,
    "/b~1c": 2,
    "/b~1c/0": 3,
    "/b~1c/1": 4,
    "/b~1c/1/d~0": 4,
    "/b~1c/1/d~0/more": 4,
    "/b~1c/2": 2,
    "/b~1c/x": 2,
    "/": 6,
}


@pytest.mark.parametrize("read", [lines_of, lambda text: yaml_text.read(text.encode())[1]], ids=["json", "yaml"])
def test_a_pointer_has_the_line_of_its_value_or_of_what_contains_it(read: Callable[[str], Lines]) -> None:
    lines = read(TEXT)

    assert {pointer: lines.nearest(pointer) for pointer in WANTED} == WANTED


def test_a_document_has_a_highest_number_of_values(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "FILE_VALUES", 3)

    with pytest.raises(Malformed, match="line 2 goes on with more than 3 values"):
        yaml_text.read(b"- 1\n- [2, 3]\n")
    assert lines_of("[1,\n2, 3, 4, 5]").nearest("/3") is None
    assert lines_of("[1,\n2, 3, 4, 5]").nearest("/1") == 2


def test_long_names_around_many_values_need_little_memory() -> None:
    values = ",".join(["1"] * 5_000)
    yaml = f'? "{"k" * 100_000}"\n: [{values}]\n'.encode()
    tracemalloc.start()
    yaml_text.read(yaml)
    lines_of(f'{{"{"k" * 100_000}": [{values}]}}')
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    # A pointer for each value would have 500 MB.
    assert peak < 50_000_000
