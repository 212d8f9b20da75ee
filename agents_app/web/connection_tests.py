"""The pages that test connections: the button of an agent's page, and the buttons of the form of an agent."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from flask import Blueprint, flash, redirect, request

from agents_app import refusals
from agents_app.errors import ConsoleError, Forbidden, NotFound, Throttled, Unavailable
from agents_app.operations import agent_reads, connection_tests, save_warnings
from agents_app.operations.permissions import Actor
from agents_app.values.choices import LastTest
from agents_app.web.forms.base import ConsoleForm
from agents_app.web.messages import show_once
from agents_app.web.sessions import Answer, current_actor, require_sign_in
from agents_app.web.urls import url_with_back

# The name of the form's buttons, and their values.
BUTTON, TEST, SAVE_AND_TEST = "do", "test", "save_and_test"
# The anchor of the result on the page of an agent.
ANCHOR = "test"
# How a test ended, and the tone of the message, by its outcome.
ENDINGS = {
    LastTest.PASSED: ("The test passed.", "ok"),
    LastTest.WARNING: ("The test passed with a warning.", "warn"),
    LastTest.FAILED: ("The test failed.", "bad"),
}

pages = Blueprint("connection_tests", __name__)
pages.before_request(require_sign_in)


@dataclass(frozen=True)
class FormTest:
    """A test of what a form contains: its result, or why it was refused. Without both, the form has errors."""

    result: dict[str, Any] | None = None
    refusal: refusals.Refusal | None = None

    @property
    def status_and_headers(self) -> tuple[int, dict[str, str]]:
        """The status of the page that shows the form again, and its headers."""
        if self.refusal is not None:
            return self.refusal.status, self.refusal.headers
        return (200 if self.result else 422), {}


@pages.post("/agents/<uuid:agent_id>/test")
def run(agent_id: UUID) -> Answer:
    """Test the saved state of an agent, and show its page with the result. A refusal is a message on that page."""
    actor = current_actor()
    try:
        connection_tests.run(actor, agent_id)
    except (Forbidden, NotFound):
        raise
    except ConsoleError as refusal:
        flash(f"The agent was not tested. {refusal.detail}", "bad")
    return redirect(url_with_back("web.agents.show", agent_id=agent_id, _anchor=ANCHOR), 303)


def is_asked() -> bool:
    """Whether the button Test of the form was pressed, which saves nothing."""
    return request.form.get(BUTTON) == TEST


def run_new_form(actor: Actor, form: ConsoleForm) -> FormTest:
    """Test the values of the form of a new agent."""
    return _run_form(form, lambda values: connection_tests.run_unsaved(actor, values))


def run_edit_form(actor: Actor, form: ConsoleForm, agent_id: UUID) -> FormTest:
    """Test an agent with the changes of its form, which are not saved."""
    return _run_form(form, lambda changes: connection_tests.run(actor, agent_id, changes))


def test_after_save(actor: Actor, agent_id: UUID, saved: str, **shown: str) -> str | None:
    """Test the agent that was just saved, if that was asked for, and show one message: `saved`, and how the test ended.

    `shown` is for the message. Returns the anchor of the page of the agent that shows the result, if it was tested.
    """
    is_asked = request.form.get(BUTTON) == SAVE_AND_TEST
    ending, tone = _tested(actor, agent_id) if is_asked else ("", "ok")
    show_once(f"{saved} {ending}".rstrip(), tone, **shown)
    for _, sentence in save_warnings.of_connection(agent_reads.read(actor, agent_id)):
        flash(sentence, "warn")
    return ANCHOR if is_asked else None


def _tested(actor: Actor, agent_id: UUID) -> tuple[str, str]:
    """A sentence that says how the test of a saved agent ended, and the tone of its message."""
    try:
        return ENDINGS[connection_tests.run(actor, agent_id)["outcome"]]
    except ConsoleError as refusal:
        return f"It was not tested. {refusal.detail}", "bad"


def _run_form(form: ConsoleForm, operation: Callable[[dict[str, Any]], Any]) -> FormTest:
    """Test the values of the form. If the operation refuses values, the form has the errors."""
    try:
        is_run = form.submit(operation)
    except (Throttled, Unavailable) as error:
        return FormTest(refusal=refusals.from_error(error))
    return FormTest(form.result if is_run else None)
