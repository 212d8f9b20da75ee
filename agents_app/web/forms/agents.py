"""The forms that create and disable an agent. `edit_agent.py` has the form of a stored agent."""

from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Any

from agents_app.connections import TYPES
from agents_app.errors import InvalidInput
from agents_app.operations.agent_states import replaced_reason
from agents_app.schemas import agents as schema
from agents_app.schemas.agents import API_KEY, CONFIG, AgentValues, DisableValues
from agents_app.values.choices import AgentStatus, ConnectionType
from agents_app.values.text import normalise_text, to_nfc
from agents_app.web import whole_addresses
from agents_app.web.forms.base import ConsoleForm, FormData, PanelForm
from agents_app.web.forms.from_schema import make, spec_of
from agents_app.web.forms.inputs import SPAN_WHOLE, Area, Choice, Input
from agents_app.web.forms.secret_input import Secret

UNSEEN_REASON = "The agent was disabled or changed while this page was open. Nothing was saved. See its reason above."


class AgentForm(ConsoleForm):
    """An agent, new or stored, with one panel a connection type; both panels keep what was typed."""

    name = make(AgentValues, "name", span=SPAN_WHOLE)
    description = Area(spec_of(AgentValues, "description", span=SPAN_WHOLE))
    model_type = make(AgentValues, "model_type", span=SPAN_WHOLE)
    api_key = make(AgentValues, "api_key")
    system_instructions = Area(spec_of(AgentValues, "system_instructions", span=SPAN_WHOLE, is_mono=True))
    connection_type = Choice(
        spec_of(AgentValues, "connection_type", labels={kind.value: model.label for kind, model in TYPES.items()}),
        default=next(iter(TYPES)).value,
    )

    def __init__(self, formdata: FormData | None = None, agent: Mapping[str, Any] | None = None) -> None:
        stored = agent or {}
        formdata, self.split = whole_addresses.split(formdata, stored.get(CONFIG))
        super().__init__(formdata, data=stored)
        self.panels: dict[ConnectionType, PanelForm] = {}
        for kind in TYPES:
            config = stored.get(CONFIG) if stored.get("connection_type") == kind else None
            self.panels[kind] = _panel_class(kind)(formdata, prefix=f"{kind}-", data=config)
        self._tell_secrets(formdata, stored.get("secrets_set", {}), stored.get("connection_type"))

    @property
    def chosen(self) -> PanelForm | None:
        """The panel of the connection type that is chosen; the others are ignored."""
        return next((panel for kind, panel in self.panels.items() if kind.value == self.connection_type.data), None)

    def inputs(self) -> Iterator[Input]:
        """The fixed inputs, then those of the chosen panel."""
        yield from super().inputs()
        if self.chosen is not None:
            yield from self.chosen.inputs()

    def submit(self, operation: Callable[[dict[str, Any]], Any]) -> bool:
        """The same, once no address is split (nobody has seen yet what would be saved) and no secret is lost."""
        return not self.split and super().submit(self._refuse_incomplete if self._lost() else operation)

    def values(self) -> dict[str, Any]:
        """The fixed fields and the chosen panel's configuration."""
        fixed = {field.short_name: field.value for field in super().inputs() if field.is_given}
        return fixed | {CONFIG: self.chosen.values() if self.chosen else {}}

    def refuse(self, pointer: str, sentence: str) -> None:
        """Put a refusal at a fixed input or at one of the chosen panel."""
        if self.chosen is not None and pointer.startswith(f"/{CONFIG}"):
            self.chosen.refuse(pointer.removeprefix(f"/{CONFIG}"), sentence)
        else:
            super().refuse(pointer, sentence)

    def problems(self) -> list[tuple[str | None, str]]:
        """Those of the form, with those of the connection as a whole."""
        whole = [("connection", sentence) for sentence in self.chosen.general] if self.chosen else []
        return [*super().problems(), *whole]

    def secret_names(self) -> set[str]:
        """The names under which secrets are sent."""
        return {field.name for _, field in self._secrets()}

    def _lost(self) -> dict[str, str]:
        """What to do about the secrets that were typed before and are empty now, by their JSON pointers."""
        kinds = (None, self.connection_type.text)
        return {_pointer(kind, f): f.lost_sentence for kind, f in self._secrets() if f.is_lost and kind in kinds}

    def _refuse_incomplete(self, values: dict[str, Any]) -> None:
        problems = [*self._lost().items()]
        try:
            schema.draft_of_new(values)
        except InvalidInput as refusal:
            problems += refusal.fields
        raise InvalidInput(problems)

    def _secrets(self) -> Iterator[tuple[ConnectionType | None, Secret]]:
        yield None, self.api_key
        for kind, panel in self.panels.items():
            yield from ((kind, field) for field in panel.inputs() if isinstance(field, Secret))

    def _tell_secrets(self, formdata: FormData | None, facts: Mapping[str, Any], stored_type: str | None) -> None:
        for kind, field in self._secrets():
            act = formdata.get(f"{field.name}-act") if formdata is not None else None
            field.store(facts.get(_pointer(kind, field)) if kind in (None, stored_type) else None, act)
            # Typed on an earlier page, and not kept.
            field.was_typed |= formdata is not None and f"{field.name}-typed" in formdata
        if self.split and self.emptied:
            self.split.append(f"Type again: {', '.join(self.emptied)}. Secrets are not kept on the page.")


class DisableForm(ConsoleForm):
    """Why an agent is disabled. It knows the version of the agent that its page showed."""

    reason = make(DisableValues, "reason", span=SPAN_WHOLE)

    def refuse_unseen(self, agent: Mapping[str, Any]) -> bool:
        """Refuse to replace a reason that may be newer than the page; answers whether it did."""
        is_newer = agent["status"] == AgentStatus.DISABLED and agent["version"] != self.version
        if not is_newer or to_nfc(agent["status_reason"] or "") == normalise_text(self.reason.text):
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


@cache
def _panel_class(kind: ConnectionType) -> type[PanelForm]:
    model = TYPES[kind]
    return type(f"{kind}Panel", (PanelForm,), {name: make(model, name) for name in model.model_fields})


def _pointer(kind: ConnectionType | None, field: Secret) -> str:
    return API_KEY if kind is None else f"/{CONFIG}/{field.short_name}"
