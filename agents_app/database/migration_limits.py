"""How long the steps of a migration wait and run, how often they are tried, and how many rows they change at once."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from agents_app.wording import number_text

SECONDS = re.compile(r"[0-9]{1,6}(\.[0-9]{1,3})?")
WHOLE = re.compile(r"[0-9]{1,6}")


@dataclass(frozen=True)
class Limits:
    """The limits of a migration. All times are in seconds."""

    # For another migration to end, and for a lock behind which no reader or writer waits.
    migration_timeout: float = 600
    # For the lock of one table. It is short because readers queue behind a migration that waits.
    table_timeout: float = 1
    # For one statement in a transaction, which holds its locks until the step ends; 0 is no limit. It ends what would
    # block others for long, and is longer than each step that was made for tables in use.
    statement_timeout: float = 60
    # How many times a step is tried while another session holds a lock, and the time between two attempts.
    attempts: int = 15
    retry_delay: float = 1
    # The rows that a fill reads and commits at once: a writer of one of them waits for a part of a second.
    batch: int = 500
    # A writer of one of the rows waits until its batch is written. After one that takes longer, batches are halved.
    batch_seconds: float = 1
    # The members that are options of the command: they count more than `options` in the URL of the database.
    given: frozenset[str] = frozenset()


def _seconds(shortest: str, most: int) -> Callable[[str], float]:
    def check(text: str) -> float:
        if not (SECONDS.fullmatch(text) and float(shortest) <= float(text) <= most):
            raise ValueError(f"must be a number of seconds from {shortest} to {number_text(most)}, such as 2 or 0.5.")
        return float(text)

    return check


def _count(most: int) -> Callable[[str], int]:
    def check(text: str) -> int:
        if not (WHOLE.fullmatch(text) and 1 <= int(text) <= most):
            raise ValueError(f"must be a whole number from 1 to {number_text(most)}.")
        return int(text)

    return check


@dataclass(frozen=True)
class Limit:
    """One limit that can be set: the member of `Limits`, its setting, the word of its option, and its check."""

    member: str
    setting: str
    option: str
    check: Callable[[str], Any]

    @property
    def flag(self) -> str:
        """The option of `flask db`."""
        return f"--{self.option.replace('_', '-')}"

    @property
    def names(self) -> str:
        """Where it is set."""
        return f"{self.setting}, {self.flag} or -x {self.option}=SECONDS"


STATEMENT_TIMEOUT = Limit(
    "statement_timeout", "MIGRATION_STATEMENT_TIMEOUT", "statement_timeout", _seconds("0", 86_400)
)
LIMITS = (
    STATEMENT_TIMEOUT,
    # Without an end, every reader of the table would wait.
    Limit("table_timeout", "MIGRATION_LOCK_TIMEOUT", "lock_timeout", _seconds("0.001", 600)),
    Limit("attempts", "MIGRATION_TRIES", "tries", _count(1_000)),
    Limit("batch", "MIGRATION_BATCH", "batch_size", _count(10_000)),
)
# The check of each setting. It raises ValueError with the rest of a sentence that begins with the setting.
CHECKS = {limit.setting: limit.check for limit in LIMITS}


@dataclass(frozen=True, kw_only=True)
class LimitSettings:
    """The settings of limits, by their names."""

    migration_statement_timeout: float = Limits.statement_timeout
    migration_lock_timeout: float = Limits.table_timeout
    migration_tries: int = Limits.attempts
    migration_batch: int = Limits.batch

    @property
    def migration_limits(self) -> Limits:
        """The limits of migrations with these settings."""
        return Limits(**{limit.member: getattr(self, limit.setting.lower()) for limit in LIMITS})


def with_options(limits: Limits, options: Mapping[str, Any]) -> Limits:
    """The limits with those that a command was given, by the words of their options.

    Raises ValueError with a sentence that names the option.
    """
    changed: dict[str, Any] = {}
    for limit in LIMITS:
        if limit.option in options:
            try:
                changed[limit.member] = limit.check(str(options[limit.option]))
            except ValueError as error:
                raise ValueError(f"{limit.flag} (-x {limit.option}=...) {error}") from None
    return replace(limits, **changed, given=limits.given | changed.keys())
