"""The rule of a filter that can have several values: each of them matches."""

from typing import Any

from agents_app.values.fields import Rule, is_empty, refusal
from agents_app.wording import number_text

MOST = 100


def several(one: Rule) -> Rule:
    """A list of up to MOST values, or a single one. Each has the rule `one`. A value that is repeated counts once."""

    def check(value: object) -> list[Any]:
        values = value if isinstance(value, list | tuple) else [value]
        if any(map(is_empty, values)):
            raise refusal("A value is empty. Write a value, or leave this filter out.")
        if len(values) > MOST:
            raise refusal(f"Use at most {number_text(MOST)} values. These are {number_text(len(values))}.")
        return sorted({one.check(each) for each in values})

    # An enum is described by its own schema.
    # A text with a format is never empty, and some generators take no length next to it.
    shortest = {} if "format" in one.schema else {"minLength": 1}
    items = {"items": {"type": "string", **shortest, **one.schema}} if one.schema else {}
    return Rule(check, {"maxItems": MOST, **items})
