"""The rule of a time with its zone."""

import re
from datetime import UTC, datetime

from agents_app.values.fields import EDGES, Rule, refusal

INSTANT = re.compile(
    r"(?P<second>[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2})(?:(?P<fraction>[.][0-9]{1,6})[0-9]*)?"
    + r"(?P<zone>[Zz]|[+-][0-9]{2}:[0-9]{2})"
)
# In a query, a plus is a space.
LOST_PLUS = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9:.]+ [0-9]{2}:[0-9]{2}")


def moment() -> Rule:
    """A time with its zone (RFC 3339), which becomes an aware time in UTC. Digits after the microsecond are dropped."""

    def check(value: object) -> datetime:
        text = value.strip(EDGES) if isinstance(value, str) else ""
        if LOST_PLUS.fullmatch(text):
            raise refusal("Encode the + before the zone as %2B, or write the time in UTC, with a Z at its end.")
        if not (found := INSTANT.fullmatch(text)):
            raise refusal("Write a time with its zone, such as 2026-11-27T09:30:00Z or 2026-11-27T10:30:00+01:00.")
        try:
            known = f"{found['second']}{found['fraction'] or ''}{found['zone']}".upper()
            return datetime.fromisoformat(known).astimezone(UTC)
        except (OverflowError, ValueError):
            raise refusal("There is no such time. Check the date, the time and the zone.") from None

    return Rule(check, {"format": "date-time"})
