"""Badges: a word or two on a coloured ground, such as the status of an agent.

They are no macros, as a list has two in each row, and a call of a macro costs several times as much.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from flask import Flask
from markupsafe import Markup

from agents_app.values.choices import LAST_TEST_LABELS, AgentStatus, LastTest

NOT_TESTED = Markup('<span class="none">{}</span>').format(LAST_TEST_LABELS[LastTest.NEVER])
# A later release may know other outcomes.
LABELS: Mapping[str, str] = {outcome.value: label for outcome, label in LAST_TEST_LABELS.items()}
TEST_TONES: Mapping[str, str] = {LastTest.PASSED: "ok", LastTest.WARNING: "warn", LastTest.FAILED: "bad"}


def init_app(app: Flask) -> None:
    """Register these functions for templates."""
    app.jinja_env.globals.update(badge=badge)
    app.jinja_env.filters.update(status_badge=status_badge, test_badge=test_badge)


# Few differ. A text and markup with the same letters are not the same.
@lru_cache(maxsize=256, typed=True)
def badge(tone: str, text: str) -> Markup:
    """A badge with this text of ours, in the colours of this tone: ok, warn, bad or off."""
    return Markup('<span class="badge {}">{}</span>').format(tone, text)


def status_badge(status: str) -> Markup:
    """The badge of the status of an agent."""
    return badge("ok" if status == AgentStatus.ACTIVE else "off", status.capitalize())


def test_badge(test: Mapping[str, Any] | None) -> Markup:
    """The badge of the last test of an agent, or of a test of the form of a page."""
    if test is None:
        return NOT_TESTED
    return _test_badge(LastTest.OUT_OF_DATE if test["is_out_of_date"] else test["outcome"], test["is_sample"])


@lru_cache(maxsize=64)
def _test_badge(outcome: str, is_sample: bool) -> Markup:
    found = badge(TEST_TONES.get(outcome, "off"), LABELS.get(outcome, outcome))
    return found + badge("off", "Sample") if is_sample else found
