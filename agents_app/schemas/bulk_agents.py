"""What a valid bulk act is: one act on many agents. Each act has its own schema, with the members that it needs."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any, ClassVar
from uuid import UUID

from pydantic_core import PydanticCustomError

from agents_app.errors import InvalidInput
from agents_app.schemas.change_notes import note_text
from agents_app.values import limits
from agents_app.values.choices import ENVIRONMENT_LABELS, Environment
from agents_app.values.fields import EDGES, Rule, Schema, field, normalise, parse, refusal, refusal_of_members
from agents_app.values.labels import label_changes
from agents_app.values.rules import choice, line, uuid_text
from agents_app.values.secret_scanner import find_in_values
from agents_app.wording import number_text

IDS_MAX = 1_000
# A test takes up to ten seconds, and a request must not take minutes.
TESTS_MAX = 20
NULL, ABSENT, EMPTY = "null", "Send this member.", "It is empty."


class BulkAct(StrEnum):
    """What can be done with many agents at once."""

    ENABLE = "enable"
    DISABLE = "disable"
    DELETE = "delete"
    SET_OWNER = "set_owner"
    SET_ENVIRONMENT = "set_environment"
    SET_LABELS = "set_labels"
    TEST = "test"


def _too_many(most: int, number: int) -> str:
    return f"Use at most {number_text(most)} agents at once. These are {number_text(number)}."


def require_number(number: int) -> None:
    """Refuse more agents than one act can have. Raises InvalidInput."""
    if number > IDS_MAX:
        raise InvalidInput([("/ids", _too_many(IDS_MAX, number))])


def agent_ids(most: int) -> Rule:
    """A list of up to `most` ids. An id that is repeated counts once. Each wrong one is refused at its place."""
    check_one = uuid_text().check

    def check(value: object) -> list[str]:
        if not isinstance(value, list):
            raise refusal("Write this as a list of ids.")
        problems: list[tuple[str, PydanticCustomError]] = []
        found: dict[str, None] = {}
        for place, text in enumerate(value):
            try:
                found[check_one(str(text) if isinstance(text, UUID) else text)] = None
            except PydanticCustomError as broken:
                problems.append((str(place), broken))
        if problems:
            raise refusal_of_members(problems)
        if not found:
            raise refusal("Choose at least one agent.")
        if len(found) > most:
            raise refusal(_too_many(most, len(found)))
        return list(found)

    return Rule(check, {"minItems": 1, "maxItems": most})


class BulkValues(Schema):
    """An act on many agents."""

    NULLABLE: ClassVar[tuple[str, ...]] = ()
    """The members that must be sent, although they can be null."""

    act: Annotated[BulkAct, choice(BulkAct)] = field("Act", missing=f"Choose one of: {', '.join(BulkAct)}.")
    ids: Annotated[list[UUID], agent_ids(IDS_MAX)] = field(
        "Agents", "The ids of the agents.", missing="Choose at least one agent."
    )


class BulkChange(BulkValues):
    """A change of many agents."""

    note: Annotated[str | None, note_text()] = field(
        "Note", "Why you make this change. The history of each agent shows it.", default=None
    )


class BulkEnable(BulkChange):
    """Enable agents."""


class BulkDelete(BulkChange):
    """Delete agents."""


class BulkDisable(BulkChange):
    """Disable agents."""

    reason: Annotated[str, note_text(limits.STATUS_REASON)] = field(
        "Reason",
        "Shown to runtimes that fetch one of the agents, and in the history of each.",
        missing="Say why the agents are disabled.",
        json_hint="Shown to runtimes that fetch one of the agents. Without a note, the history shows it as the note.",
    )


class BulkOwner(BulkChange):
    """Set the owner of agents. Null removes it."""

    NULLABLE = ("owner",)

    owner: Annotated[str | None, line(limits.OWNER)] = field(
        "Owner",
        "The person or team that is responsible for the agents.",
        default=None,
        json_hint="The person or team that is responsible for the agents. Null removes the owner.",
    )


class BulkEnvironment(BulkChange):
    """Set the environment of agents. Null removes it."""

    NULLABLE = ("environment",)

    environment: Annotated[Environment | None, choice(Environment)] = field(
        "Environment", default=None, labels=ENVIRONMENT_LABELS, json_hint="Null removes the environment."
    )


class BulkLabels(BulkChange):
    """Add, replace and remove labels of agents. Labels that are not named are kept."""

    labels: Annotated[dict[str, str | None], label_changes()] = field(
        "Labels",
        "One per line. team=finance adds or replaces a label, team= removes it. All other labels are kept.",
        missing="Write at least one label.",
        json_hint="A text adds or replaces a label, null removes it. Labels that are not named are kept.",
    )


class BulkTest(BulkValues):
    """Test agents."""

    ids: Annotated[list[UUID], agent_ids(TESTS_MAX)] = field(
        "Agents", "The ids of the agents.", missing="Choose at least one agent."
    )


SCHEMAS: dict[BulkAct, type[BulkValues]] = {
    BulkAct.ENABLE: BulkEnable,
    BulkAct.DISABLE: BulkDisable,
    BulkAct.DELETE: BulkDelete,
    BulkAct.SET_OWNER: BulkOwner,
    BulkAct.SET_ENVIRONMENT: BulkEnvironment,
    BulkAct.SET_LABELS: BulkLabels,
    BulkAct.TEST: BulkTest,
}
# The field of an agent that an act sets.
FIELDS = {BulkAct.SET_OWNER: "owner", BulkAct.SET_ENVIRONMENT: "environment", BulkAct.SET_LABELS: "labels"}
# The field that an act removes if it is null. An empty text is refused: it may have been forgotten.
REMOVABLE: dict[BulkAct | None, str] = {act: name for act, name in FIELDS.items() if name in SCHEMAS[act].NULLABLE}


def is_blank(value: object) -> bool:
    """Whether this is a text without content."""
    return isinstance(value, str) and not value.strip(EDGES)


def act_of(values: Mapping[str, Any]) -> BulkAct | None:
    """The act that the values name. None if they name none."""
    text = values.get("act")
    found = text.strip(EDGES) if isinstance(text, str) else ""
    return BulkAct(found) if found in list(BulkAct) else None


def require_valid(act: BulkAct, values: Mapping[str, Any]) -> None:
    """Refuse the values of an act before its agents are known. Raises InvalidInput with every broken rule."""
    read({**values, "act": act, "ids": [UUID(int=0)]})


def secret_warnings(values: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What looks like a secret in the values of an act, which are all public: the JSON pointer of each, and a sentence.

    A sentence never repeats what was found.
    """
    public = {name: value for name, value in values.items() if name not in BulkValues.model_fields}
    if "labels" in public:
        # Forms and the terminal send lines, which do not say which label they are.
        public["labels"] = normalise(BulkLabels, "labels", public["labels"])
    return list(find_in_values(public))


def read(values: Mapping[str, Any]) -> BulkValues:
    """The bulk act of these values. Raises InvalidInput with every broken rule."""
    act = act_of(values)
    if act is None:
        # Without an act, it is not known which other members are needed.
        return parse(BulkValues, {name: values[name] for name in ("act", "ids") if name in values})
    schema = SCHEMAS[act]
    absent = [
        (f"/{name}", f"{EMPTY if name in values else ABSENT} {NULL} removes the {name} of the agents.")
        for name in schema.NULLABLE
        if is_blank(values.get(name, ""))
    ]
    try:
        found = parse(schema, values)
    except InvalidInput as refused:
        raise InvalidInput([*refused.fields, *absent]) from None
    if absent:
        raise InvalidInput(absent)
    return found
