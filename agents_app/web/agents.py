"""The pages of agents: list, read, create, edit, delete, restore. `agent_acts.py` clones, enables and disables."""

from typing import Any
from uuid import UUID

from flask import Blueprint, redirect, render_template, request, url_for

from agents_app import refusals
from agents_app.config import settings
from agents_app.errors import Conflict, Malformed, NotFound, Stale
from agents_app.operations import agent_history, agent_reads, agents, external_ids, known_names, snapshots
from agents_app.operations.agent_history import PastVersion
from agents_app.operations.permissions import Actor
from agents_app.web import agent_list, connection_tests, readers, runtime_use, unsaved_form
from agents_app.web.conflict import EditConflict
from agents_app.web.connection_tests import FormTest
from agents_app.web.deleted_agents import not_found_response
from agents_app.web.forms.agents import AgentForm
from agents_app.web.forms.base import ConsoleForm
from agents_app.web.forms.edit_agent import EditForm
from agents_app.web.forms.noted_agent import NotedForm
from agents_app.web.forms.notes import DeleteForm
from agents_app.web.messages import show_once
from agents_app.web.sessions import Answer, current_actor, require_sign_in
from agents_app.web.urls import ListUrl, local_path, url_with_back

# Messages for a form that is sent again after it created an agent, by the code of the refusal.
ALREADY_CREATED = {
    "idempotency_key_reused": "This form already created an agent with other values.",
    "idempotency_changed": "This form already created an agent, which was changed since then.",
    "idempotency_deleted": "This form already created an agent, which was deleted since then.",
}
CREATED_EARLIER = "was created when this form was sent the first time. Nothing was stored now, and no new secrets."

pages = Blueprint("agents", __name__)
pages.before_request(require_sign_in)


@pages.get("/")
def home() -> Answer:
    """Redirect to the list of agents."""
    return redirect(url_for(".listing"), 303)


@pages.get("/agents")
def listing() -> Answer:
    """List the agents that the URL asks for."""
    return agent_list.page(current_actor(), ListUrl(request.args))


@pages.get("/agents/<uuid:agent_id>")
def show(agent_id: UUID) -> Answer:
    """Show one agent."""
    actor = current_actor()
    found = agent_reads.read_page(actor, agent_id, runtime_use.PERMISSION)
    # The result of the last test is on the page already.
    reasons = [reason for reason in found.reasons if reason["code"] != "test_failed"]
    use, names = runtime_use.use_of(actor, agent_id, reasons, found.admins), known_names.of_agent(found.agent)
    shown = {"form": AgentForm(agent=found.agent), "names": names, "reasons": reasons, "use": use}
    shown |= readers.of_agent(actor, agent_id)
    return agent_page("agents/show.html", found.agent, **shown)


@pages.route("/agents/new", methods=["GET", "POST"])
def new() -> Answer:
    """Create an agent."""
    actor = current_actor()
    actor.require("agents.create")
    list_url = ListUrl.from_back_parameter()
    if not unsaved_form.is_submitted():
        return render_template("agents/new.html", form=NotedForm(unsaved_form.restored_values()), list_url=list_url)
    form = NotedForm(request.form)
    if connection_tests.is_asked():
        test = connection_tests.run_new_form(actor, form)
        return render_template("agents/new.html", form=form, list_url=list_url, test=test), *test.status_and_headers
    try:
        is_created = form.save(lambda values: agents.create(actor, values, form.key))
    except Conflict as refusal:
        if refusal.code not in ALREADY_CREATED:
            raise
        is_created = form.offer_another(ALREADY_CREATED[refusal.code])
    if not is_created:
        return render_template("agents/new.html", form=form, list_url=list_url), 422
    agent_id, is_new, _ = form.result
    saved = "was created." if is_new else CREATED_EARLIER
    anchor = connection_tests.test_after_save(actor, agent_id, saved, name=form.name.text)
    return redirect(url_with_back(".show", agent_id=agent_id, _anchor=anchor), 303)


@pages.get("/agents/<uuid:agent_id>/edit")
def edit(agent_id: UUID) -> Answer:
    """Show the form of one agent."""
    actor = current_actor()
    actor.require("agents.update")
    agent = agent_reads.read(actor, agent_id)
    return _edit_page(actor, EditForm(None, agent))


@pages.post("/agents/<uuid:agent_id>/edit")
def save(agent_id: UUID) -> Answer:
    """Save an agent. If others changed it while the form was open, show both versions and ask which to save."""
    actor = current_actor()
    actor.require("agents.update")
    restored = unsaved_form.restored_values()
    try:
        agent = agent_reads.read(actor, agent_id)
    except NotFound as error:
        return not_found_response(error, EditForm(restored or request.form, {}))
    form = EditForm(restored or request.form, agent)
    if form.version is None:
        raise Malformed("The form arrived incomplete. Load the page again and repeat your changes.")
    form.compare(_version_at(actor, agent, form.version))
    has_conflict = form.version != agent["version"] and bool(form.merge.both or (form.merge.theirs and form.merge.mine))
    if restored or has_conflict:
        status = refusals.STATUS[Stale] if has_conflict and not restored else 200
        return _edit_page(actor, form, has_conflict=has_conflict), status
    if connection_tests.is_asked():
        test = connection_tests.run_edit_form(actor, form, agent_id)
        return _edit_page(actor, form, test=test), *test.status_and_headers
    try:
        is_saved = form.save(lambda changes: agents.update(actor, agent_id, changes, agent["version"]))
    except (NotFound, Stale):
        return save(agent_id)  # it was changed after it was read
    return _redirect_after_save(actor, form, agent_id) if is_saved else (_edit_page(actor, form), 422)


@pages.route("/agents/<uuid:agent_id>/delete", methods=["GET", "POST"])
def delete(agent_id: UUID) -> Answer:
    """Ask for confirmation, then delete an agent and offer to undo it."""
    actor = current_actor()
    actor.require("agents.delete")
    agent = agent_reads.read(actor, agent_id)
    form = DeleteForm(request.form if unsaved_form.is_submitted() else unsaved_form.restored_values())
    is_deleted = unsaved_form.is_submitted() and form.save(lambda values: agents.delete(actor, agent_id, None, values))
    if not is_deleted:
        page = ending_page("agents/delete.html", actor, agent, form, undo_days=settings().deleted_secrets_days)
        return page, 422 if unsaved_form.is_submitted() else 200
    show_once("was deleted.", name=agent["name"], undo=url_with_back(".restore_deleted", agent_id=agent_id))
    return redirect(str(ListUrl.from_back_parameter()), 303)


@pages.post("/agents/<uuid:agent_id>/restore")
def restore_deleted(agent_id: UUID) -> Answer:
    """Restore a deleted agent, and return to the page with the button."""
    actor = current_actor()
    try:
        name, text = agents.restore_deleted(actor, agent_id), "was restored."
    except (Conflict, NotFound) as refusal:
        if refusal.code in (snapshots.UNREADABLE, external_ids.REUSED_CODE):
            raise
        name, text = agent_reads.read(actor, agent_id)["name"], "is already restored. Nothing was changed."
    show_once(text, name=name, show=url_for(".show", agent_id=agent_id))
    if "next" in request.form:
        return redirect(local_path(request.form["next"]), 303)
    return redirect(str(ListUrl.from_back_parameter()), 303)


def agent_page(template: str, agent: dict[str, Any], **context: Any) -> str:
    """A page about this agent."""
    agent_url = url_with_back(".show", agent_id=agent["id"])
    list_url = ListUrl.from_back_parameter()
    return render_template(template, agent=agent, list_url=list_url, agent_url=agent_url, **context)


def ending_page(template: str, actor: Actor, agent: dict[str, Any], form: ConsoleForm, **context: Any) -> str:
    """A page that asks before runtimes can no longer fetch the agent. It says which of them fetched it lately."""
    return agent_page(template, agent, form=form, recent=readers.before_the_end(actor, [agent["id"]]), **context)


def _edit_page(actor: Actor, form: EditForm, *, has_conflict: bool = False, test: FormTest | None = None) -> str:
    if has_conflict:
        form.load_others_changes()
    shows_conflict = form.version == form.agent["version"] != form.loaded_version
    loaded = _version_at(actor, form.agent, form.loaded_version or 0)
    conflict = EditConflict(actor, form, loaded) if shows_conflict else None
    return agent_page("agents/edit.html", form.agent, form=form, conflict=conflict, test=test)


def _version_at(actor: Actor, agent: dict[str, Any], version: int) -> PastVersion:
    """The agent at this version. The current version needs no query."""
    if version == agent["version"]:
        return PastVersion(agent, frozenset(agent["secrets_set"]), [])
    return agent_history.changes_since(actor, agent["id"], version)


def _redirect_after_save(actor: Actor, form: EditForm, agent_id: UUID) -> Answer:
    name, show = form.values().get("name") or form.agent["name"], url_for(".show", agent_id=agent_id)
    if form.result:
        saved = "was saved."
    elif form.already_stored:
        saved = "already has the values that you typed. Nothing was changed."
    else:
        name = ""
        saved = "Nothing was changed, so the note was not stored." if form.note.text.strip() else "Nothing was changed."
    if anchor := connection_tests.test_after_save(actor, agent_id, saved, name=name, show=show):
        return redirect(url_with_back(".show", agent_id=agent_id, _anchor=anchor), 303)
    return redirect(str(ListUrl.from_back_parameter()) if "back" in request.values else show, 303)
