"""The form that disables an agent."""

from collections.abc import Mapping
from typing import Any

from agents_app.operations.agent_states import replaced_reason
from agents_app.schemas.agents import DisableValues
from agents_app.values.choices import AgentStatus
from agents_app.values.text import composed, normal_text
from agents_app.web.forms.agents import ConsoleForm
from agents_app.web.forms.from_schema import make
from agents_app.web.forms.inputs import SPAN_WHOLE

UNSEEN_REASON = "The agent was disabled or changed while this page was open. Nothing was saved. See its reason above."


class DisableForm(ConsoleForm):
    """Why an agent is disabled. It knows the version of the agent that its page showed."""

    reason = make(DisableValues, "reason", span=SPAN_WHOLE)

    def refuse_unseen(self, agent: Mapping[str, Any]) -> bool:
        """Refuse to replace a reason that may be newer than the page; answers whether it did."""
        is_newer = agent["status"] == AgentStatus.DISABLED and agent["version"] != self.version
        if not is_newer or composed(agent["status_reason"] or "") == normal_text(self.reason.text):
            return False
        self.general.append(UNSEEN_REASON)
        return True

    @property
    def done(self) -> str:
        """What was done."""
        if self.result is None:
            return "Nothing was changed: it is disabled already, for this reason."
        replaced = replaced_reason(self.result, self.reason.text)
        return f"It {replaced}" if replaced else "The agent is disabled: runtimes that ask for it are told the reason."
