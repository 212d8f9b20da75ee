"""The settings for watching the console: log lines, and the address and the token of `/metrics`."""

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from typing import Any

from agents_app import config_values
from agents_app.weak_keys import check_secret

LOG_LEVELS = ("debug", "info", "warning", "error")
LOG_FORMATS = ("text", "json")
LOOPBACK = "127.0.0.1"


@dataclass(frozen=True, kw_only=True)
class MonitoringSettings:
    """The settings for watching the console, by their names."""

    log_level: str = "info"
    log_format: str | None = None
    metrics_bind: tuple[str, int] | None = None
    metrics_token: str | None = field(default=None, repr=False)

    @property
    def has_metrics(self) -> bool:
        """Whether `/metrics` is answered anywhere."""
        return self.metrics_bind is not None or self.metrics_token is not None

    def monitoring_conflicts(
        self, bind: tuple[str, int], keys: Collection[str | None]
    ) -> Iterator[tuple[tuple[str, str], str]]:
        """The settings that do not fit each other: two names, and a sentence that names the first.

        `bind` is the address of the console, and `keys` the texts of its keys.
        """
        # The port alone says to which of the two addresses a request was sent.
        if self.metrics_bind and self.metrics_bind[1] == bind[1]:
            yield ("METRICS_BIND", "BIND"), "METRICS_BIND has the port of BIND. Each of them needs a port of its own."
        if self.metrics_token and any(self.metrics_token in (key or "") for key in keys):
            sentence = "METRICS_TOKEN is also a key of another setting. Each setting needs keys of its own."
            yield ("METRICS_TOKEN", "SECRET_KEY"), sentence


def _one_of(names: tuple[str, ...]) -> Callable[[str], str]:
    def check(text: str) -> str:
        if text.lower() not in names:
            raise ValueError(f"must be one of {', '.join(names)}.")
        return text.lower()

    return check


def _metrics_address(text: str) -> tuple[str, int]:
    # An operator who lets other machines read the metrics writes the address too.
    return config_values.address(f"{LOOPBACK}:{text}" if text.isdigit() else text)


def _token(text: str) -> str:
    if not (text.isascii() and text.isprintable()) or " " in text:
        raise ValueError("must have ASCII characters only, without spaces: it is sent in a header.")
    check_secret(text)
    return text


# The check of each setting. It raises ValueError with the rest of a sentence that begins with the setting.
MONITORING_CHECKS: dict[str, Callable[[str], Any]] = {
    "LOG_LEVEL": _one_of(LOG_LEVELS),
    "LOG_FORMAT": _one_of(LOG_FORMATS),
    "METRICS_BIND": _metrics_address,
    "METRICS_TOKEN": _token,
}
