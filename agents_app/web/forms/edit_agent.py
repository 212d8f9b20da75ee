"""The form of a stored agent: it knows the version it began from, and hands over only what was changed in it."""

import json
from collections.abc import Callable, Iterable, Mapping
from hashlib import sha256
from typing import Any

from werkzeug.datastructures import MultiDict

from agents_app.errors import InvalidInput
from agents_app.operations import agent_merge
from agents_app.operations.agent_history import Past
from agents_app.operations.agent_merge import CONNECTION, REMOVED, SET, TYPED, Facts, Merge
from agents_app.schemas import agents as schema
from agents_app.schemas.agents import CONFIG
from agents_app.values.choices import ConnectionType
from agents_app.web.forms.agents import AgentForm
from agents_app.web.forms.base import ConsoleForm, FormData
from agents_app.web.forms.inputs import Input
from agents_app.web.forms.secret_input import Secret

MINE, THEIRS = "mine", "theirs"
SIDES = ("Yours", "Theirs")
SET_SINCE = "set since"


def choice_name(pointer: str) -> str:
    """The name of the two radio buttons by which one of two values is chosen, and the id of the first."""
    return f"choice{pointer.replace('/', '-')}"


def shown_name(pointer: str) -> str:
    """The name of the hidden input that says what the fields had when the choice was offered."""
    return f"shown{pointer.replace('/', '-')}"


class EditForm(AgentForm):
    """An agent as it is changed in the browser."""

    def __init__(self, formdata: FormData | None, agent: dict[str, Any]) -> None:
        super().__init__(formdata, agent)
        self.agent = agent
        sent: FormData = MultiDict() if formdata is None else formdata
        self.version = sent.get("version", type=int) if formdata is not None else agent.get("version")
        # The version the form was first loaded with: `version` moves on each time the changes of others are shown.
        self.began = sent.get("began", self.version, type=int)
        self.asked = frozenset(sent.getlist("choose"))
        given = {pointer: sent.get(choice_name(pointer), "") for pointer in self.asked}
        self.choices = {pointer: choice for pointer, choice in given.items() if choice in (MINE, THEIRS)}
        self.sides = SIDES
        self._shown = {pointer: sent.get(shown_name(pointer), "") for pointer in self.asked}
        self._contradicted: list[str] = []
        self.merge = Merge([], [], [])
        self.already_stored: list[str] = []
        self.unchosen: list[str] = []

    def compare(self, past: Past) -> None:
        """Find out what was changed here and what by others, since the version of `past`."""
        base, theirs = facts_of(past, self.agent)
        known = dict.fromkeys(past.secrets, SET) if base else dict.fromkeys(self.agent["secrets_set"], SET_SINCE)
        mine = self._facts(known)
        self.merge = agent_merge.merge(base, mine, theirs, self.asked)
        self.already_stored = [] if base is None or self.merge.mine or self.merge.both else _in_both(base, mine, theirs)
        # A choice was made between two values; where one of them is another by now, it must be made again.
        self.choices = {
            pointer: choice
            for pointer, choice in self.choices.items()
            if base is not None and agent_merge.is_same(pointer, base, theirs)
        }
        # What was typed since is in neither of the two: to choose theirs would lose it.
        chosen_theirs = [p for p in self.merge.both if self.choices.get(p) == THEIRS]
        self._contradicted = [p for p in chosen_theirs if self._is_typed(p) or self.digest(p) != self._shown[p]]
        for pointer in self._contradicted:
            del self.choices[pointer]

    def take_theirs(self) -> None:
        """Put what only others changed into the inputs, and begin from the stored version."""
        stored = AgentForm(agent=self.agent)
        kind = ConnectionType(stored.connection_type.text)
        if self.connection_type.text != kind.value:
            _copy(stored.panels[kind].inputs(), self.panels[kind].inputs())
        if CONNECTION in self.merge.theirs:
            self.connection_type.data = kind.value
        theirs, mine = by_pointer(stored), by_pointer(self)
        taken = [pointer for pointer in self.merge.theirs if pointer in theirs]
        _copy((theirs[pointer] for pointer in taken), (mine[pointer] for pointer in taken))
        self.version = self.agent["version"]

    def values(self) -> dict[str, Any]:
        """What was changed here; where others changed it too, what was chosen."""
        everything, pointers = super().values(), self._changes()
        config = everything.pop(CONFIG)
        if CONNECTION not in pointers:
            config = {name: value for name, value in config.items() if f"/{CONFIG}/{name}" in pointers}
        pointers += ["/connection_type"] if CONNECTION in pointers else []
        fixed = {name: value for name, value in everything.items() if f"/{name}" in pointers}
        return fixed | ({CONFIG: config} if config or CONNECTION in pointers else {})

    def submit(self, operation: Callable[[dict[str, Any]], Any]) -> bool:
        """The same, once every choice is made and every new secret is typed; else all problems at once."""
        self.unchosen = [pointer for pointer in self.merge.both if pointer not in self.choices]
        is_complete = not self.unchosen and not self._unfinished()
        return super().submit(operation if is_complete else self._refuse_incomplete)

    def problems(self) -> list[tuple[str | None, str]]:
        """Choices that were not made, then those of the form."""
        return [*((choice_name(p), self.choice_sentence(p)) for p in self.unchosen), *super().problems()]

    def choice_sentence(self, pointer: str) -> str:
        """What to do where no choice was made."""
        label, (mine, theirs) = self.label(pointer), self.sides
        if pointer not in self._contradicted:
            return f"{label}: choose which of the two is saved."
        what = "typed a new one below" if self._is_typed(pointer) else "the field below has another value"
        return f"{label}: you chose {theirs}, but {what}. Choose {mine} to save it."

    def digest(self, pointer: str) -> str:
        """Stands for what the fields have at this pointer; of secrets for what shall become of them."""
        acts = {p: field.act for p, field in _secrets(self).items()}
        value = agent_merge.at(pointer, agent_merge.facts(super().values(), acts))
        return sha256(json.dumps(value, default=str).encode()).hexdigest()

    def label(self, pointer: str) -> str:
        """What people call what is at this pointer."""
        field = self.connection_type if pointer == CONNECTION else by_pointer(self)[pointer]
        return field.spec.label

    def _changes(self) -> list[str]:
        return [*self.merge.mine, *(p for p in self.merge.both if self.choices.get(p) == MINE)]

    def _facts(self, known: Mapping[str, str]) -> Facts:
        secrets = {pointer: _known(field, known.get(pointer)) for pointer, field in _secrets(self).items()}
        return agent_merge.facts(super().values(), secrets)

    def _is_typed(self, pointer: str) -> bool:
        typed = {p for p, field in _secrets(self).items() if field.was_typed and not field.is_lost}
        return any(agent_merge.covers(pointer, p) for p in typed)

    def _unfinished(self) -> dict[str, Secret]:
        changes, wanted = self._changes(), {p for p, choice in self.choices.items() if choice == MINE}
        secrets = _secrets(self)
        blank = {p: field for p, field in secrets.items() if field.is_unfinished and {p, CONNECTION} & {*changes}}
        return blank | {p: secrets[p] for p in wanted & secrets.keys() if not secrets[p].is_given}

    def _refuse_incomplete(self, changes: dict[str, Any]) -> None:
        unfinished = {pointer: field.unfinished_sentence for pointer, field in self._unfinished().items()}
        problems = [*(unfinished | self._lost()).items()]
        try:
            schema.draft_of_changed(_values(self.agent), changes)
        except InvalidInput as refusal:
            problems += refusal.fields
        raise InvalidInput(problems)


def by_pointer(form: AgentForm) -> dict[str, Input]:
    """The inputs in sight, by the JSON pointers of what they change."""
    fixed = {f"/{field.short_name}": field for field in ConsoleForm.inputs(form)}
    panel = form.chosen.inputs() if form.chosen else ()
    return fixed | {f"/{CONFIG}/{field.short_name}": field for field in panel}


def facts_of(past: Past, agent: Mapping[str, Any]) -> tuple[Facts | None, Facts]:
    """What an agent was at an earlier version (None where that cannot be read), and what it is now."""
    changed_since = {pointer for change in past.later for pointer in change.secrets}
    unchanged = past.secrets - changed_since
    now = {pointer: SET if pointer in unchanged else SET_SINCE for pointer in agent["secrets_set"]}
    before = agent_merge.facts(past.values, dict.fromkeys(past.secrets, SET)) if past.values else None
    return before, agent_merge.facts(agent, now)


def _secrets(form: AgentForm) -> dict[str, Secret]:
    return {pointer: field for pointer, field in by_pointer(form).items() if isinstance(field, Secret)}


def _in_both(base: Facts, mine: Facts, theirs: Facts) -> list[str]:
    return [pointer for pointer in agent_merge.changed(base, mine) if agent_merge.is_same(pointer, mine, theirs)]


def _copy(sources: Iterable[Input], targets: Iterable[Input]) -> None:
    for source, target in zip(sources, targets, strict=True):
        target.data = source.data


def _values(agent: Mapping[str, Any]) -> dict[str, Any]:
    return {name: agent[name] for name in (*schema.FIELDS, CONFIG)}


def _known(field: Secret, before: str | None) -> str | None:
    if field.is_given:
        return REMOVED if field.act == "remove" else TYPED
    return TYPED if field.is_unfinished else before
