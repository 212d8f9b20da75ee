"""The part of a bundle about errors: where they were raised, without their messages, which can quote rows."""

import json
import re
from collections import Counter, deque
from collections.abc import Iterable
from typing import Any

LAST = 50
LEVELS = ("warning", "error", "critical")
# What our lines say besides the message, and how it looks. Another program can write lines with these names too.
FACTS = {
    "time": re.compile(r"[\dT:.+Z-]{10,40}"),
    "level": re.compile(r"[a-z]+"),
    "logger": re.compile(r"agents_app(\.[a-z_]+)*"),
    "status": re.compile(r"\d{3}"),
    "duration_ms": re.compile(r"\d+(\.\d+)?"),
    "code": re.compile(r"[a-z_]+(\.[a-z_]+)*"),
}
# From a line that begins a traceback to its first line that is not indented: a message can have lines like a frame.
FRAMES = re.compile(r"^Traceback \(most recent call last\):\n((?:[ ].*\n|\n)*)", re.MULTILINE)
FRAME = re.compile(r'^  File "(?P<path>[^"]+)", line (?P<line>\d+), in (?P<name>[\w<>]+)$', re.MULTILINE)
# It follows an indented line. A line of a message can look like a word, but not like one of these names.
EXCEPTION = re.compile(
    r"^ .*\n(?P<name>(?:[a-z_]\w*\.)+[A-Z]\w*|[A-Z]\w*(?:Error|Exception|Warning|Interrupt|Exit))(?::|$)", re.MULTILINE
)
NO_LOG = "The console writes its log to standard error and keeps no file. To add it: doctor --bundle --log FILE"


def log_facts(lines: Iterable[str] | None) -> dict[str, Any]:
    """The last warnings and errors of a log of JSON lines, and how many lines there are of each level."""
    if lines is None:
        return {"note": NO_LOG}
    levels: Counter[str] = Counter()
    last: deque[dict[str, Any]] = deque(maxlen=LAST)
    for line in lines:
        found = _parsed(line)
        level = str(found.get("level")) if found.get("level") in ("debug", "info", *LEVELS) else "other"
        levels[level] += 1
        if level in LEVELS and FACTS["logger"].fullmatch(str(found.get("logger"))):
            last.append(_facts(found))
    return {"lines": dict(levels), "last": list(last)}


def _parsed(line: str) -> dict[str, Any]:
    # Other programs write before the line: `journalctl` the time and the name of the unit.
    try:
        found = json.loads(line[line.index("{") :])
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _facts(found: dict[str, Any]) -> dict[str, Any]:
    facts = {name: found[name] for name, form in FACTS.items() if form.fullmatch(str(found.get(name, "")))}
    text = str(found.get("traceback", ""))
    if text:
        facts["frames"] = [
            f"{_file(one['path'])}:{one['line']} {one['name']}" for one in FRAME.finditer("".join(FRAMES.findall(text)))
        ]
        facts["exceptions"] = [one["name"] for one in EXCEPTION.finditer(text)]
    return facts


def _file(path: str) -> str:
    # The part of a path that is the same on every machine.
    for start in ("site-packages/", "agents_app/", "migrations/"):
        _, found, rest = path.rpartition(start)
        if found:
            return rest if start == "site-packages/" else f"{start}{rest}"
    return path.rpartition("/")[2]
