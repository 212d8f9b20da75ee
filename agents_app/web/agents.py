"""The pages of agents: list, one, new, edit, and the acts on one."""

from typing import Any
from uuid import UUID

from flask import Blueprint, flash, redirect, render_template, request, url_for

from agents_app import refusals
from agents_app.config import settings
from agents_app.errors import Conflict, InvalidInput, Malformed, NotFound, Stale
from agents_app.operations import agent_history, agent_reads, agents, snapshots
from agents_app.operations.agent_history import Past
from agents_app.operations.permissions import Actor
from agents_app.schemas import listing as list_schema
from agents_app.web import unsaved_form
from agents_app.web.addresses import ListAddress, with_back
from agents_app.web.conflict import EditConflict
from agents_app.web.forms.agents import AgentForm, DisableForm
from agents_app.web.forms.base import ConsoleForm, FormData
from agents_app.web.forms.edit_agent import EditForm
from agents_app.web.sessions import Answer, current_actor, require_sign_in

ROWS = 20
# Why the form of a new agent, sent again, finds no agent as it was made, by the code of the refusal.
MADE_BEFORE = {
    "idempotency_key_reused": "An agent was already made from this form, with other content.",
    "idempotency_changed": "An agent was already made from this form, and was changed since.",
    "idempotency_deleted": "An agent was already made from this form, and was deleted since.",
}
REPEATED = "was created by the first sending of this form. This sending stored nothing, and no new secrets either."

pages = Blueprint("agents", __name__)
pages.before_request(require_sign_in)


@pages.get("/")
def home() -> Answer:
    """The first page there is to see."""
    return redirect(url_for(".listing"), 303)


@pages.get("/agents")
def listing() -> Answer:
    """The agents that the address asks for."""
    address = ListAddress(request.args)
    try:
        query = list_schema.parse({"limit": ROWS, **address.asked})
        page, counts = agent_reads.listing_with_counts(current_actor(), query)
    except (InvalidInput, Malformed) as error:
        refusal = refusals.from_error(error)
        sentences = [sentence for _, sentence in refusal.fields] or [refusal.detail]
        return render_template("agents/list_refused.html", sentences=sentences), refusal.status
    return render_template("agents/list.html", address=address, query=query, page=page, counts=counts)


@pages.get("/agents/<uuid:agent_id>")
def show(agent_id: UUID) -> Answer:
    """One agent, to read."""
    agent = agent_reads.read(current_actor(), agent_id)
    return _agent_page("agents/show.html", agent, form=AgentForm(agent=agent))


@pages.route("/agents/new", methods=["GET", "POST"])
def new() -> Answer:
    """A new agent."""
    actor = current_actor()
    actor.require("agents.create")
    list_address = ListAddress.came_from()
    if not unsaved_form.is_sent():
        return render_template("agents/new.html", form=AgentForm(unsaved_form.typed()), list_address=list_address)
    form = AgentForm(request.form)
    try:
        is_made = form.submit(lambda values: agents.create(actor, values, form.key))
    except Conflict as refusal:
        if refusal.code not in MADE_BEFORE:
            raise
        is_made = form.begin_another(MADE_BEFORE[refusal.code])
    if not is_made:
        return render_template("agents/new.html", form=form, list_address=list_address), 422
    agent_id, is_new = form.result
    _say("was created." if is_new else REPEATED, form.name.text)
    return redirect(with_back(".show", agent_id=agent_id), 303)


@pages.get("/agents/<uuid:agent_id>/edit")
def edit(agent_id: UUID) -> Answer:
    """One agent, to change."""
    actor = current_actor()
    actor.require("agents.update")
    agent = agent_reads.read(actor, agent_id)
    return _edit_page(actor, EditForm(None, agent))


@pages.post("/agents/<uuid:agent_id>/edit")
def save(agent_id: UUID) -> Answer:
    """Change an agent; where it was changed while the form was open, show both and ask again."""
    actor = current_actor()
    actor.require("agents.update")
    before = unsaved_form.typed()
    try:
        agent = agent_reads.read(actor, agent_id)
    except NotFound:
        return _deleted(actor, agent_id, before or request.form)
    form = EditForm(before or request.form, agent)
    if form.version is None:
        raise Malformed("The form came in incomplete. Load the page again and repeat your changes.")
    form.compare(_past(actor, agent, form.version))
    has_news = form.version != agent["version"] and bool(form.merge.both or (form.merge.theirs and form.merge.mine))
    if before or has_news:
        return _edit_page(actor, form, has_news=has_news), refusals.STATUS[Stale] if has_news and not before else 200
    try:
        is_taken = form.submit(lambda changes: agents.update(actor, agent_id, changes, agent["version"]))
    except (NotFound, Stale):
        return save(agent_id)  # it was changed between the read and the write
    return _saved(form, agent_id) if is_taken else (_edit_page(actor, form), 422)


@pages.post("/agents/<uuid:agent_id>/clone")
def clone(agent_id: UUID) -> Answer:
    """Make a copy, and lead to it."""
    form = ConsoleForm(request.form)
    try:
        copy_id, _ = agents.clone(current_actor(), agent_id, form.key)
    except Conflict as refusal:
        if refusal.code not in MADE_BEFORE:
            raise
        flash(
            "A copy was made from this page before, and was changed or deleted since. Clone again to make another.",
            "bad",
        )
        return redirect(with_back(".show", agent_id=agent_id), 303)
    _say("This is the copy. It is active and has the same secrets.")
    return redirect(with_back(".show", agent_id=copy_id), 303)


@pages.post("/agents/<uuid:agent_id>/enable")
def enable(agent_id: UUID) -> Answer:
    """Let runtimes fetch the agent again."""
    is_changed = agents.enable(current_actor(), agent_id)
    _say("The agent is active: runtimes can fetch it." if is_changed else "Nothing was changed: it is active already.")
    return redirect(with_back(".show", agent_id=agent_id), 303)


@pages.route("/agents/<uuid:agent_id>/disable", methods=["GET", "POST"])
def disable(agent_id: UUID) -> Answer:
    """Ask why, then keep runtimes from fetching the agent."""
    actor = current_actor()
    actor.require("agents.disable")
    agent = agent_reads.read(actor, agent_id)
    if not unsaved_form.is_sent():
        return _agent_page("agents/disable.html", agent, form=DisableForm(unsaved_form.typed()))
    form = DisableForm(request.form)
    if form.refuse_unseen(agent):
        return _agent_page("agents/disable.html", agent, form=form), refusals.STATUS[Conflict]
    try:
        is_taken = form.submit(lambda values: agents.disable(actor, agent_id, values, agent["version"]))
    except Stale:
        return disable(agent_id)  # it was changed between the read and the write
    if not is_taken:
        return _agent_page("agents/disable.html", agent, form=form), 422
    _say(form.done)
    return redirect(with_back(".show", agent_id=agent_id), 303)


@pages.route("/agents/<uuid:agent_id>/delete", methods=["GET", "POST"])
def delete(agent_id: UUID) -> Answer:
    """Ask once more, then remove the agent and offer to undo it."""
    actor = current_actor()
    actor.require("agents.delete")
    agent = agent_reads.read(actor, agent_id)
    if not unsaved_form.is_sent():
        return _agent_page("agents/delete.html", agent, undo_days=settings().deleted_secrets_days)
    agents.delete(actor, agent_id)
    _say("was deleted.", agent["name"], undo=with_back(".restore_deleted", agent_id=agent_id))
    return redirect(str(ListAddress.came_from()), 303)


@pages.post("/agents/<uuid:agent_id>/restore")
def restore_deleted(agent_id: UUID) -> Answer:
    """Undo a deletion."""
    try:
        agents.restore_deleted(current_actor(), agent_id)
        _say("The agent is back, as it was.", show=url_for(".show", agent_id=agent_id))
    except Conflict as refusal:
        if refusal.code == snapshots.UNREADABLE:
            raise
        _say("The agent is there already.", show=url_for(".show", agent_id=agent_id))
    return redirect(str(ListAddress.came_from()), 303)


def _agent_page(template: str, agent: dict[str, Any], **context: Any) -> str:
    here_to_read = with_back(".show", agent_id=agent["id"])
    list_address = ListAddress.came_from()
    return render_template(template, agent=agent, list_address=list_address, here_to_read=here_to_read, **context)


def _edit_page(actor: Actor, form: EditForm, *, has_news: bool = False) -> str:
    if has_news:
        form.take_theirs()
    is_conflict = form.version == form.agent["version"] != form.began
    began = _past(actor, form.agent, form.began or 0)
    conflict = EditConflict(actor, form, began) if is_conflict else None
    return _agent_page("agents/edit.html", form.agent, form=form, conflict=conflict)


def _past(actor: Actor, agent: dict[str, Any], version: int) -> Past:
    """What the agent was at this version; it is known already where that is the present one."""
    if version == agent["version"]:
        return Past(agent, frozenset(agent["secrets_set"]), [])
    return agent_history.changes_since(actor, agent["id"], version)


def _deleted(actor: Actor, agent_id: UUID, sent: FormData) -> Answer:
    """Who deleted the agent whose form was sent, and what was typed. Raises NotFound where it was not deleted."""
    found = agent_history.find_deletion(actor, agent_id)
    if found is None:
        raise NotFound(agents.NO_AGENT)
    name, deletion = found
    context = {"name": name, "deletion": deletion, "agent_id": agent_id, "form": AgentForm(sent)}
    page = render_template("agents/deleted.html", list_address=ListAddress.came_from(), **context)
    return page, refusals.STATUS[NotFound]


def _saved(form: EditForm, agent_id: UUID) -> Answer:
    name, show = form.values().get("name") or form.agent["name"], url_for(".show", agent_id=agent_id)
    if form.result:
        _say("was saved.", name, show=show)
    elif form.already_stored:
        _say("has what you typed: it was stored already.", name, show=show)
    else:
        _say("Nothing was changed.", show=show)
    return redirect(_where_from(agent_id), 303)


def _where_from(agent_id: UUID) -> str:
    """The list one came from, else the agent's own page."""
    return str(ListAddress.came_from()) if "back" in request.values else url_for(".show", agent_id=agent_id)


def _say(text: str, name: str = "", **actions: str) -> None:
    flash({"text": text, "name": name, **actions}, "ok")  # type: ignore[arg-type]
