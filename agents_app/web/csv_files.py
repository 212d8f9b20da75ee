"""Files of comma-separated values that pages offer for download."""

import csv
import io
import re
from collections.abc import Iterable, Sequence

from flask import Response

# Spreadsheet programs read a cell that begins with one of these as a formula, and some also their full-width forms.
SIGNS = "=+@\uff1d\uff0b\uff0d\uff20-"
FORMULA_STARTS = (*SIGNS, "\t", "\r", "\n")
# Where the separator of a program is a semicolon or a TAB, a cell may begin after each of these.
INNER_START = re.compile(rf'([;\t\r\n][\s"]*)(?=[{SIGNS}])')


def csv_response(file_name: str, headings: Sequence[str], rows: Iterable[Sequence[object]]) -> Response:
    """A file of these rows. A mark at its beginning says that it is UTF-8, as spreadsheet programs assume otherwise."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, quoting=csv.QUOTE_ALL)
    writer.writerow(headings)
    writer.writerows([quoted_cell(value) for value in row] for row in rows)
    response = Response(text.getvalue().encode("utf-8-sig"), mimetype="text/csv")
    response.headers.set("Content-Disposition", "attachment", filename=file_name)
    return response


def quoted_cell(value: object) -> str:
    """A value as a cell that no program takes for a formula: with an apostrophe before each text that could be one."""
    text = INNER_START.sub(r"\1'", "" if value is None else str(value))
    return f"'{text}" if text.startswith(FORMULA_STARTS) else text
