"""The list of agents, as a page and as a CSV file. `agents.py` has the URL of the page."""

from flask import Blueprint, render_template, request, url_for

from agents_app.db import now
from agents_app.errors import InvalidInput, Malformed
from agents_app.operations import agent_exports, agent_reads, users
from agents_app.operations.permissions import Actor
from agents_app.schemas import listing as list_schema
from agents_app.web import agent_table
from agents_app.web.csv_files import csv_response
from agents_app.web.list_error import list_error_page
from agents_app.web.sessions import Answer, current_actor, require_sign_in
from agents_app.web.urls import ListUrl

ROWS = 20

pages = Blueprint("agent_list", __name__, url_prefix="/agents")
pages.before_request(require_sign_in)


def page(actor: Actor, address: ListUrl) -> Answer:
    """The page with the agents that the URL asks for."""
    try:
        query = list_schema.parse({"limit": ROWS, **address.args})
        found, counts = agent_reads.listing_with_counts(actor, query)
    except (InvalidInput, Malformed) as error:
        return list_error_page(error, "Agents", url_for(".listing"), list_schema.AgentQuery)
    # For those who cannot create the first agent.
    admins = [] if counts.all else users.admins_to_ask(actor, "agents.create")
    context = {"choices": found.choices, "steps": found.steps, "admins": admins}
    return render_template("agents/list.html", address=address, query=query, page=found, counts=counts, **context)


@pages.get("/export.csv")
def export() -> Answer:
    """All agents that the URL asks for, oldest first, as a CSV file."""
    try:
        query = list_schema.parse(ListUrl(request.args).args)
    except (InvalidInput, Malformed) as error:
        return list_error_page(error, "Agents", url_for("web.agents.listing"), list_schema.AgentQuery)
    rows = map(agent_table.cells, agent_exports.export_rows(current_actor(), query))
    return csv_response(f"agents-{now():%Y-%m-%d}.csv", agent_table.HEADINGS, rows)
