"""The part of a bundle about errors: where they were raised, without their messages, which can quote rows."""

import json
import re
from collections import Counter, deque
from collections.abc import Iterable
from typing import Any

LAST = 50
LEVELS = ("warning", "error", "critical")
# What our lines say besides the message. None of it is typed by a person.
FACTS = ("time", "level", "logger", "status", "duration_ms", "code")
FRAME = re.compile(r'File "(?P<path>[^"]+)", line (?P<line>\d+), in (?P<name>[\w<>]+)')
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
        if level in LEVELS:
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
    facts = {name: found[name] for name in FACTS if isinstance(found.get(name), str | int | float)}
    text = str(found.get("traceback", ""))
    if text:
        facts["frames"] = [f"{_file(one['path'])}:{one['line']} {one['name']}" for one in FRAME.finditer(text)]
        facts["exceptions"] = [one["name"] for one in EXCEPTION.finditer(text)]
    return facts


def _file(path: str) -> str:
    # The part of a path that is the same on every machine.
    for start in ("site-packages/", "agents_app/", "migrations/"):
        _, found, rest = path.rpartition(start)
        if found:
            return rest if start == "site-packages/" else f"{start}{rest}"
    return path.rpartition("/")[2]
