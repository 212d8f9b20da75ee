"""Comma-separated values: how every file of the console writes its cells."""

import csv
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

# Spreadsheet programs read a cell that begins with one of these as a formula, and some also their full-width forms.
SIGNS = "=+@\uff1d\uff0b\uff0d\uff20-"
FORMULA_STARTS = (*SIGNS, "\t", "\r", "\n")
# Where the separator of a program is a semicolon or a TAB, a cell may begin after each of these.
INNER_START = re.compile(rf'([;\t\r\n][\s"]*)(?=[{SIGNS}])')
# The number of rows that are written at once.
ROWS = 500


def csv_parts(headings: Sequence[str], rows: Iterable[Sequence[object]]) -> Iterator[str]:
    """The text of a file with these headings and rows, in parts of some hundred rows. Every cell is in quotes."""
    remaining, first = iter(rows), [headings]
    while some := first + [[quoted_cell(value) for value in row] for row in islice(remaining, ROWS)]:
        text = io.StringIO(newline="")
        csv.writer(text, quoting=csv.QUOTE_ALL).writerows(some)
        yield text.getvalue()
        first = []


def quoted_cell(value: object) -> str:
    """A value as a cell that no program takes for a formula: with an apostrophe before each text that could be one."""
    text = INNER_START.sub(r"\1'", "" if value is None else str(value))
    return f"'{text}" if text.startswith(FORMULA_STARTS) else text
