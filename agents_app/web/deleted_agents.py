"""The pages of deleted agents: their list, and what the old URLs of a deleted agent say."""

from typing import Any

from flask import Blueprint, render_template, request, url_for

from agents_app import refusals
from agents_app.errors import Malformed, NotFound
from agents_app.operations import agent_reads, deleted_agents, users
from agents_app.operations.permissions import Actor
from agents_app.web.agent_list import ROWS
from agents_app.web.error_pages import error_page
from agents_app.web.forms.agents import AgentForm
from agents_app.web.list_error import list_error_page
from agents_app.web.sessions import Answer, current_actor, require_sign_in
from agents_app.web.urls import ListUrl

pages = Blueprint("deleted_agents", __name__)
pages.before_request(require_sign_in)


@pages.get("/agents/deleted")
def listing() -> Answer:
    """List the deleted agents, last deleted first."""
    actor, cursor = current_actor(), request.args.get("cursor")
    try:
        found, next_cursor = deleted_agents.listing(actor, cursor, ROWS)
    except Malformed as error:
        return list_error_page(error, "Agents", url_for("web.agents.listing"))
    counts = agent_reads.counts(actor)
    cursors = {"cursor": cursor, "next_cursor": next_cursor}
    return render_template(
        "agents/deleted_list.html", agents=found, counts=counts, address=ListUrl({}), **cursors, **_helpers(actor)
    )


def not_found_response(error: NotFound, form: AgentForm | None = None) -> Answer:
    """The page that says who deleted the agent of this URL, with the values of its form, if one was open.

    The error page where there was no such agent in the account.
    """
    actor, agent_id = current_actor(), (request.view_args or {}).get("agent_id")
    agent = deleted_agents.find(actor, agent_id) if agent_id else None
    if agent is None:
        return error_page(refusals.from_error(error))
    context = {"agent": agent, "list_url": ListUrl.from_back_parameter(), **({"form": form} if form else {})}
    return render_template("agents/deleted.html", **context, **_helpers(actor)), refusals.STATUS[NotFound]


def _helpers(actor: Actor) -> dict[str, Any]:
    """The names of those who can restore agents, for people who cannot."""
    return {"admins": users.admins_to_ask(actor, "agents.restore_deleted")}
