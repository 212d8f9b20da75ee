"""What the page shows where an agent was changed while a form was open: three versions, in words."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from agents_app.operations import agent_merge
from agents_app.operations.agent_history import Change, Past
from agents_app.operations.agent_merge import CONNECTION
from agents_app.operations.permissions import Actor
from agents_app.schemas.agents import API_KEY, CONFIG
from agents_app.web.forms.agents import AgentForm
from agents_app.web.forms.edit_agent import EditForm, by_pointer, choice_name, facts_of, shown_name
from agents_app.web.forms.inputs import Input
from agents_app.web.forms.secret_input import Secret

NAMES_MAX = 3
CHANGES_MAX = 5
OWN_SIDES = ("This form", "Stored now")
NEW_SECRET = "A new one, which this page does not keep. To save it, type it below."
LOST_SECRET = "not stored any more; to save it, type it below"
SECRETS_NOW = {"set": "Set", "replaced": "Replaced", "removed": "Removed"}


@dataclass(frozen=True)
class Difference:
    """One field that two versions have different values of; `before` is None where the first one cannot be read."""

    pointer: str
    label: str
    before: str | None
    mine: str
    theirs: str
    is_long: bool

    @property
    def choice(self) -> str:
        """The name of its radio buttons."""
        return choice_name(self.pointer)

    @property
    def shown(self) -> str:
        """The name of the input that says what the fields have while the choice is offered."""
        return shown_name(self.pointer)


class EditConflict:
    """The changes of others since a form was first loaded, beside those made in it."""

    def __init__(self, actor: Actor, form: EditForm, began: Past) -> None:
        self.later = began.later
        self.others = list(dict.fromkeys(change.actor_name for change in began.later if not change.is_by(actor)))
        self.is_own = bool(self.later) and not self.others
        if self.is_own:
            form.sides = OWN_SIDES
        self._form, self._began = form, began
        self._stored = AgentForm(agent=form.agent)
        self._before = AgentForm(agent=_with_secrets(began)) if began.values else None
        self.both = [self._difference(pointer) for pointer in form.merge.both]
        self.mine = [self._difference(pointer) for pointer in form.merge.mine]
        before, now = facts_of(began, form.agent)
        theirs = agent_merge.changed(before, now) if before else []
        shown = {*form.merge.both, *form.merge.mine}
        # Where the connection is one choice, its parts are in it.
        parts = ("/connection_type", f"/{CONFIG}/") if CONNECTION in shown else ()
        others = [pointer for pointer in theirs if pointer not in shown and not pointer.startswith(parts)]
        self.theirs = [self._difference(pointer) for pointer in others]

    @property
    def heading(self) -> str:
        """Who changed the agent."""
        if self.is_own:
            return "You changed this agent in another tab, or sent this form twice"
        if len(self.others) > NAMES_MAX:
            return f"{len(self.others)} others changed this agent while you edited it"
        names = " and ".join(filter(None, [", ".join(self.others[:-1]), *self.others[-1:]]))
        return f"{names} changed this agent while you edited it" if names else "This agent changed while you edited it"

    @property
    def last_changes(self) -> list[Change]:
        """The newest changes, the newest first."""
        return self.later[: -CHANGES_MAX - 1 : -1]

    def _difference(self, pointer: str) -> Difference:
        field = by_pointer(self._form).get(pointer) or by_pointer(self._stored).get(pointer)
        label = "Connection" if field is None else field.spec.label
        texts = self._texts_of_secret(pointer, field) if isinstance(field, Secret) else self._texts(pointer)
        return Difference(pointer, label, *texts, pointer == CONNECTION or (field is not None and field.kind == "area"))

    def _texts(self, pointer: str) -> tuple[str | None, str, str]:
        before = _text(self._before, pointer) if self._before else None
        lost = self._lost_secrets() if pointer == CONNECTION else []
        return before, "\n".join([_text(self._form, pointer), *lost]), _text(self._stored, pointer)

    def _lost_secrets(self) -> list[str]:
        """The secrets of this form's connection that went when others chose another type."""
        secrets = {p: field for p, field in by_pointer(self._form).items() if isinstance(field, Secret)}
        of_connection = self._began.secrets - {API_KEY}
        lost = [field for p, field in secrets.items() if p in of_connection and field.facts is None]
        return [f"{field.spec.label}: {LOST_SECRET}" for field in lost if not field.is_given]

    def _texts_of_secret(self, pointer: str, field: Secret) -> tuple[str | None, str, str]:
        before = "A stored one" if pointer in self._began.secrets else ""
        mine = _secret_here(field)
        acts = [change.secrets[pointer] for change in self.later if pointer in change.secrets]
        is_set = pointer in self._form.agent["secrets_set"]
        theirs = SECRETS_NOW.get(acts[-1], "Changed") if acts else "A stored one" if is_set else "Removed"
        return before if self._before else None, mine, theirs


def _with_secrets(past: Past) -> Mapping[str, Any]:
    return {**(past.values or {}), "secrets_set": {pointer: {} for pointer in past.secrets}}


def _text(form: AgentForm, pointer: str) -> str:
    if pointer != CONNECTION:
        field = by_pointer(form).get(pointer)
        return field.shown if field else ""
    panel = form.chosen.inputs() if form.chosen else ()
    lines = [_line(field) for field in panel]
    return "\n".join([form.connection_type.shown, *filter(None, lines)])


def _line(field: Input) -> str:
    text = _secret_line(field) if isinstance(field, Secret) else field.shown
    separator = "\n" if "\n" in text else " "
    return f"{field.spec.label}:{separator}{text}" if text else ""


def _secret_line(field: Secret) -> str:
    if field.act == "keep":
        return "the stored one"
    return _secret_here(field) if field.is_given else ""


def _secret_here(field: Secret) -> str:
    return "Removed" if field.act == "remove" else NEW_SECRET
