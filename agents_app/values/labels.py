"""Reads labels: pairs of a name and a value, by which people group agents."""

import re
from collections.abc import Iterator, Mapping

from pydantic_core import PydanticCustomError

from agents_app.values import limits
from agents_app.values.fields import Rule, refusal, refusal_of_members
from agents_app.values.text import clean_text, require_text
from agents_app.wording import number_text

NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._/-]*[A-Za-z0-9])?")
A_NAME = f"The name of a label has at most {limits.LABEL_NAME} letters, digits and . _ / - inside, such as cost-center."
AN_OBJECT = 'Write this as an object, such as {"team": "finance"}.'
A_PAIR = "Write each label as name=value, such as team=finance."
A_FILTER = "Write name or name:value, such as team:finance."


class LabelLines(list[str]):
    """Labels as texts `name=value`, as forms and the terminal have them. In JSON, labels are an object."""


def label_pairs() -> Rule:
    """An object of labels, or LabelLines. Each label with a broken rule is refused at its own name."""
    schema = {
        "maxProperties": limits.LABELS,
        "propertyNames": {"pattern": f"^{NAME.pattern}$", "maxLength": limits.LABEL_NAME},
        "additionalProperties": {"type": "string", "minLength": 1, "maxLength": limits.LABEL_VALUE},
    }
    return Rule(_check, schema)


def label_changes() -> Rule:
    """An object of labels to add or replace, in which null removes a label; or LabelLines, where `name=` removes it."""
    value = {"type": ["string", "null"], "minLength": 1, "maxLength": limits.LABEL_VALUE}
    return Rule(_check_changes, {**label_pairs().schema, "minProperties": 1, "additionalProperties": value})


def label_filter() -> Rule:
    """The name of a label, or a name and a value as `name:value` or `name=value`."""

    def check(value: object) -> str:
        name, separator, text = _split(require_text(value), "[:=]")
        if not _is_name(name):
            raise refusal(f"{A_FILTER} {A_NAME}")
        return f"{name}:{_value(name, text)}" if separator else name

    return Rule(check, {"maxLength": limits.LABEL_NAME + 1 + limits.LABEL_VALUE})


def _check(value: object) -> dict[str, str]:
    if isinstance(value, LabelLines):
        value = _pairs(value)
    if not isinstance(value, Mapping):
        raise refusal(AN_OBJECT)
    if len(value) > limits.LABELS:
        raise refusal(f"Use at most {number_text(limits.LABELS)} labels.")
    if problems := list(_problems(value)):
        raise refusal_of_members(problems)
    return {name: _value(name, text) for name, text in value.items()}


def _check_changes(value: object) -> dict[str, str | None]:
    if isinstance(value, LabelLines):
        value = {name: text if text.strip() else None for name, text in _pairs(value).items()}
    if not isinstance(value, Mapping):
        raise refusal(AN_OBJECT)
    if not value:
        raise refusal("Write at least one label.")
    if len(value) > limits.LABELS:
        raise refusal(f"Use at most {number_text(limits.LABELS)} labels.")
    texts = {name: "removed" if text is None else text for name, text in value.items()}
    if problems := list(_problems(texts)):
        raise refusal_of_members(problems)
    return {name: None if text is None else _value(name, text) for name, text in value.items()}


def _problems(labels: Mapping[str, object]) -> Iterator[tuple[str, PydanticCustomError]]:
    for name, text in labels.items():
        if not _is_name(name):
            yield name, refusal(A_NAME)
            continue
        try:
            _value(name, text)
        except PydanticCustomError as broken:
            yield name, broken


def _pairs(texts: LabelLines) -> dict[str, str]:
    found: dict[str, str] = {}
    for text in texts:
        name, separator, value = _split(require_text(text), "=")
        if not separator:
            raise refusal(A_PAIR)
        if name in found:
            raise refusal("Write each label once.")
        found[name] = value
    return found


def _split(text: str, separators: str) -> tuple[str, str, str]:
    name, separator, value = (*re.split(f"({separators})", text, maxsplit=1), "", "")[:3]
    return name.strip(), separator, value


def _is_name(text: str) -> bool:
    return len(text) <= limits.LABEL_NAME and NAME.fullmatch(text) is not None


def _value(name: str, value: object) -> str:
    text = clean_text(value, most=limits.LABEL_VALUE, one_line=True)
    if not text:
        raise refusal(f"Write a value for the label {name}, or remove the label.")
    return text
