"""What a valid check of a runtime is: for each agent, the ETag that the runtime has."""

from collections.abc import Iterator, Mapping
from typing import Annotated

from pydantic_core import PydanticCustomError

from agents_app.values import limits
from agents_app.values.fields import Rule, Schema, field, refusal, refusal_of_members
from agents_app.values.text import clean_text, require_text
from agents_app.wording import number_text

AN_OBJECT = 'Write this as an object with an ETag for each agent, such as {"crm-reports-17": null}.'


def known_tags() -> Rule:
    """An object with an ETag, or null, for the id or the external id of each agent. Each is refused at its own name."""
    schema = {
        "minProperties": 1,
        "maxProperties": limits.CHECKED_AGENTS,
        "propertyNames": {"minLength": 1, "maxLength": limits.EXTERNAL_ID},
        "additionalProperties": {"type": ["string", "null"], "maxLength": limits.ETAG},
    }
    return Rule(_check, schema)


def _check(value: object) -> Mapping[str, object]:
    if not isinstance(value, Mapping):
        raise refusal(AN_OBJECT)
    if not value:
        raise refusal("Name at least one agent.")
    problems: list[tuple[str | None, PydanticCustomError]] = [*_problems(value)]
    if len(value) > limits.CHECKED_AGENTS:
        problems.insert(
            0, (None, refusal(f"Check at most {number_text(limits.CHECKED_AGENTS)} agents in one request."))
        )
    if problems:
        raise refusal_of_members(problems)
    return value


def _problems(agents: Mapping[str, object]) -> Iterator[tuple[str, PydanticCustomError]]:
    for key, tag in agents.items():
        try:
            if not clean_text(key, most=limits.EXTERNAL_ID, one_line=True):
                raise refusal("Write the id or the external id of an agent.")
        except PydanticCustomError as problem:
            yield key, problem
        if tag is None:
            continue
        try:
            if len(require_text(tag)) > limits.ETAG:
                raise refusal(f"An ETag has at most {number_text(limits.ETAG)} characters.")
        except PydanticCustomError as problem:
            yield key, problem


class CheckValues(Schema):
    """The agents that a runtime checks."""

    agents: Annotated[dict[str, str | None], known_tags()] = field(
        "Agents",
        "For each agent, by its id or else by its external_id, the ETag of its working configuration that the "
        + "runtime has. Null if it has none.",
        missing=AN_OBJECT,
    )
