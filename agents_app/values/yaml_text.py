"""Reads YAML strictly, for files of agents. The schemas check its values.

The library splits the text into events; what they mean is decided here, by the core schema of YAML 1.2: `no` and
`2026-01-31` are texts. Tags, anchors and aliases are refused.
"""

import codecs
import math
import re
from collections.abc import Callable, Iterator
from typing import Any

import yaml

from agents_app.errors import Malformed
from agents_app.values import limits, yaml_errors
from agents_app.values.json_text import DEPTH_MAX, MEMBERS_MAX
from agents_app.values.line_numbers import Lines
from agents_app.wording import number_text

# The parser in C is many times faster. Some installations lack it.
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
NULL = re.compile(r"null|Null|NULL|~|")
BOOLEAN = re.compile(r"true|True|TRUE|false|False|FALSE")
WHOLE = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
NUMBER = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
NOT_FINITE = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
# So many of the places that are refused are named.
NAMED_MAX = 20
# What YAML allows in double quotes only, or reads as an end of line by mistake.
NOT_PLAIN = re.compile("[^\t\n\r -~\u00a0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]")


def read(body: bytes) -> tuple[Any, Lines]:
    """The value in these bytes, and its lines. None if there is no value.

    Raises Malformed with the lines and sentences that repeat no value. Only what ends the reading is named alone.
    """
    text = _decode(body.removeprefix(codecs.BOM_UTF8))
    if found := NOT_PLAIN.search(text):
        line, code = text.count("\n", 0, found.start()) + 1, ord(found[0])
        name, escape = f"U+{code:04X}", f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
        raise _malformed(line, f'contains the character {name}. Write it as "{escape}" in double quotes.')
    reader = _Reader()
    try:
        for event in yaml.parse(text, Loader=LOADER):
            reader.take(event)
    except Malformed as last:
        said = last.detail.removeprefix("The YAML is refused: l")
        raise (Malformed(f"{reader.refusal()} L{said}") if reader.refused else last) from None
    except yaml.MarkedYAMLError as error:
        raise Malformed(yaml_errors.sentence(error)) from None
    except (yaml.YAMLError, RecursionError):
        raise Malformed("The YAML is invalid.") from None
    if reader.refused:
        raise Malformed(reader.refusal())
    return reader.value, Lines(reader.lines)


def _decode(body: bytes) -> str:
    try:
        return body.decode()
    except UnicodeDecodeError as error:
        line = body.count(b"\n", 0, error.start) + 1
        raise Malformed(f"The file is not in UTF-8: line {number_text(line)} has other bytes.") from None


class _Reader:
    """Builds the value of one document from the events of the parser."""

    def __init__(self) -> None:
        self.value: Any = None
        self.lines: Any = None
        self.refused = 0
        """The number of places that are refused and do not end the reading."""
        self._refused: list[tuple[int, str]] = []
        self._documents = self._values = 0
        # For each open list or object: its value, the lines of its members, and in an object the name of the next one.
        self._open: list[list[Any]] = []

    def refusal(self) -> str:
        """A text with the first of the refused places."""
        said = " ".join(f"Line {number_text(line)} {sentence}" for line, sentence in self._refused)
        more = self.refused - len(self._refused)
        places = "1 more place is" if more == 1 else f"{number_text(more)} more places are"
        return f"The YAML is refused: l{said[1:]}" + (f" {places} refused." if more else "")

    def take(self, event: yaml.Event) -> None:
        """Read the next event. Raises Malformed where nothing after it can be read."""
        line = event.start_mark.line + 1
        if isinstance(event, yaml.DocumentStartEvent):
            self._documents += 1
            if self._documents > 1:
                raise _malformed(line, "starts a second YAML document. Write one document in the file.")
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None) is not None:
            self._refuse(line, "has an anchor or an alias (& or *). Write the value itself, or put it in quotes.")
        if getattr(event, "tag", None) is not None:
            self._refuse(line, "has a tag (!). Remove it, or put the value in quotes.")
        if isinstance(event, yaml.ScalarEvent):
            self._take_scalar(event.value, line, is_plain=not event.style)
        elif isinstance(event, yaml.AliasEvent):
            self._take_scalar("", line, is_plain=True)
        elif isinstance(event, yaml.CollectionStartEvent):
            self._start({} if isinstance(event, yaml.MappingStartEvent) else [], line)
        elif isinstance(event, yaml.CollectionEndEvent):
            self._open.pop()

    def _refuse(self, line: int, sentence: str) -> None:
        self.refused += 1
        if self.refused <= NAMED_MAX:
            self._refused.append((line, sentence))

    def _take_scalar(self, text: str, line: int, *, is_plain: bool) -> None:
        parent = self._open[-1] if self._open else None
        if parent and isinstance(parent[0], dict) and parent[2] is None:
            self._name(parent, text, line)
            return
        value: Any = text
        if is_plain:
            try:
                value = _plain(text)
            except ValueError as refusal:
                self._refuse(line, str(refusal))
        self._add(value, line)

    def _name(self, parent: list[Any], name: str, line: int) -> None:
        if name in parent[0]:
            self._refuse(line, "has a member that this object has already. Remove one.")
        if len(parent[0]) >= MEMBERS_MAX:
            raise _malformed(line, f"goes on with an object of more than {number_text(MEMBERS_MAX)} members.")
        parent[2] = name

    def _start(self, value: Any, line: int) -> None:
        if len(self._open) >= DEPTH_MAX:
            raise _malformed(line, f"is nested more than {number_text(DEPTH_MAX)} levels deep.")
        parent = self._open[-1] if self._open else None
        if parent and isinstance(parent[0], dict) and parent[2] is None:
            raise _malformed(line, "has a list or an object as the name of a member. Write a text.")
        self._open.append([value, self._add(value, line), None])

    def _add(self, value: Any, line: int) -> Any:
        """Put a value in its place, and its line in the same place of the lines. Returns where those in it belong."""
        self._values += 1
        if self._values > limits.FILE_VALUES:
            raise _malformed(line, f"goes on with more than {number_text(limits.FILE_VALUES)} values.")
        inside: Any = {} if isinstance(value, dict) else [] if isinstance(value, list) else None
        node = line if inside is None else (line, inside)
        if not self._open:
            self.value, self.lines = value, node
            return inside
        parent, lines, name = self._open[-1]
        if isinstance(parent, dict):
            parent[name], lines[name] = value, node
            self._open[-1][2] = None
        else:
            parent.append(value)
            lines.append(node)
        return inside


def _plain(text: str) -> Any:
    """The value of a text without quotes. Raises ValueError with a sentence."""
    if NOT_FINITE.fullmatch(text):
        raise ValueError("has a number that is not finite. Put it in quotes if it is a text.")
    return next((read(text) for pattern, read in _kinds() if pattern.fullmatch(text)), text)


def _kinds() -> Iterator[tuple[re.Pattern[str], Callable[[str], Any]]]:
    yield NULL, lambda _text: None
    yield BOOLEAN, lambda text: text.lower() == "true"
    yield WHOLE, _whole
    yield NUMBER, _number


def _whole(text: str) -> int:
    try:
        return int(text, 0 if text[:2] in ("0o", "0x") else 10)
    except ValueError:
        raise ValueError("has a number with too many digits. Put it in quotes if it is a text.") from None


def _number(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise ValueError("has a number that is too large. Put it in quotes if it is a text.")
    return number


def _malformed(line: int, sentence: str) -> Malformed:
    return Malformed(f"The YAML is refused: line {number_text(line)} {sentence}")
