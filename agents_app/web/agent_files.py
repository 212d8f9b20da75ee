"""The page Export and import: a file of all agents, and a plan of a file before it is applied."""

from datetime import datetime, timedelta
from typing import Any

from flask import Blueprint, Response, redirect, render_template, request, url_for

from agents_app.db import now
from agents_app.errors import Conflict, InvalidInput, Malformed
from agents_app.operations import agent_files
from agents_app.operations.permissions import Actor
from agents_app.operations.planned_agents import Kind, Plan
from agents_app.schemas import agent_files as schema
from agents_app.schemas import listing as list_schema
from agents_app.schemas import shown_files
from agents_app.schemas.agent_files import AgentFile
from agents_app.values.choices import Door, FileFormat
from agents_app.web import agent_plans, readers, unsaved_form
from agents_app.web.forms.agent_files import ImportForm
from agents_app.web.list_error import list_error_page
from agents_app.web.messages import show_once
from agents_app.web.sessions import Answer, current_actor, require_sign_in
from agents_app.web.urls import ListUrl

MEDIA_TYPES = {FileFormat.JSON: "application/json", FileFormat.YAML: "application/yaml; charset=utf-8"}

pages = Blueprint("agent_files", __name__, url_prefix="/agents")
pages.before_request(require_sign_in)


@pages.route("/import", methods=["GET", "POST"])
def files() -> Answer:
    """Offer files of the list; plan a file that is sent; apply the file of a plan."""
    actor = current_actor()
    actor.require("agents.read")
    if not unsaved_form.is_submitted():
        return _page(ImportForm())
    actor.require("agents.import")
    form = ImportForm(request.form, request.files.get("upload"))
    file = form.read()
    if file is None:
        return _refused(form)
    try:
        plan = agent_files.plan(actor, file, prune=form.prune.data)
    except InvalidInput as refusal:
        form.add_problems(list(refusal.fields))
        return _refused(form)
    return _apply(actor, form, file, plan) if "plan" in request.form else _plan_page(actor, form, file, plan)


@pages.get("/export.json")
def export_json() -> Answer:
    """A file in JSON of all agents that the URL asks for."""
    return _export(FileFormat.JSON)


@pages.get("/export.yaml")
def export_yaml() -> Answer:
    """A file in YAML of all agents that the URL asks for."""
    return _export(FileFormat.YAML)


def _export(form: FileFormat) -> Answer:
    try:
        document = agent_files.export(current_actor(), list_schema.parse(ListUrl(request.args).args))
        text = schema.to_text(document, form)
    except (InvalidInput, Malformed) as error:
        return list_error_page(error, "Agents", url_for("web.agents.listing"), list_schema.AgentQuery)
    response = Response(text, mimetype=MEDIA_TYPES[form])
    response.headers.set("Content-Disposition", "attachment", filename=f"agents-{now():%Y-%m-%d}.{form.value}")
    return response


def _apply(actor: Actor, form: ImportForm, file: AgentFile, plan: Plan) -> Answer:
    if not form.confirms(plan.deletes) or form.warns_of_note():
        return _plan_page(actor, form, file, plan, 422)
    note, shown, began = form.note.value or None, request.form["plan"], now()
    try:
        done = agent_files.apply(actor, file, prune=plan.prune, note=note, expected=shown)
    except Conflict as refusal:
        form.general_errors.append(refusal.detail)
        form.deletions.data = ""
        return _plan_page(actor, form, file, agent_files.plan(actor, file, prune=plan.prune), 409)
    except InvalidInput as refusal:
        form.add_problems(list(refusal.fields))
        return _plan_page(actor, form, file, plan, 422) if form.note.errors else _refused(form)
    return _applied(actor, done, began)


def _applied(actor: Actor, done: Plan, began: datetime) -> Answer:
    """The list with what was done, and where agents now lack something, the list of those that need attention.

    The message links to the changes of this file in Activity: what this person did with agents while it was applied.
    """
    incomplete = sum(agent.is_incomplete and agent.kind in (Kind.NEW, Kind.CHANGED) for agent in done.agents)
    text = agent_plans.applied_sentence(done, incomplete)
    filters: dict[str, Any] = {"about": "agent", "person": actor.user_id, "door": Door.PAGE.value}
    filters |= {"since": began.isoformat(), "until": (now() + timedelta(microseconds=1)).isoformat()}
    show_once(text, "warn" if incomplete else "ok", changes=url_for("web.events.listing", **filters))
    return redirect(url_for("web.agents.listing", needs_attention="true" if incomplete else None), 303)


def _refused(form: ImportForm) -> Answer:
    form.forget_secrets()
    return _page(form, 422)


def _page(form: ImportForm, status: int = 200) -> Answer:
    address = ListUrl(request.args)
    names = agent_files.shared_names(current_actor())
    return render_template("agents/files.html", form=form, address=address, shared_names=names), status


def _plan_page(actor: Actor, form: ImportForm, file: AgentFile, plan: Plan, status: int = 200) -> Answer:
    return render_template(
        "agents/files_plan.html", form=form, text=shown_files.without_comments(file), **_shown(actor, plan)
    ), status


def _shown(actor: Actor, plan: Plan) -> dict[str, Any]:
    kinds = {kind.value: agent_plans.of_kind(plan, kind.value) for kind in Kind if kind is not Kind.SAME}
    ending = {name: (len(ids), readers.before_the_end(actor, ids)) for name, ids in plan.ending.items() if ids}
    shown = {"plan": plan, "kinds": kinds, "ending": ending, "to_set": agent_plans.to_set(plan)}
    return {**shown, "changes": agent_plans.changes(plan)}
