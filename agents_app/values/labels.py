"""Reads labels: pairs of a name and a value, by which people group agents."""

import re
from collections.abc import Mapping

from agents_app.values import limits
from agents_app.values.fields import Rule, refusal
from agents_app.values.text import clean_text, require_text
from agents_app.wording import number_text

NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._/-]*[A-Za-z0-9])?")
A_NAME = f"The name of a label has at most {limits.LABEL_NAME} letters, digits and . _ / - inside, such as cost-center."
A_PAIR = "Write each label as name=value, such as team=finance."
A_FILTER = "Write name or name:value, such as team:finance."


def label_pairs() -> Rule:
    """An object of labels. A list of texts `name=value` is accepted, as forms and the terminal send it."""
    schema = {
        "maxProperties": limits.LABELS,
        "propertyNames": {"pattern": f"^{NAME.pattern}$", "maxLength": limits.LABEL_NAME},
        "additionalProperties": {"type": "string", "minLength": 1, "maxLength": limits.LABEL_VALUE},
    }
    return Rule(_check, schema)


def label_filter() -> Rule:
    """The name of a label, or a name and a value as `name:value` or `name=value`."""

    def check(value: object) -> str:
        name, separator, text = _split(require_text(value), "[:=]")
        if not _is_name(name):
            raise refusal(f"{A_FILTER} {A_NAME}")
        return f"{name}:{_value(name, text)}" if separator else name

    return Rule(check, {"maxLength": limits.LABEL_NAME + 1 + limits.LABEL_VALUE})


def _check(value: object) -> dict[str, str]:
    if isinstance(value, list):
        value = _pairs(value)
    if not isinstance(value, Mapping):
        raise refusal("Write this as an object.")
    if len(value) > limits.LABELS:
        raise refusal(f"Use at most {number_text(limits.LABELS)} labels.")
    if not all(map(_is_name, value)):
        raise refusal(A_NAME)
    return {name: _value(name, text) for name, text in value.items()}


def _pairs(texts: list[object]) -> dict[str, str]:
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
