"""The pages that clone, enable and disable an agent. They are part of the pages of `agents.py`."""

from uuid import UUID

from flask import flash, redirect, request

from agents_app import refusals
from agents_app.errors import Conflict, Stale
from agents_app.operations import agent_reads, agents
from agents_app.operations.permissions import Actor
from agents_app.web import unsaved_form
from agents_app.web.agents import ALREADY_CREATED, agent_page, ending_page, pages
from agents_app.web.forms.agents import UNSEEN_REASON, DisableForm
from agents_app.web.forms.notes import NoteForm
from agents_app.web.messages import show_once
from agents_app.web.sessions import Answer, current_actor
from agents_app.web.urls import url_with_back

__all__ = ["pages"]

CLONED_BEFORE = "This page already created a clone, which was changed or deleted since. Clone again to create another."


@pages.route("/agents/<uuid:agent_id>/clone", methods=["GET", "POST"])
def clone(agent_id: UUID) -> Answer:
    """Ask for a note, or create a copy of an agent and show it. A button without a question sends no note."""
    actor = current_actor()
    actor.require("agents.clone")
    if not unsaved_form.is_submitted():
        return _note_page("agents/clone.html", actor, agent_id, NoteForm(unsaved_form.restored_values()))
    form = NoteForm(request.form)
    try:
        is_cloned = form.save(lambda values: agents.clone(actor, agent_id, form.key, values))
    except Conflict as refusal:
        if refusal.code not in ALREADY_CREATED:
            raise
        flash(CLONED_BEFORE, "bad")
        return redirect(url_with_back(".show", agent_id=agent_id), 303)
    if not is_cloned:
        return _note_page("agents/clone.html", actor, agent_id, form), 422
    show_once("This is the clone. It is active and has the same secrets.")
    return redirect(url_with_back(".show", agent_id=form.result[0]), 303)


@pages.route("/agents/<uuid:agent_id>/enable", methods=["GET", "POST"])
def enable(agent_id: UUID) -> Answer:
    """Ask for a note, or enable an agent, so that runtimes can fetch it again. A button sends no note."""
    actor = current_actor()
    actor.require("agents.enable")
    if not unsaved_form.is_submitted():
        return _note_page("agents/enable.html", actor, agent_id, NoteForm(unsaved_form.restored_values()))
    form = NoteForm(request.form)
    if not form.save(lambda values: agents.enable(actor, agent_id, None, values)):
        return _note_page("agents/enable.html", actor, agent_id, form), 422
    done = "The agent is active: runtimes can fetch it."
    show_once(done if form.result else "Nothing was changed: it is active already.")
    return redirect(url_with_back(".show", agent_id=agent_id), 303)


@pages.route("/agents/<uuid:agent_id>/disable", methods=["GET", "POST"])
def disable(agent_id: UUID) -> Answer:
    """Ask for a reason, then disable an agent, so that runtimes cannot fetch it."""
    actor = current_actor()
    actor.require("agents.disable")
    agent = agent_reads.read(actor, agent_id)
    if not unsaved_form.is_submitted():
        return ending_page("agents/disable.html", actor, agent, DisableForm(unsaved_form.restored_values()))
    form = DisableForm(request.form)
    if form.is_outdated(agent):
        form.general_errors.append(UNSEEN_REASON)
        return ending_page("agents/disable.html", actor, agent, form), refusals.STATUS[Conflict]
    try:
        is_saved = form.save(lambda values: agents.disable(actor, agent_id, values, agent["version"]))
    except Stale:
        return disable(agent_id)  # it was changed after it was read
    if not is_saved:
        return ending_page("agents/disable.html", actor, agent, form), 422
    show_once(form.success_message)
    return redirect(url_with_back(".show", agent_id=agent_id), 303)


def _note_page(template: str, actor: Actor, agent_id: UUID, form: NoteForm) -> str:
    return agent_page(template, agent_reads.read(actor, agent_id), form=form)
