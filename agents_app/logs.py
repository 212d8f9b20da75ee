"""The formats of log lines, JSON for programs and text for people, and the filter that removes secrets from both."""

import json
import logging
import os
import re
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, TextIO

from flask import Flask, g, has_request_context

from agents_app.config import Settings

REMOVED = "[removed]"
# Our secrets: what every text with one has, in lower case, and the pattern of the secret.
PATTERNS = (
    # API tokens, encrypted values, user:password of a URL.
    ("agc_", r"agc_[A-Za-z0-9]{12}\.[A-Za-z0-9]+"),
    ("v1:", r"v1:[A-Za-z0-9_-]{1,32}:[A-Za-z0-9_-]{38,}"),
    ("://", r"(?<=://)[^/\s:@]*:[^/\s]*(?=@)"),
    # Credentials of a header, cookies of pages.
    ("bearer", r"(?i:(?<=bearer\s))\S+"),
    ("basic", r"(?i:(?<=basic\s))\S+"),
    ("console-", r"(?<=console-[a-z2-7]{6}=)[^;&\s]+"),
    ("session=", r"(?i:(?<=session=))[^;&\s]+"),
    ("password=", r"(?i:(?<=password=))[^;&\s]+"),
    ("-----begin", r"-----BEGIN[^-]*PRIVATE\sKEY-----.*?(?:-----END[^-]*-----|\Z)"),
)
SIGNS = [sign for sign, _ in PATTERNS]
SECRETS = re.compile("|".join(pattern for _, pattern in PATTERNS), re.DOTALL)
EXTRA_FIELDS = (
    "method",
    "path",
    "status",
    "duration_ms",
    "account_id",
    "user_id",
    "token_id",
    "address",
    "code",
    "cause",
    "client_request_id",
    "traceparent",
)
# The message of the line that every request writes. Its fields make a sentence for people.
REQUEST = "request"
REQUEST_FIELDS = ("method", "path", "status", "duration_ms")
# Control sequences of terminals, by the level of a line and by the first digit of a status.
PLAIN, DIM = "\x1b[0m", "\x1b[2m"
YELLOW, RED = "\x1b[33m", "\x1b[31m"
COLOURS: Mapping[str, str] = {"debug": DIM, "warning": YELLOW, "error": RED, "critical": RED, "4": YELLOW, "5": RED}
# ASCII only: log readers take U+0085 and U+2028 as line ends, and terminals take U+009B as a control sequence.
AS_JSON = json.JSONEncoder(default=str)


def remove_secrets(text: str) -> str:
    """Replace everything that looks like a secret."""
    return SECRETS.sub(REMOVED, text) if _may_have_secrets(text) else text


def _may_have_secrets(text: str) -> bool:
    """Whether the patterns have to be tried. They cost more than the rest of a line."""
    # Where case does not matter, they take some other letters as ASCII, such as U+017F as s.
    if not text.isascii():
        return True
    lowered = text.lower()
    return any(sign in lowered for sign in SIGNS)


class JsonFormatter(logging.Formatter):
    """Formats a record as one JSON object: time (UTC), level, logger, message, request id and the fields in `extra`."""

    def format(self, record: logging.LogRecord) -> str:
        """The line for a record, without secrets."""
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **_fields(record),
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        if _may_have_secrets("\n".join(value for value in line.values() if isinstance(value, str))):
            line = {key: remove_secrets(value) if isinstance(value, str) else value for key, value in line.items()}
        return AS_JSON.encode(line)


class TextFormatter(logging.Formatter):
    """Formats a record as one line for people. The lines of a traceback follow, with spaces in front.

    A request is one line: time (UTC), method, path, status, milliseconds, then who sent it and its request id.
    """

    def __init__(self, *, has_colours: bool) -> None:
        super().__init__()
        self._has_colours = has_colours

    def format(self, record: logging.LogRecord) -> str:
        """The lines for a record, without secrets."""
        time, level, fields = datetime.fromtimestamp(record.created, UTC), record.levelname.lower(), _fields(record)
        message = _printable(remove_secrets(record.getMessage()))
        is_request = record.getMessage() == REQUEST and fields.keys() >= set(REQUEST_FIELDS)
        if is_request:
            method, path, status, duration = (
                _printable(remove_secrets(str(fields.pop(key)))) for key in REQUEST_FIELDS
            )
            # The user or the token says which account.
            if fields.keys() & {"user_id", "token_id"}:
                fields.pop("account_id", None)
            message = f"{method} {path} {self._coloured(status, COLOURS.get(status[:1]))} {duration} ms"
        rest = " ".join(f"{name}={_printable(remove_secrets(str(value)))}" for name, value in fields.items())
        word = "" if is_request else f"{self._coloured(level, COLOURS.get(level))} "
        line = f"{self._coloured(f'{time:%H:%M:%S}Z', DIM)} {word}{message} {self._coloured(rest, DIM)}".rstrip()
        return "\n".join([line, *self._traceback(record)])

    def _traceback(self, record: logging.LogRecord) -> list[str]:
        # Without the spaces, the text of an error could look like a line of its own.
        text = remove_secrets(self.formatException(record.exc_info)) if record.exc_info else ""
        return [f"    {_printable(line)}" for line in text.split("\n") if text]

    def _coloured(self, text: str, colour: str | None) -> str:
        return f"{colour}{text}{PLAIN}" if self._has_colours and colour and text else text


def formatter(log_format: str | None, stream: TextIO) -> logging.Formatter:
    """The formatter for LOG_FORMAT. Without it, a terminal gets text, and everything else JSON."""
    is_terminal = stream.isatty()
    if (log_format or ("text" if is_terminal else "json")) == "json":
        return JsonFormatter()
    # https://no-color.org: any text but the empty one.
    has_colours = is_terminal and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    return TextFormatter(has_colours=has_colours)


def init_app(_app: Flask, settings: Settings) -> None:
    """Write the app's log lines to standard error, from LOG_LEVEL up, and the server's errors in the same format."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter(settings.log_format, sys.stderr))
    for name, level in (("agents_app", settings.log_level.upper()), ("uvicorn", "ERROR")):
        logger = logging.getLogger(name)
        logger.handlers = [handler]
        logger.setLevel(level)
        logger.propagate = False


def _fields(record: logging.LogRecord) -> dict[str, Any]:
    """The fields of a record that are not None: first those of its call, then the id of the request."""
    given = vars(record)
    found = {name: value for name in EXTRA_FIELDS if (value := given.get(name)) is not None}
    return found | ({"request_id": g.request_id} if has_request_context() and "request_id" in g else {})


def _printable(text: str) -> str:
    """The text without characters that end a line, steer a terminal or change the direction of what follows."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)
