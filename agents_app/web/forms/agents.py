"""The forms that create and disable an agent. `edit_agent.py` has the form of a stored agent."""

from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Any, ClassVar

from agents_app.connections import TYPES
from agents_app.errors import InvalidInput
from agents_app.operations import drivers
from agents_app.operations.agent_states import replaced_reason
from agents_app.schemas import agents as schema
from agents_app.schemas.agents import API_KEY, CONFIG, AgentValues
from agents_app.schemas.change_notes import DisableValues, check_reason, draft_and_note
from agents_app.values.choices import AgentStatus, ConnectionType
from agents_app.values.model_urls import NOT_SHOWN
from agents_app.values.secret_scanner import find_in_text
from agents_app.values.text import normalise_text, to_nfc
from agents_app.web import pasted_addresses
from agents_app.web.forms.base import ConsoleForm, FormData, PanelForm
from agents_app.web.forms.choice_inputs import Select
from agents_app.web.forms.from_schema import input_spec, make_input
from agents_app.web.forms.inputs import SPAN_WHOLE, Address, CountedTextArea, Input
from agents_app.web.forms.secret_input import Secret

UNSEEN_REASON = "The agent was disabled or changed while this page was open. Nothing was saved. See its reason above."


class AgentForm(ConsoleForm):
    """The form of an agent. It has one panel for each connection type, and every panel keeps what was typed in it."""

    groups: ClassVar[dict[str, str]] = {
        "about": "Description and instructions",
        "facts": "Owner, environment and labels",
    }
    """The headings of the collapsed groups of optional inputs, by the name of the group."""

    save_label = "Create agent"
    """The text of the button that saves."""

    busy_label = "Creating…"
    """Its text while it saves."""

    connection_type = Select(
        input_spec(AgentValues, "connection_type", labels={kind.value: model.label for kind, model in TYPES.items()}),
        default=next(iter(TYPES)).value,
    )
    name = make_input(AgentValues, "name", span=SPAN_WHOLE)
    model_provider = make_input(AgentValues, "model_provider", group="model")
    model_type = make_input(AgentValues, "model_type", group="model")
    model_base_url = Address(input_spec(AgentValues, "model_base_url", group="model", span=SPAN_WHOLE), NOT_SHOWN)
    api_key = make_input(AgentValues, "api_key", group="model")
    api_key_expires_at = make_input(AgentValues, "api_key_expires_at", group="model_expiry")
    description = CountedTextArea(input_spec(AgentValues, "description", group="about", span=SPAN_WHOLE, rows=2))
    system_instructions = CountedTextArea(
        input_spec(AgentValues, "system_instructions", group="about", span=SPAN_WHOLE, rows=9, is_mono=True)
    )
    environment = make_input(AgentValues, "environment", group="facts")
    owner = make_input(AgentValues, "owner", group="facts")
    external_id = make_input(AgentValues, "external_id", group="facts", span=SPAN_WHOLE)
    labels = make_input(AgentValues, "labels", group="facts", span=SPAN_WHOLE)

    def __init__(self, formdata: FormData | None = None, agent: Mapping[str, Any] | None = None) -> None:
        stored = agent or {}
        formdata, self.split_sentences = pasted_addresses.split_addresses(formdata, stored.get(CONFIG))
        super().__init__(formdata, data=stored)
        self.panels: dict[ConnectionType, PanelForm] = {}
        for kind in TYPES:
            config = stored.get(CONFIG) if stored.get("connection_type") == kind else None
            self.panels[kind] = _panel_class(kind)(formdata, prefix=f"{kind}-", data=config)
            self.panels[kind].connect_choices(TYPES[kind])
            self.panels[kind].withdraw_options(drivers.missing())
        self._set_stored_secrets(formdata, stored.get("secrets_set", {}), stored.get("connection_type"))

    @property
    def chosen(self) -> PanelForm | None:
        """The panel of the chosen connection type. The others are ignored."""
        return next((panel for kind, panel in self.panels.items() if kind.value == self.connection_type.data), None)

    def inputs(self) -> Iterator[Input]:
        """The inputs in the order of the page: those of the chosen panel follow the name."""
        for field in super().inputs():
            yield field
            if field is self.name and self.chosen is not None:
                yield from self.chosen.inputs()

    def submit(self, operation: Callable[[dict[str, Any]], Any]) -> bool:
        """Submit, unless an address was just split, which the user checks first, or a secret must be typed again."""
        if self.split_sentences:
            return False
        return super().submit(self._refuse_incomplete if self._cleared_sentences() else operation)

    def save(self, operation: Callable[[dict[str, Any]], Any]) -> bool:
        """Submit, unless a field that is not encrypted contains what looks like a secret: the user is warned once."""
        return self.submit(self._refuse_incomplete if self._warns_of_secrets() else operation)

    def values(self) -> dict[str, Any]:
        """The values of the fixed inputs and of the chosen panel."""
        fixed = {field.short_name: field.value for field in super().inputs() if field.is_given}
        return fixed | {CONFIG: self.chosen.values() if self.chosen else {}}

    def add_error(self, pointer: str, sentence: str) -> None:
        """Add an error to a fixed input or to one of the chosen panel."""
        if self.chosen is not None and pointer.startswith(f"/{CONFIG}"):
            self.chosen.add_error(pointer.removeprefix(f"/{CONFIG}"), sentence)
        else:
            super().add_error(pointer, sentence)

    def problems(self) -> list[tuple[str | None, str]]:
        """The errors of the form and of the connection as a whole."""
        of_connection = [("connection", sentence) for sentence in self.chosen.general_errors] if self.chosen else []
        return [*super().problems(), *of_connection]

    def secret_names(self) -> set[str]:
        """The names of the inputs for secrets."""
        return {field.name for _, field in self._secrets()}

    def _warns_of_secrets(self) -> bool:
        """Whether a warning was added that the user has not seen."""
        inputs = {field.name: field for field in self.inputs()}
        for pointer, sentence in schema.secret_warnings(self.values()):
            name, _, member = pointer.removeprefix("/").partition("/")
            if name == CONFIG:
                name = f"{self.connection_type.text}-{member.partition('/')[0]}"
            inputs[name].warning = inputs[name].warning or sentence
        return self.has_new_warnings

    def _cleared_sentences(self) -> dict[str, str]:
        """Sentences for the secrets that were typed before and are empty now, by JSON pointer."""
        kinds = (None, self.connection_type.text)
        cleared = [(kind, f) for kind, f in self._secrets() if f.is_cleared and not f.is_unused]
        return {_pointer(kind, f): f.cleared_sentence for kind, f in cleared if kind in kinds}

    def _refuse_incomplete(self, values: dict[str, Any]) -> None:
        problems = [*self._cleared_sentences().items()]
        try:
            draft_and_note(schema.draft_of_new, values)
        except InvalidInput as refusal:
            problems += refusal.fields
        raise InvalidInput(problems)

    def _secrets(self) -> Iterator[tuple[ConnectionType | None, Secret]]:
        yield None, self.api_key
        for kind, panel in self.panels.items():
            yield from ((kind, field) for field in panel.inputs() if isinstance(field, Secret))

    def _set_stored_secrets(self, formdata: FormData | None, facts: Mapping[str, Any], stored_type: str | None) -> None:
        for kind, field in self._secrets():
            action = formdata.get(f"{field.name}-act") if formdata is not None else None
            field.set_stored(facts.get(_pointer(kind, field)) if kind in (None, stored_type) else None, action)
            # Typed on a previous page, which did not keep it.
            field.was_typed |= formdata is not None and f"{field.name}-typed" in formdata
        if self.split_sentences and self.cleared_secrets:
            self.split_sentences.append(
                f"Type again: {', '.join(self.cleared_secrets)}. This page does not keep secrets."
            )


class DisableForm(ConsoleForm):
    """The form that disables an agent. `version` is the version of the agent that its page showed."""

    save_label = "the button"

    reason = make_input(DisableValues, "reason", span=SPAN_WHOLE)

    def save(self, operation: Callable[[dict[str, Any]], Any]) -> bool:
        """Submit, unless the reason contains what looks like a secret: the user is warned once."""
        self.reason.warning = find_in_text(self.reason.text) or ""
        return self.submit(self._refuse if self.has_new_warnings else operation)

    def _refuse(self, values: dict[str, Any]) -> None:
        check_reason(values)
        raise InvalidInput(())

    def is_outdated(self, agent: Mapping[str, Any]) -> bool:
        """Whether it would replace a reason that the page did not show."""
        is_newer = agent["status"] == AgentStatus.DISABLED and agent["version"] != self.version
        return is_newer and to_nfc(agent["status_reason"] or "") != normalise_text(self.reason.text)

    @property
    def success_message(self) -> str:
        """What the operation did."""
        if self.result is None:
            return "Nothing was changed: it is disabled already, for this reason."
        replaced = replaced_reason(self.result, self.reason.text)
        return f"It {replaced}" if replaced else "The agent is disabled: runtimes that request it get the reason."


@cache
def _panel_class(kind: ConnectionType) -> type[PanelForm]:
    model = TYPES[kind]
    return type(f"{kind}Panel", (PanelForm,), {name: make_input(model, name) for name in model.model_fields})


def _pointer(kind: ConnectionType | None, field: Secret) -> str:
    return API_KEY if kind is None else f"/{CONFIG}/{field.short_name}"
