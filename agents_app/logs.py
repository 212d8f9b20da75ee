"""Log lines: one JSON object each, and the filter that keeps secrets out of them."""

import json
import logging
import re
import sys
from datetime import UTC, datetime
from typing import Any

from flask import Flask, g, has_request_context

from agents_app.config import Settings

REMOVED = "[removed]"
# What our secrets look like, wherever they turn up in a line.
SECRETS = re.compile(
    r"""agc_[A-Za-z0-9]{12}\.[A-Za-z0-9]+            # API tokens
      | v1:[A-Za-z0-9_-]{1,32}:[A-Za-z0-9_-]{38,}   # encrypted values
      | (?<=://)[^/\s:@]*:[^/\s]*(?=@)              # user:password of a URL
      | (?i:(?<=bearer\s)|(?<=basic\s))\S+          # credentials of a header
      | (?<=console-[a-z2-7]{6}=)[^;&\s]+           # cookies of pages
      | (?i:(?<=session=)|(?<=password=))[^;&\s]+
      | -----BEGIN[^-]*PRIVATE\sKEY-----.*?(?:-----END[^-]*-----|\Z)
    """,
    re.VERBOSE | re.DOTALL,
)
EXTRA = ("method", "path", "status", "duration_ms", "account_id", "user_id", "token_id", "address", "code")


def without_secrets(text: str) -> str:
    """The text with everything that looks like a secret taken out."""
    return SECRETS.sub(REMOVED, text)


class JsonLines(logging.Formatter):
    """One JSON object a line: time (UTC), level, logger, message, request id, and what was passed as `extra`."""

    def format(self, record: logging.LogRecord) -> str:
        """The line for one record, without secrets."""
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if has_request_context() and "request_id" in g:
            line["request_id"] = g.request_id
        line |= {name: value for name in EXTRA if (value := getattr(record, name, None)) is not None}
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        cleaned = {key: without_secrets(value) if isinstance(value, str) else value for key, value in line.items()}
        # In ASCII: readers of logs take U+0085 or U+2028 for the end of a line, and terminals U+009B for a command.
        return json.dumps(cleaned, default=str)


def init_app(_app: Flask, settings: Settings) -> None:
    """Send the app's log lines to standard error at the level of LOG_LEVEL."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    logger = logging.getLogger("agents_app")
    logger.handlers = [handler]
    logger.setLevel(settings.log_level.upper())
    logger.propagate = False
