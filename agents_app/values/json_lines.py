"""Finds the lines of the values in a JSON text, for messages."""

import json
import re

from agents_app.values.fields import escape_pointer

TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\],:]|[^\s{}\[\],:"]+')


def lines_of(text: str) -> dict[str, int]:
    """The number of the line of each value of a valid JSON text, by JSON pointer."""
    found: dict[str, int] = {}
    # For each open list or object: its pointer, and the index of the next entry, or the name of the next member.
    places: list[list[int | str | None]] = []
    line, end = 1, 0
    for token in TOKEN.finditer(text):
        line += text.count("\n", end, token.start())
        end = token.start()
        _take(token[0], line, places, found)
    return found


def _take(token: str, line: int, places: list[list[int | str | None]], found: dict[str, int]) -> None:
    top = places[-1] if places else None
    if token in "}]":
        places.pop()
    elif token == ",":
        if top:
            top[1] = top[1] + 1 if isinstance(top[1], int) else None
    elif token == ":":
        pass
    elif top and top[1] is None:
        top[1] = escape_pointer(json.loads(token))
    else:
        pointer = f"{top[0]}/{top[1]}" if top else ""
        found[pointer] = line
        if token in "{[":
            places.append([pointer, None if token == "{" else 0])
