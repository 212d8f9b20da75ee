"""Writes values in JSON types as YAML: always in the same form, so that equal values give equal bytes.

It does not use the library that reads YAML, whose form can change with its version.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

# Texts that every reader takes for texts without quotes. They begin with a letter, so they are no numbers or dates.
PLAIN = re.compile(r"[^\W\d_](?:[\w ./@()+&%',;=!?-]|:(?=[^\s:]))*(?<! )")
# Readers of YAML 1.1 take these for booleans, those of 1.2 some of them.
WORDS = re.compile(r"null|true|false|yes|no|on|off|y|n", re.IGNORECASE)
# A text of several lines that a block can hold as it is.
BLOCK = re.compile("[\t\n -~\u00a0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]*(?<=\\S)\n?")
NOT_SHOWN = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")
STEP = "  "


def write(value: Mapping[str, Any]) -> str:
    """This object as YAML, with a line end at the end."""
    return "".join(f"{line}\n" for line in _members(value, ""))


def quote(text: str) -> str:
    """A text in double quotes, for JSON and YAML, without characters that a terminal obeys."""
    return escape(json.dumps(text, ensure_ascii=False))


def escape(written: str) -> str:
    """A JSON text without characters that a terminal obeys and without line ends inside texts."""
    return NOT_SHOWN.sub(lambda found: f"\\u{ord(found[0]):04x}", written)


def _members(value: Mapping[str, Any], indent: str) -> Iterator[str]:
    for name, member in value.items():
        yield from _after(f"{indent}{_scalar(name)}:", member, indent)


def _after(start: str, value: Any, indent: str) -> Iterator[str]:
    """The lines of a value after the text `start`, in an object with this indent."""
    inner = indent + STEP
    if isinstance(value, Mapping) and value:
        yield start
        yield from _members(value, inner)
    elif isinstance(value, list) and value:
        yield start
        yield from _entries(value, inner)
    elif isinstance(value, str) and "\n" in value and BLOCK.fullmatch(value):
        yield f"{start} {_block_mark(value)}"
        yield from (f"{inner}{line}" if line else "" for line in value.removesuffix("\n").split("\n"))
    else:
        yield f"{start} {_scalar(value)}"


def _entries(values: Sequence[Any], indent: str) -> Iterator[str]:
    for value in values:
        if isinstance(value, Mapping) and value:
            first, *others = _members(value, indent + STEP)
            yield f"{indent}- {first.lstrip(' ')}"
            yield from others
        else:
            yield f"{indent}- {_scalar(value)}"


def _block_mark(text: str) -> str:
    # Without its number, a reader would take the spaces before the first line for the indent of the block.
    number = str(len(STEP)) if text[0] in " \t\n" else ""
    return f"|{number}{'' if text.endswith(chr(10)) else '-'}"


def _scalar(value: Any) -> str:
    if isinstance(value, str):
        is_plain = PLAIN.fullmatch(value) and not WORDS.fullmatch(value)
        return value if is_plain else quote(value)
    return json.dumps(value)
