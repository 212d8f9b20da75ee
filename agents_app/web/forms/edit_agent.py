"""The form of a stored agent. It knows the version that it loaded, and saves only what was changed in it."""

import json
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from hashlib import sha256
from typing import Any

from werkzeug.datastructures import MultiDict

from agents_app.errors import InvalidInput
from agents_app.operations import agent_merge, agent_secrets
from agents_app.operations.agent_history import PastVersion
from agents_app.operations.agent_merge import CONNECTION, REMOVED, SET, TYPED, Facts, Merge
from agents_app.schemas import agents as schema
from agents_app.schemas.agents import CONFIG
from agents_app.schemas.change_notes import draft_and_note
from agents_app.values.choices import ConnectionType
from agents_app.web.forms.agents import AgentForm
from agents_app.web.forms.base import ConsoleForm, FormData
from agents_app.web.forms.inputs import Input
from agents_app.web.forms.noted_agent import NotedForm
from agents_app.web.forms.secret_input import Secret

MINE, THEIRS = "mine", "theirs"
SIDES = ("Yours", "Theirs")
SET_SINCE = "set since"


def choice_name(pointer: str) -> str:
    """The name of the two radio buttons that choose between two values, and the id of the first."""
    return f"choice{pointer.replace('/', '-')}"


def shown_name(pointer: str) -> str:
    """The name of the hidden input with a digest of the value for which the choice was offered."""
    return f"shown{pointer.replace('/', '-')}"


class EditForm(NotedForm):
    """The form that changes a stored agent."""

    save_label = "Save changes"
    busy_label = "Saving…"

    def __init__(self, formdata: FormData | None, agent: dict[str, Any]) -> None:
        super().__init__(formdata, agent)
        self.agent = agent
        sent: FormData = MultiDict() if formdata is None else formdata
        self.version = sent.get("version", type=int) if formdata is not None else agent.get("version")
        # The version that the form loaded first. `version` increases each time the changes of others are shown.
        self.loaded_version = sent.get("began", self.version, type=int)
        self.offered = frozenset(sent.getlist("choose"))
        given = {pointer: sent.get(choice_name(pointer), "") for pointer in self.offered}
        self.choices = {pointer: choice for pointer, choice in given.items() if choice in (MINE, THEIRS)}
        self.sides = SIDES
        self._shown = {pointer: sent.get(shown_name(pointer), "") for pointer in self.offered}
        self._contradicted: list[str] = []
        self.merge = Merge([], [], [])
        self.already_stored: list[str] = []
        self.unchosen: list[str] = []

    def compare(self, past: PastVersion) -> None:
        """Compare what was changed in the form with what others changed since the version of `past`."""
        base, theirs = facts_before_and_now(past, self.agent)
        known = dict.fromkeys(past.secrets, SET) if base else dict.fromkeys(self.agent["secrets_set"], SET_SINCE)
        mine = self._facts(known)
        self.merge = agent_merge.merge(base, mine, theirs, self.offered)
        self.already_stored = []
        if base is not None and not self.merge.mine and not self.merge.both:
            changed = agent_merge.changed(base, mine)
            self.already_stored = [pointer for pointer in changed if agent_merge.is_same(pointer, mine, theirs)]
        # A choice between two values must be made again where one of them has changed since.
        self.choices = {
            pointer: choice
            for pointer, choice in self.choices.items()
            if base is not None and agent_merge.is_same(pointer, base, theirs)
        }
        # A value that was typed since is neither of the two: choosing theirs would lose it.
        chosen_theirs = [p for p in self.merge.both if self.choices.get(p) == THEIRS]
        self._contradicted = [p for p in chosen_theirs if self._is_typed(p) or self.digest(p) != self._shown[p]]
        for pointer in self._contradicted:
            del self.choices[pointer]
        for pointer, field in inputs_by_pointer(self).items():
            field.is_disputed = any(agent_merge.covers(both, pointer) for both in self.merge.both)

    def load_others_changes(self) -> None:
        """Copy what only others changed into the inputs, and continue from the stored version."""
        stored = AgentForm(agent=self.agent)
        kind = ConnectionType(stored.connection_type.text)
        if self.connection_type.text != kind.value:
            _copy_data(stored.panels[kind].inputs(), self.panels[kind].inputs())
        if CONNECTION in self.merge.theirs:
            self.connection_type.data = kind.value
        theirs, mine = inputs_by_pointer(stored), inputs_by_pointer(self)
        taken = [pointer for pointer in self.merge.theirs if pointer in theirs]
        _copy_data((theirs[pointer] for pointer in taken), (mine[pointer] for pointer in taken))
        self.version = self.agent["version"]

    def values(self) -> dict[str, Any]:
        """What was changed in this form. Where others changed it too, only if this form's value was chosen."""
        everything, pointers = super().values(), self._changes()
        config = everything.pop(CONFIG)
        if CONNECTION not in pointers:
            config = {name: value for name, value in config.items() if f"/{CONFIG}/{name}" in pointers}
        pointers += ["/connection_type"] if CONNECTION in pointers else []
        fixed = {name: value for name, value in everything.items() if f"/{name}" in pointers}
        return fixed | ({CONFIG: config} if config or CONNECTION in pointers else {})

    def submit(self, operation: Callable[[dict[str, Any]], Any]) -> bool:
        """Submit, once every choice is made and every new secret is typed; else show all errors together."""
        self.unchosen = [pointer for pointer in self.merge.both if pointer not in self.choices]
        is_complete = not self.unchosen and not self._unfinished()
        return super().submit(operation if is_complete else self._refuse_incomplete)

    def problems(self) -> list[tuple[str | None, str]]:
        """The choices that were not made, then the errors of the form."""
        return [*((choice_name(p), self.choice_sentence(p)) for p in self.unchosen), *super().problems()]

    def choice_sentence(self, pointer: str) -> str:
        """The error at a choice that was not made."""
        label, (mine, theirs) = self.label(pointer), self.sides
        if pointer not in self._contradicted:
            return f"{label}: choose the value to save."
        what = "you typed a new value below" if self._is_typed(pointer) else "the field below has a different value"
        return f"{label}: you chose “{theirs}”, but {what}. To save that value, choose “{mine}”."

    def digest(self, pointer: str) -> str:
        """A digest of the value at this pointer; for secrets, of what will be done with them."""
        actions = {p: field.action for p, field in _secrets(self).items()}
        value = agent_merge.value_at(pointer, agent_merge.facts(super().values(), actions))
        return sha256(json.dumps(value, default=str).encode()).hexdigest()

    def label(self, pointer: str) -> str:
        """The label of the input at this pointer."""
        field = self.connection_type if pointer == CONNECTION else inputs_by_pointer(self)[pointer]
        return field.spec.label

    def _changes(self) -> list[str]:
        return [*self.merge.mine, *(p for p in self.merge.both if self.choices.get(p) == MINE)]

    def _facts(self, known: Mapping[str, str]) -> Facts:
        secrets = {pointer: _secret_state(field, known.get(pointer)) for pointer, field in _secrets(self).items()}
        return agent_merge.facts(super().values(), secrets)

    def _is_typed(self, pointer: str) -> bool:
        typed = {p for p, field in _secrets(self).items() if field.was_typed and not field.is_cleared}
        return any(agent_merge.covers(pointer, p) for p in typed)

    def _unfinished(self) -> dict[str, Secret]:
        changes, wanted = self._changes(), {p for p, choice in self.choices.items() if choice == MINE}
        secrets = _secrets(self)
        blank = {p: field for p, field in secrets.items() if field.is_unfinished and {p, CONNECTION} & {*changes}}
        return blank | {p: secrets[p] for p in wanted & secrets.keys() if not secrets[p].is_given}

    def _refuse_incomplete(self, changes: dict[str, Any]) -> None:
        problems, config = [], self.agent[CONFIG]
        after = {**self.agent, **changes}, {**config, **changes.get(CONFIG, {})}
        try:
            stored = {name: self.agent[name] for name in (*schema.FIELDS, CONFIG)}
            draft, _ = draft_and_note(partial(schema.draft_of_changed, stored), changes | self.note_values())
            after = draft.fields, draft.config
        except InvalidInput as refusal:
            problems = refusal.fields
        # A stored secret can be kept only for the destination for which it was typed.
        moved = [p for p in _stored(self) if schema.destination(p, self.agent, config) != schema.destination(p, *after)]
        unfinished = {p: field.unfinished_sentence for p, field in self._unfinished().items()}
        unfinished |= {
            p: agent_secrets.moved_sentence(self.agent["connection_type"], p) for p in moved if p in unfinished
        }
        raise InvalidInput([*(unfinished | self._cleared_sentences()).items(), *problems])


def inputs_by_pointer(form: AgentForm) -> dict[str, Input]:
    """The fixed inputs and those of the chosen panel, by JSON pointer."""
    fixed = {f"/{field.short_name}": field for field in ConsoleForm.inputs(form)}
    panel = form.chosen.inputs() if form.chosen else ()
    return fixed | {f"/{CONFIG}/{field.short_name}": field for field in panel}


def facts_before_and_now(past: PastVersion, agent: Mapping[str, Any]) -> tuple[Facts | None, Facts]:
    """The facts of an agent at a previous version (None where it cannot be read), and its current facts."""
    changed_since = {pointer for change in past.later for pointer in change.secrets}
    unchanged = past.secrets - changed_since
    now = {pointer: SET if pointer in unchanged else SET_SINCE for pointer in agent["secrets_set"]}
    before = agent_merge.facts(past.values, dict.fromkeys(past.secrets, SET)) if past.values else None
    return before, agent_merge.facts(agent, now)


def _secrets(form: AgentForm) -> dict[str, Secret]:
    return {pointer: field for pointer, field in inputs_by_pointer(form).items() if isinstance(field, Secret)}


def _stored(form: AgentForm) -> list[str]:
    return [pointer for pointer, field in _secrets(form).items() if field.is_set]


def _copy_data(sources: Iterable[Input], targets: Iterable[Input]) -> None:
    for source, target in zip(sources, targets, strict=True):
        target.data = source.data


def _secret_state(field: Secret, before: str | None) -> str | None:
    if field.is_given:
        return REMOVED if field.action == "remove" else TYPED
    return TYPED if field.is_unfinished else before
