"""The form of a new API token."""

from collections.abc import Mapping
from typing import Any

from agents_app.config import settings
from agents_app.schemas.tokens import OVERLAP_HOURS, RotationValues, TokenValues
from agents_app.values.choices import Scope
from agents_app.web.forms.base import ConsoleForm, FormData
from agents_app.web.forms.choice_inputs import CheckboxGroup, Select
from agents_app.web.forms.from_schema import input_spec, make_input
from agents_app.web.forms.inputs import SPAN_WHOLE

SCOPE_LABELS = {Scope.READ.value: "Read", Scope.WRITE.value: "Write", Scope.RUNTIME.value: "Runtime"}
SCOPE_HINTS = {
    Scope.READ.value: "Lists and reads agents, without their secrets.",
    Scope.WRITE.value: "Also creates, changes and deletes agents, as far as your role allows.",
    Scope.RUNTIME.value: "Fetches working configurations, secrets included. Keeps working after its creator leaves.",
}
OVERLAPS = {"1h": "1 hour", "24h": "1 day", "7d": "7 days"}


class TokenForm(ConsoleForm):
    """A new API token."""

    name = make_input(TokenValues, "name", span=SPAN_WHOLE)
    scopes = CheckboxGroup(
        input_spec(TokenValues, "scopes", span=SPAN_WHOLE, labels=SCOPE_LABELS), SCOPE_HINTS, default=[Scope.READ.value]
    )
    expires_in_days = make_input(TokenValues, "expires_in_days", is_optional=False)
    agent_ids = CheckboxGroup(input_spec(TokenValues, "agent_ids", span=SPAN_WHOLE, is_optional=True))

    def __init__(self, formdata: FormData | None, agents: Mapping[str, str], preset: Mapping[str, Any]) -> None:
        super().__init__(formdata, data={"expires_in_days": settings().token_days, **preset})
        self.agent_ids.labels = dict(agents)


class RotateForm(ConsoleForm):
    """The replacement of a token."""

    overlap = Select(
        input_spec(RotationValues, "overlap", span=SPAN_WHOLE, labels=OVERLAPS), default=f"{OVERLAP_HOURS}h"
    )
