"""What the page shows where an agent was changed while its form was open: before, in this form, and stored now."""

from dataclasses import dataclass
from functools import cached_property

from agents_app.operations import agent_merge
from agents_app.operations.agent_history import Change, PastVersion
from agents_app.operations.agent_merge import CONNECTION
from agents_app.operations.permissions import Actor
from agents_app.operations.token_owners import who
from agents_app.schemas.agents import API_KEY, CONFIG
from agents_app.values.text_comparison import Kind, Part
from agents_app.web.differences import SECRET_CHANGES, changed_words, secret_in_form, text_of
from agents_app.web.forms.agents import AgentForm
from agents_app.web.forms.edit_agent import EditForm, choice_name, facts_before_and_now, inputs_by_pointer, shown_name
from agents_app.web.forms.secret_input import Secret

NAMES_MAX = 3
CHANGES_MAX = 5
OWN_SIDES = ("This form", "Stored now")
REMOVED_SECRET = "no longer stored. To save it, type it below."


@dataclass(frozen=True)
class Difference:
    """A field whose values differ. `before` is None where the version that the form loaded cannot be read."""

    pointer: str
    label: str
    before: str | None
    mine: str
    theirs: str
    is_long: bool

    @property
    def my_words(self) -> list[Part]:
        """My long text, with what I changed in the value before. Empty where the two have nothing in common."""
        return [] if self.compares_sides else self._words[0]

    @property
    def their_words(self) -> list[Part]:
        """Their long text, with what they changed in the value before, or with how it differs from mine."""
        return self._words[2 if self.compares_sides else 1]

    @property
    def compares_sides(self) -> bool:
        """Whether the two new texts have more in common with each other than with the value before."""
        mine, theirs, each_other = map(_shared_length, self._words)
        return self.mine != self.theirs and each_other > max(mine, theirs)

    @cached_property
    def _words(self) -> tuple[list[Part], list[Part], list[Part]]:
        if self.pointer == CONNECTION or not self.is_long:
            return [], [], []
        pairs = (self.before, self.mine), (self.before, self.theirs), (self.mine, self.theirs)
        mine, theirs, each_other = (_compared(*pair) for pair in pairs)
        return mine, theirs, each_other

    @property
    def choice(self) -> str:
        """The name of the radio buttons."""
        return choice_name(self.pointer)

    @property
    def shown(self) -> str:
        """The name of the hidden input with a digest of the value for which the choice is offered."""
        return shown_name(self.pointer)


def _compared(before: str | None, after: str) -> list[Part]:
    parts = changed_words(before, after) if before and after else []
    return parts if _shared_length(parts) else []


def _shared_length(parts: list[Part]) -> int:
    return sum(len(part.text) for part in parts if part.kind in (Kind.SAME, Kind.FOLDED))


class EditConflict:
    """The changes of others since the form was loaded, and the changes made in the form."""

    def __init__(self, actor: Actor, form: EditForm, loaded: PastVersion) -> None:
        self.later = loaded.later
        self.others = list(
            dict.fromkeys(who(one.actor_name, one.token_owner) for one in loaded.later if not one.is_by(actor))
        )
        self.is_own = bool(self.later) and not self.others
        if self.is_own:
            form.sides = OWN_SIDES
        self._form, self._loaded = form, loaded
        self._stored = AgentForm(agent=form.agent)
        secrets: dict[str, dict[str, str]] = {pointer: {} for pointer in loaded.secrets}
        self._before = AgentForm(agent={**loaded.values, "secrets_set": secrets}) if loaded.values else None
        self.both = [self._difference(pointer) for pointer in form.merge.both]
        self.mine = [self._difference(pointer) for pointer in form.merge.mine]
        before, now = facts_before_and_now(loaded, form.agent)
        theirs = agent_merge.changed(before, now) if before else []
        shown = {*form.merge.both, *form.merge.mine}
        # Where the choice is between whole connections, it includes their fields.
        parts = ("/connection_type", f"/{CONFIG}/") if CONNECTION in shown else ()
        others = [pointer for pointer in theirs if pointer not in shown and not pointer.startswith(parts)]
        self.theirs = [self._difference(pointer) for pointer in others]

    @property
    def heading(self) -> str:
        """The heading, which says who changed the agent."""
        if self.is_own:
            return "You changed this agent in another tab, or sent this form twice"
        if len(self.others) > NAMES_MAX:
            return f"{len(self.others)} others changed this agent while you edited it"
        names = " and ".join(filter(None, [", ".join(self.others[:-1]), *self.others[-1:]]))
        return f"{names} changed this agent while you edited it" if names else "This agent changed while you edited it"

    @property
    def last_changes(self) -> list[Change]:
        """The latest changes, newest first."""
        return self.later[: -CHANGES_MAX - 1 : -1]

    def _difference(self, pointer: str) -> Difference:
        field = inputs_by_pointer(self._form).get(pointer) or inputs_by_pointer(self._stored).get(pointer)
        label = "Connection" if field is None else field.spec.label
        texts = self._texts_of_secret(pointer, field) if isinstance(field, Secret) else self._texts(pointer)
        return Difference(pointer, label, *texts, pointer == CONNECTION or (field is not None and field.kind == "area"))

    def _texts(self, pointer: str) -> tuple[str | None, str, str]:
        before = text_of(self._before, pointer) if self._before else None
        removed = self._removed_secrets() if pointer == CONNECTION else []
        return before, "\n".join([text_of(self._form, pointer), *removed]), text_of(self._stored, pointer)

    def _removed_secrets(self) -> list[str]:
        """The secrets of this connection that were removed because others chose another type."""
        secrets = {p: field for p, field in inputs_by_pointer(self._form).items() if isinstance(field, Secret)}
        of_connection = self._loaded.secrets - {API_KEY}
        removed = [field for p, field in secrets.items() if p in of_connection and field.facts is None]
        return [f"{field.spec.label}: {REMOVED_SECRET}" for field in removed if not field.is_given]

    def _texts_of_secret(self, pointer: str, field: Secret) -> tuple[str | None, str, str]:
        before = "Stored" if pointer in self._loaded.secrets else ""
        mine = secret_in_form(field)
        changes = [change.secrets[pointer] for change in self.later if pointer in change.secrets]
        is_set = pointer in self._form.agent["secrets_set"]
        theirs = SECRET_CHANGES.get(changes[-1], "Changed") if changes else "Stored" if is_set else "Removed"
        return before if self._before else None, mine, theirs
