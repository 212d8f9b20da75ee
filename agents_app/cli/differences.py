"""Prints the values of two versions that differ: short ones in a table, of long texts the words that changed."""

import textwrap
from collections.abc import Iterable, Sequence
from typing import Any

from agents_app.cli.output import cell_text, print_lines, print_table
from agents_app.values.text_comparison import FOLD_FROM, Budget, Kind, Part, compare, fold

# The number of characters of a line, of one that follows the name of a field, and of a value in the table.
WIDTH, RECORD_WIDTH, SHORT_MAX = 100, 80, 60
MARKS = {Kind.REMOVED: ("[-", "-]"), Kind.ADDED: ("{+", "+}"), Kind.SAME: ("", "")}
LEGEND = "In long texts, [-…-] was removed and {+…+} was added. --json prints whole values."


def print_differences(rows: Iterable[tuple[str, Any, Any]]) -> None:
    """Print rows of (field, value before, value after)."""
    texts = [(field, cell_text(before), cell_text(after)) for field, before, after in rows]
    long = [row for row in texts if not all(map(_is_short, row[1:]))]
    if short := [row for row in texts if row not in long]:
        print_table(("FIELD", "BEFORE", "AFTER"), short)
    budget = Budget()
    for field, before, after in long:
        old, new = ("" if text == "-" else text for text in (before, after))
        parts = fold(compare(old, new, budget))
        print_lines([f"{field}:", *(f"  {line}".rstrip() for line in lines_of("".join(map(_marked, parts))))])
    if long:
        print_lines([LEGEND])


def shortened(value: Any) -> Any:
    """A value for a record: a long text has lines of RECORD_WIDTH, and only its beginning if it is very long."""
    if not isinstance(value, str) or _is_short(value):
        return value
    rest = f" … ({Part(Kind.SAME, value).size}; --json prints all)" if len(value) > FOLD_FROM else ""
    return "\n".join(lines_of(value[:FOLD_FROM] + rest, RECORD_WIDTH))


def lines_of(text: str, width: int = WIDTH) -> Sequence[str]:
    """The lines of a text, of which none is longer than this."""
    wrapper = textwrap.TextWrapper(width, break_on_hyphens=False, replace_whitespace=False, tabsize=4)
    return [piece for line in text.split("\n") for piece in wrapper.wrap(line) or [""]]


def _is_short(text: str) -> bool:
    return len(text) <= SHORT_MAX and "\n" not in text


def _marked(part: Part) -> str:
    if part.kind is Kind.FOLDED:
        return f"\n… {part.size} unchanged …\n"
    before, after = MARKS[part.kind]
    text = part.text[len(part.lead) :]
    if len(text) > 2 * FOLD_FROM and part.kind is not Kind.SAME:
        # Nobody reads a new text of thousands of words here.
        text = f"{text[:FOLD_FROM]}\n… {part.size} in all …\n{text[-FOLD_FROM:]}"
    line_ends = text[len(text.rstrip("\n")) :]
    return f"{part.lead}{before}{text.removesuffix(line_ends)}{after}{line_ends}"
