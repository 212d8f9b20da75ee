"""The forms: which inputs, in which order, with which labels. No rules: `submit` asks the operation."""

from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Any

from flask_wtf import FlaskForm
from werkzeug.datastructures import MultiDict

from agents_app.config import settings
from agents_app.connections import TYPES
from agents_app.errors import InvalidInput, Repeated
from agents_app.operations import form_keys
from agents_app.schemas import agents as schema
from agents_app.schemas.agents import API_KEY, CONFIG, AgentValues
from agents_app.schemas.users import AccountValues, PersonValues, TokenValues
from agents_app.values.choices import ConnectionType, Scope
from agents_app.web import whole_addresses
from agents_app.web.forms.from_schema import make, spec_of
from agents_app.web.forms.inputs import SPAN_WHOLE, Area, Boxes, Choice, Input, Spec, Text
from agents_app.web.forms.secret_input import Secret

FormData = MultiDict[str, str]

SCOPE_LABELS = {Scope.READ.value: "Read", Scope.WRITE.value: "Write", Scope.RUNTIME.value: "Runtime"}
SCOPE_HINTS = {
    Scope.READ.value: "Lists and reads agents, without their secrets.",
    Scope.WRITE.value: "Also creates, changes and deletes agents, as far as you may.",
    Scope.RUNTIME.value: "Fetches working configurations, secrets included. Keeps working when its maker leaves.",
}


class ConsoleForm(FlaskForm):
    """A form that hands its values to an operation and shows what the operation refuses.

    Its `key` is the same each time the form is sent, so that an operation that gets it makes one thing of two clicks.
    """

    result: Any = None

    def __init__(self, formdata: FormData | None = None, **options: Any) -> None:
        super().__init__(formdata, **options)
        self.general: list[str] = []
        sent = formdata or MultiDict()
        self.key = sent.get("key") or form_keys.new()
        self.version = sent.get("version", type=int)

    def inputs(self) -> Iterator[Input]:
        """The inputs in the order of the page."""
        for field in self:
            if isinstance(field, Input):
                yield field

    def values(self) -> dict[str, Any]:
        """What was typed, as plain values by the schema's names."""
        return {field.short_name: field.value for field in self.inputs() if field.is_given}

    def submit(self, operation: Callable[[dict[str, Any]], Any]) -> bool:
        """Whether the operation took the values; its answer is in `result`, its refusals are at the inputs."""
        try:
            self.result = operation(self.values())
        except InvalidInput as refusal:
            for pointer, sentence in refusal.fields:
                self.refuse(pointer, sentence)
            return False
        except Repeated as refusal:
            return self.begin_another(refusal.detail)
        return True

    def begin_another(self, sentence: str) -> bool:
        """Say what the form made before; sent again it makes another. Answers that nothing was made now."""
        self.key = form_keys.new()
        self.general.append(f"{sentence} Send it again to make another.")
        return False

    def refuse(self, pointer: str, sentence: str) -> None:
        """Put a refusal where its JSON pointer leads."""
        field = self._fields.get(pointer.removeprefix("/").partition("/")[0])
        if isinstance(field, Input):
            field.refuse(sentence)
        else:
            self.general.append(sentence)

    def problems(self) -> list[tuple[str | None, str]]:
        """Every refusal as (id of the input or None, sentence), in the order of the page."""
        named = [(field.anchor, field.problem(sentence)) for field in self.inputs() for sentence in field.errors]
        return [*((None, sentence) for sentence in self.general), *named]

    @property
    def emptied(self) -> list[str]:
        """The labels of the secrets that were typed: the page does not show them again."""
        return [field.spec.label for field in self.inputs() if isinstance(field, Secret) and field.was_typed]

    @property
    def lost_a_secret(self) -> bool:
        """Whether there is such a secret."""
        return bool(self.emptied)


class PanelForm(ConsoleForm):
    """The fields of one connection type, made from its declaration."""

    class Meta(FlaskForm.Meta):
        """A panel stands within a form that has the CSRF value already."""

        csrf = False

    def ungrouped(self) -> list[Input]:
        """What is in sight."""
        return [field for field in self.inputs() if field.spec.group is None]

    def grouped(self, group: str) -> list[Input]:
        """What is folded away under this group's heading."""
        return [field for field in self.inputs() if field.spec.group == group]


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
            schema.new(values)
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


class SignInForm(ConsoleForm):
    """Who somebody is; what is wrong is not told apart."""

    email = Text(spec_of(PersonValues, "email", span=SPAN_WHOLE))
    password = Secret(spec_of(PersonValues, "password", span=SPAN_WHOLE, hint=""))


class SetupForm(ConsoleForm):
    """The first account and its admin."""

    code = Text(Spec("Set-up code", "The server printed it at its start.", span=SPAN_WHOLE, is_mono=True))
    account_name = make(AccountValues, "account_name", span=SPAN_WHOLE)
    name = make(AccountValues, "name", span=SPAN_WHOLE)
    email = make(AccountValues, "email", span=SPAN_WHOLE)
    password = make(AccountValues, "password", span=SPAN_WHOLE)

    def values(self) -> dict[str, Any]:
        """The account's and its admin's; the code is no part of them."""
        return {name: value for name, value in super().values().items() if name != "code"}


class TokenForm(ConsoleForm):
    """A new API token."""

    name = make(TokenValues, "name", span=SPAN_WHOLE)
    scopes = Boxes(
        spec_of(TokenValues, "scopes", span=SPAN_WHOLE, labels=SCOPE_LABELS), SCOPE_HINTS, default=[Scope.READ.value]
    )
    expires_in_days = make(TokenValues, "expires_in_days", is_optional=False)
    agent_ids = Boxes(spec_of(TokenValues, "agent_ids", span=SPAN_WHOLE, is_optional=True))

    def __init__(self, formdata: FormData | None, agents: Mapping[str, str]) -> None:
        super().__init__(formdata, data={"expires_in_days": settings().token_days})
        self.agent_ids.labels = dict(agents)


@cache
def _panel_class(kind: ConnectionType) -> type[PanelForm]:
    model = TYPES[kind]
    return type(f"{kind}Panel", (PanelForm,), {name: make(model, name) for name in model.model_fields})


def _pointer(kind: ConnectionType | None, field: Secret) -> str:
    return API_KEY if kind is None else f"/{CONFIG}/{field.short_name}"
