"""The pages of agents: list, one, new, edit, and the acts on one."""

from typing import Any
from uuid import UUID

from flask import Blueprint, flash, redirect, render_template, request, url_for

from agents_app import http
from agents_app.config import settings
from agents_app.errors import Conflict, InvalidInput, Malformed, Stale
from agents_app.operations import agent_reads, agents, snapshots
from agents_app.schemas import listing as list_schema
from agents_app.web import kept
from agents_app.web.addresses import ListAddress, with_back
from agents_app.web.auth import Answer, current_actor, require_sign_in
from agents_app.web.forms import AgentForm, ConsoleForm, DisableForm

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
        refusal = http.refusal_of(error)
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
    list_address, before = ListAddress.came_from(), kept.typed()
    if request.method == "GET" or before:
        return render_template("agents/new.html", form=AgentForm(before), list_address=list_address)
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
    return _agent_page("agents/edit.html", agent, form=AgentForm(agent=agent))


@pages.post("/agents/<uuid:agent_id>/edit")
def save(agent_id: UUID) -> Answer:
    """Change an agent; where somebody else did meanwhile, show both and ask again."""
    actor = current_actor()
    actor.require("agents.update")
    agent, before = agent_reads.read(actor, agent_id), kept.typed()
    if before:
        return _agent_page("agents/edit.html", agent, form=AgentForm(before, agent))
    form = AgentForm(request.form, agent)
    if form.version is None:
        raise Malformed("The form came in incomplete. Load the page again and repeat your changes.")
    form.take(request.form.getlist("theirs"), AgentForm(agent=agent))
    try:
        is_saved = form.submit(lambda values: agents.update(actor, agent_id, values, form.version))
    except Stale as error:
        return _differing(form, agent_reads.read(actor, agent_id), error)
    if not is_saved:
        return _agent_page("agents/edit.html", agent, form=form), 422
    return _saved(form, agent_id)


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
    agents.enable(current_actor(), agent_id)
    _say("The agent is active: runtimes can fetch it.")
    return redirect(with_back(".show", agent_id=agent_id), 303)


@pages.route("/agents/<uuid:agent_id>/disable", methods=["GET", "POST"])
def disable(agent_id: UUID) -> Answer:
    """Ask why, then keep runtimes from fetching the agent."""
    actor = current_actor()
    actor.require("agents.disable")
    agent = agent_reads.read(actor, agent_id)
    if request.method == "GET":
        return _agent_page("agents/disable.html", agent, form=DisableForm())
    form = DisableForm(request.form)
    if not form.submit(lambda values: agents.disable(actor, agent_id, values)):
        return _agent_page("agents/disable.html", agent, form=form), 422
    _say("The agent is disabled: runtimes that ask for it are told the reason.")
    return redirect(with_back(".show", agent_id=agent_id), 303)


@pages.route("/agents/<uuid:agent_id>/delete", methods=["GET", "POST"])
def delete(agent_id: UUID) -> Answer:
    """Ask once more, then remove the agent and offer to undo it."""
    actor = current_actor()
    actor.require("agents.delete")
    agent = agent_reads.read(actor, agent_id)
    if request.method == "GET":
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


def _saved(form: AgentForm, agent_id: UUID) -> Answer:
    _say("was saved.", form.name.text, show=url_for(".show", agent_id=agent_id))
    return redirect(_where_from(agent_id), 303)


def _differing(form: AgentForm, agent: dict[str, Any], error: Stale) -> Answer:
    """Yours beside theirs; where they are the same, such as after a double click, there is nothing to ask."""
    differences = form.differences(AgentForm(agent=agent))
    if not differences and not form.changes_a_secret:
        return _saved(form, agent["id"])
    form.version = agent["version"]
    page = _agent_page("agents/edit.html", agent, form=form, differences=differences, is_stale=True)
    return page, http.refusal_of(error).status


def _where_from(agent_id: UUID) -> str:
    """The list one came from, else the agent's own page."""
    return str(ListAddress.came_from()) if "back" in request.values else url_for(".show", agent_id=agent_id)


def _say(text: str, name: str = "", **actions: str) -> None:
    flash({"text": text, "name": name, **actions}, "ok")  # type: ignore[arg-type]
