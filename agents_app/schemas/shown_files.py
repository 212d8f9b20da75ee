"""Which text of a file of agents a page may show again: one that certainly contains no secret in clear.

The whole text has to be known for that: it was read, every member has a name that is known here, and a secret has
nothing, `stored` or the place where it is. Whatever is not known may be a secret in the wrong place.
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from agents_app.connections import TYPES
from agents_app.schemas.agent_files import AGENTS, FORMAT, SECRETS, STATUS, STORED, AgentFile
from agents_app.schemas.agents import CONFIG, FIELDS, STATUS_REASON
from agents_app.values.fields import escape_pointer
from agents_app.values.pem import LABEL
from agents_app.values.secret_scanner import KEYWORD, find_in_text
from agents_app.wording import number_text

# A longer text is rather chosen as a file than pasted, and to search it would take long.
LENGTH_MAX = 1_000_000
TOO_LONG = "A text of more than 1 MB is not searched for secrets."
UNREAD = "A text that was not read may contain a secret."
IN_COMMENT = "Comments may contain a secret."
IN_LINE = "{place} may contain a secret."
SECRET_NAMES = {"api_key", *(name for declaration in TYPES.values() for name in declaration.secret_names())}
CONFIG_NAMES = {name for declaration in TYPES.values() for name in declaration.model_fields} - SECRET_NAMES
AGENT_NAMES = {*FIELDS, STATUS, STATUS_REASON} - {"labels"}
FORMAT_OF_ANY_RELEASE = re.compile(re.escape(FORMAT.rpartition("/")[0]) + r"/[0-9]{1,4}")
REFERENCE = re.compile(r"env:[A-Za-z_][A-Za-z0-9_]*|file:[^\n]+")
# The beginning of a private key, a login in an address, and a word for a secret with a value. No part of it reads on.
IN_PUBLIC_TEXT = re.compile(
    rf"-----BEGIN{LABEL}|:[^\s@:]*@|://[^\s/]*@|(?:{KEYWORD.pattern})\w{{0,20}}[\"'`\s]{{0,9}}[:=]", re.IGNORECASE
)
# What the content of a YAML file does not show: directives, and a number sign that is written as an escape.
DIRECTIVE_OR_ESCAPE = re.compile(r"^%|\\(?:x23|u0023|U00000023)", re.MULTILINE)


def find_doubt(file: AgentFile) -> str:
    """A sentence about the first place in the text of a file that may contain a secret. Empty if no place may."""
    if len(file.text) > LENGTH_MAX:
        return TOO_LONG
    if _has_comments(file):
        return IN_COMMENT
    pointer = next(_doubts(file.content), None)
    if pointer is None:
        return ""
    line = file.line(pointer)
    return IN_LINE.format(place=f"Line {number_text(line)}" if line else "The text")


def without_comments(file: AgentFile) -> str:
    """The text of a valid file: as it was sent, or without its comments in JSON, one line for each agent."""
    if not _has_comments(file):
        return file.text
    agents = ",\n".join(json.dumps(one, ensure_ascii=False, separators=(",", ":")) for one in file.content[AGENTS])
    return f'{{"format":{json.dumps(FORMAT)},"{AGENTS}":[\n{agents}\n]}}\n'


def _has_comments(file: AgentFile) -> bool:
    """Whether YAML has more number signs than its names and values, or may have. JSON has no comments."""
    if file.lines_in_yaml is None or not ("#" in file.text or DIRECTIVE_OR_ESCAPE.search(file.text)):
        return False
    in_texts = sum(text.count("#") for text in _texts(file.content))
    return file.text.count("#") != in_texts or DIRECTIVE_OR_ESCAPE.search(file.text) is not None


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for member in value:
            yield from _texts(member)
    elif isinstance(value, Mapping):
        yield from value
        yield from _texts(list(value.values()))


def _doubts(content: Mapping[str, Any]) -> Iterator[str]:
    """The JSON pointers of the members that may be secrets. No page shows them: a name may be one too."""
    for name, value in content.items():
        if name == AGENTS and isinstance(value, list):
            for number, agent in enumerate(value):
                yield from _in_agent(f"/{AGENTS}/{number}", agent)
        elif name != "format" or not (isinstance(value, str) and FORMAT_OF_ANY_RELEASE.fullmatch(value)):
            yield f"/{escape_pointer(name)}"


def _in_agent(place: str, agent: Any) -> Iterator[str]:
    if not isinstance(agent, Mapping):
        yield place
        return
    for name, value in agent.items():
        pointer = f"{place}/{escape_pointer(name)}"
        if name == CONFIG and isinstance(value, Mapping):
            wrong = (member for member, one in value.items() if not _is_public(member, one, CONFIG_NAMES))
            yield from (f"{pointer}/{escape_pointer(member)}" for member in wrong)
        elif name == SECRETS and isinstance(value, Mapping):
            yield from (
                f"{pointer}/{escape_pointer(secret)}" for secret, one in value.items() if not _is_reference(secret, one)
            )
        elif name == "labels" and isinstance(value, Mapping):
            wrong = (label for label, one in value.items() if not _is_label(label, one))
            yield from (f"{pointer}/{escape_pointer(label)}" for label in wrong)
        elif value is not None and not _is_public(name, value, AGENT_NAMES):
            yield pointer


def _is_public(name: str, value: Any, names: set[str]) -> bool:
    """Whether this is the value of a public field, or the null of a secret."""
    if name in SECRET_NAMES and value is None:
        return True
    return name in names and all(map(_is_plain, value if isinstance(value, list) else [value]))


def _is_plain(value: Any) -> bool:
    """Whether this is one value in which nothing looks like a secret."""
    if isinstance(value, str):
        return IN_PUBLIC_TEXT.search(value) is None and find_in_text(value) is None
    return not isinstance(value, list | Mapping)


def _is_label(name: str, value: Any) -> bool:
    """Whether this is a label in which nothing looks like a secret."""
    return KEYWORD.search(name) is None and _is_plain(value) and _is_plain(f"{name}: {value}")


def _is_reference(name: str, value: Any) -> bool:
    """Whether this is a secret that is not there: nothing, kept, or the place where it is."""
    is_kept = value is None or value == STORED
    return name in SECRET_NAMES and (is_kept or (isinstance(value, str) and REFERENCE.fullmatch(value) is not None))
