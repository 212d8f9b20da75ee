"""The history of an agent: its versions, what is different between two of them, and the page that restores one."""

from typing import Any
from uuid import UUID

from flask import Blueprint, redirect, render_template, request, url_for

from agents_app import refusals
from agents_app.errors import Conflict, InvalidInput, Malformed, Stale
from agents_app.operations import agent_history, agent_reads, agents
from agents_app.operations.agent_history import Change, Difference
from agents_app.operations.permissions import Actor
from agents_app.schemas.versions import CompareQuery
from agents_app.values.fields import parse
from agents_app.web import unsaved_form
from agents_app.web.activity_sentences import CHANGING, VERSION_WORDS, changed_words, event_mark
from agents_app.web.bulk_sentences import undone_words
from agents_app.web.differences import changed_fields, changed_secrets
from agents_app.web.events import DOORS
from agents_app.web.forms.compare_versions import CompareForm
from agents_app.web.forms.restore_version import RestoreForm
from agents_app.web.list_error import list_error_page
from agents_app.web.messages import show_once
from agents_app.web.sessions import Answer, current_actor, require_sign_in
from agents_app.web.urls import url_with_back

ROWS = 20
CHANGED_SINCE = (
    "The agent was changed while this page was open. It is now at version {version}, and nothing was restored. "
    + "Check again what will change, then restore."
)

pages = Blueprint("agent_versions", __name__)
pages.before_request(require_sign_in)


@pages.get("/agents/<uuid:agent_id>/versions")
def listing(agent_id: UUID) -> Answer:
    """List the versions of an agent, which may be deleted, or go to the comparison of two of them."""
    actor, cursor = current_actor(), request.args.get("cursor")
    try:
        found = agent_history.listing(actor, agent_id, cursor, ROWS)
    except Malformed as error:
        return list_error_page(error, "History", url_for(".listing", agent_id=agent_id))
    form = CompareForm(request.args or None, found.newest)
    if (pair := form.pair()) is not None:
        return redirect(url_for(".show", agent_id=agent_id, version=pair[1], compare=pair[0]), 303)
    agent = agent_reads.read(actor, agent_id) if found.is_there else None
    rows = [(change, *_words(change, agent and agent["connection_type"])) for change in found.items]
    context = {"agent_id": agent_id, "agent": agent, "page": found, "rows": rows, "form": form, "doors": DOORS}
    page = render_template("agents/versions.html", cursor=cursor, **context)
    return (page, 422) if form.problems() else page


@pages.get("/agents/<uuid:agent_id>/versions/<int:version>")
def show(agent_id: UUID, version: int) -> Answer:
    """Show what is different in this version, compared with the one before or with `compare`."""
    try:
        base = parse(CompareQuery, {name: request.args[name] for name in ("compare",) if name in request.args}).compare
    except InvalidInput as error:
        return list_error_page(error, "History", url_for(".listing", agent_id=agent_id), CompareQuery)
    found = agent_history.difference(current_actor(), agent_id, version, base)
    name = str((found.after or found.before or {}).get("name") or "an agent")
    # Compared with the version before, it is what this version did.
    is_own_change = found.base in (None, version - 1)
    form = CompareForm(None, found.newest, (found.base or version, version))
    context = {"agent_id": agent_id, "name": name, "what": _what(found.change), "is_own_change": is_own_change}
    shown = {"fields": _fields(found), "secrets": _secrets(found), "form": form, "doors": DOORS}
    return render_template("agents/version.html", difference=found, change=found.change, **context, **shown)


@pages.route("/agents/<uuid:agent_id>/versions/<int:version>/restore", methods=["GET", "POST"])
def restore(agent_id: UUID, version: int) -> Answer:
    """Show what a restore of this version changes, then restore it as a new version."""
    actor = current_actor()
    actor.require("agents.restore")
    agent = agent_reads.read(actor, agent_id)
    past = agent_history.read_version(actor, agent_id, version)
    if not unsaved_form.is_submitted():
        return _restore_page(actor, agent, RestoreForm(unsaved_form.restored_values(), agent, past), version)
    form = RestoreForm(request.form, agent, past)
    if form.version is None:
        raise Malformed("The form arrived incomplete. Load the page again and repeat your changes.")
    if form.version != agent["version"]:
        form.general_errors.append(CHANGED_SINCE.format(version=agent["version"]))
        return _restore_page(actor, agent, form, version), refusals.STATUS[Stale]
    try:
        is_saved = form.save(lambda given: agents.restore_version(actor, agent_id, version, given, agent["version"]))
    except Stale:
        return restore(agent_id, version)  # it was changed after it was read
    except Conflict as refusal:
        form.general_errors.append(refusal.detail)
        return _restore_page(actor, agent, form, version), refusals.STATUS[Conflict]
    return _after_restore(agent, form, version) if is_saved else (_restore_page(actor, agent, form, version), 422)


def _after_restore(agent: dict[str, Any], form: RestoreForm, version: int) -> Answer:
    if form.result:
        new = agent["version"] + 1
        show_once(
            f"Version {version} was restored as version {new}.",
            changes=url_for(".show", agent_id=agent["id"], version=new),
        )
    else:
        show_once(f"Nothing was changed: the agent already has the values of version {version}.")
    return redirect(url_with_back("web.agents.show", agent_id=agent["id"]), 303)


def _restore_page(actor: Actor, agent: dict[str, Any], form: RestoreForm, version: int) -> str:
    found = agent_history.difference(actor, agent["id"], version, agent["version"])
    form.version = agent["version"]
    kinds = agent["connection_type"], (found.after or {}).get("connection_type")
    # The status of the agent stays.
    fields = [pointer for pointer in found.changed if not pointer.startswith("/status")]
    secrets = changed_secrets(dict.fromkeys(form.removed, "removed"), *kinds)
    changes = changed_fields(found.before, found.after, fields) if found.after else []
    context = {"agent": agent, "form": form, "version": version, "change": found.change}
    return render_template("agents/restore_version.html", fields=changes, secrets=secrets, **context)


def _words(change: Change, connection_type: Any) -> tuple[str, list[str], tuple[str, str]]:
    """What a version did, the changed fields and secrets as words, and its icon with its colour."""
    is_named = change.action in CHANGING
    words = changed_words(change.fields, change.secrets, connection_type) if is_named else []
    return _what(change), words, event_mark({"action": change.action})


def _what(change: Change) -> str:
    if change.action == "agent.change_undone":
        back = f", back to version {change.restored_version}" if change.restored_version else ""
        return f"{undone_words(change.undone_act)} the agent{back}"
    if change.restored_version:
        return f"restored version {change.restored_version} of the agent"
    return VERSION_WORDS.get(change.action, "changed the agent")


def _fields(found: Difference) -> list[Any]:
    return changed_fields(found.before, found.after, found.changed) if found.after else []


def _secrets(found: Difference) -> list[tuple[str, str]]:
    kinds = [(side or {}).get("connection_type") for side in (found.after, found.before)]
    return changed_secrets(found.secrets, *kinds)
