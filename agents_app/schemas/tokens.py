"""What a valid API token is: its name, scopes, lifetime and agents."""

import re
from typing import Annotated

from agents_app.values import limits
from agents_app.values.choices import Scope
from agents_app.values.fields import EDGES, Rule, Schema, field, refusal
from agents_app.values.pasted import read_uuid
from agents_app.values.rules import line, whole_number

TOKEN_DAYS_MAX = 3_650
OVERLAP_HOURS, OVERLAP_HOURS_MAX = 24, 7 * 24
# The days without use after which the page of tokens lists a token as unused.
UNUSED_DAYS = 60
DURATION = re.compile(r"([0-9]{1,3}) *([hd])")


def _scopes(value: object) -> list[Scope]:
    if not isinstance(value, list) or not value:
        raise refusal("Choose at least one scope: read, write, runtime.")
    known = {scope.value for scope in Scope}
    if any(entry not in known for entry in value if isinstance(entry, str)) or not all(
        isinstance(entry, str) for entry in value
    ):
        raise refusal("Choose from the scopes read, write, runtime.")
    wanted = set(value) | ({Scope.READ.value} if Scope.WRITE.value in value else set())
    return [scope for scope in Scope if scope.value in wanted]


def _agent_ids(value: object) -> list[str]:
    entries = value if isinstance(value, list) else [None]
    ids = [read_uuid(entry) if isinstance(entry, str) else None for entry in entries]
    if not all(ids):
        raise refusal("There is no such agent. Give the id of each agent, which is a UUID, or its external ID.")
    return list(dict.fromkeys(filter(None, ids)))


def _hours(value: object) -> int:
    found = DURATION.fullmatch(value.strip(EDGES).lower()) if isinstance(value, str) else None
    hours = int(found[1]) * (24 if found[2] == "d" else 1) if found else 0
    if not 1 <= hours <= OVERLAP_HOURS_MAX:
        raise refusal("Write 1h to 168h (hours) or 1d to 7d (days), such as 24h.")
    return hours


class TokenValues(Schema):
    """A new API token."""

    name: Annotated[str, line(limits.NAME)] = field(
        "Name", "Where it will be used, such as ci-deploy.", missing="Enter a name for the token."
    )
    scopes: Annotated[list[Scope], Rule(_scopes)] = field(
        "Scopes", "Write includes read.", missing="Choose at least one scope: read, write, runtime."
    )
    expires_in_days: Annotated[int | None, whole_number("Days", 1, TOKEN_DAYS_MAX)] = field(
        "Expires in", "Days from now.", default=None, width=6
    )
    agent_ids: Annotated[list[str], Rule(_agent_ids)] = field(
        "Only these agents",
        "Only for the scope runtime. If you choose no agents, the token can fetch all of them.",
        default=[],
    )


class RotationValues(Schema):
    """The replacement of an API token: how many hours the old one keeps working."""

    overlap: Annotated[int, Rule(_hours)] = field("The old token keeps working for", default=OVERLAP_HOURS)


class TokenQuery(Schema):
    """A query of the list of tokens.

    A token that was never used counts from its creation. Using a token that is refused does not count.
    """

    unused_days: Annotated[int | None, whole_number("The number of days", 1, TOKEN_DAYS_MAX)] = field(
        "Not used for", "Only tokens that were not used for so many days.", default=None
    )
