"""The format of log lines, one JSON object per line, and the filter that removes secrets from them."""

import json
import logging
import re
import sys
from datetime import UTC, datetime
from typing import Any

from flask import Flask, g, has_request_context

from agents_app.config import Settings

REMOVED = "[removed]"
# The patterns of our secrets, anywhere in a line.
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


def remove_secrets(text: str) -> str:
    """Replace everything that looks like a secret."""
    return SECRETS.sub(REMOVED, text)


class JsonFormatter(logging.Formatter):
    """Formats a record as one JSON object: time (UTC), level, logger, message, request id and the fields in `extra`."""

    def format(self, record: logging.LogRecord) -> str:
        """The line for a record, without secrets."""
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if has_request_context() and "request_id" in g:
            line["request_id"] = g.request_id
        line |= {name: value for name in EXTRA_FIELDS if (value := getattr(record, name, None)) is not None}
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        cleaned = {key: remove_secrets(value) if isinstance(value, str) else value for key, value in line.items()}
        # ASCII only: log readers take U+0085 and U+2028 as line ends, and terminals take U+009B as a control sequence.
        return json.dumps(cleaned, default=str)


def init_app(_app: Flask, settings: Settings) -> None:
    """Write the app's log lines to standard error, from LOG_LEVEL up."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter())
    logger = logging.getLogger("agents_app")
    logger.handlers = [handler]
    logger.setLevel(settings.log_level.upper())
    logger.propagate = False
