"""The list of agents. `agents.py` has its URL."""

from flask import render_template, url_for

from agents_app.errors import InvalidInput, Malformed
from agents_app.operations import agent_reads, users
from agents_app.operations.permissions import Actor
from agents_app.schemas import listing as list_schema
from agents_app.web.list_error import list_error_page
from agents_app.web.sessions import Answer
from agents_app.web.urls import ListUrl

ROWS = 20


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
