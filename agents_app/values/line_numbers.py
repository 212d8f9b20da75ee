"""The numbers of the lines of the values of a document, which messages name. `yaml_text.py` finds those of YAML."""

import json
import re
from dataclasses import dataclass
from typing import Any

from agents_app.values import limits
from agents_app.values.fields import unescape_pointer

TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\],:]|[^\s{}\[\],:"]+')


@dataclass(frozen=True)
class Lines:
    """The lines of a document, as a tree like the document.

    With a pointer for each value instead, they would need as much memory as the names of all values are long.
    """

    root: Any
    """The number of the line of a value, and of a list or an object a tuple of it and the same for its members."""

    def nearest(self, pointer: str) -> int | None:
        """The line of the value at this JSON pointer, or of the nearest one that contains it. None for the document."""
        node, line = self.root, None
        for part in pointer.split("/")[1:]:
            members = node[1] if isinstance(node, tuple) else None
            name: Any = unescape_pointer(part)
            if isinstance(members, list):
                name = int(name) if name.isdecimal() and int(name) < len(members) else None
            if members is None or name is None or (isinstance(members, dict) and name not in members):
                break
            node = members[name]
            line = node[0] if isinstance(node, tuple) else node
        return line


def lines_of(text: str) -> Lines:
    """The lines of a valid JSON text. Those after FILE_VALUES values are left out."""
    root: dict[str, Any] = {}
    # For each open list or object: its members, and in an object the name of the next one.
    places: list[list[Any]] = [[root, ""]]
    line, end, count = 1, 0, 0
    for token in TOKEN.finditer(text):
        line += text.count("\n", end, token.start())
        end = token.start()
        count += _take(token[0], line, places)
        if count > limits.FILE_VALUES:
            break
    return Lines(root.get(""))


def _take(token: str, line: int, places: list[list[Any]]) -> bool:
    """Read a token. Returns whether a value begins with it."""
    members, name = places[-1]
    if token in "}]":
        places.pop()
        return False
    if token in ",:":
        return False
    if isinstance(members, dict) and name is None:
        places[-1][1] = json.loads(token)
        return False
    inside: Any = {} if token == "{" else [] if token == "[" else None
    node = line if inside is None else (line, inside)
    if isinstance(members, list):
        members.append(node)
    else:
        members[name] = node
        places[-1][1] = None
    if inside is not None:
        places.append([inside, None])
    return True
