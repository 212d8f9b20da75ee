"""The pages of API tokens, for admins: list, new, revoke."""

from typing import Any
from uuid import UUID

from flask import Blueprint, redirect, render_template, request, url_for

from agents_app.errors import NotFound
from agents_app.operations import agent_reads, tokens
from agents_app.operations.permissions import Actor
from agents_app.schemas.listing import LIMIT_MAX, parse
from agents_app.web import runtime_use, unsaved_form
from agents_app.web.forms.tokens import SCOPE_LABELS, TokenForm
from agents_app.web.messages import show_once
from agents_app.web.sessions import Answer, current_actor, require_sign_in

pages = Blueprint("tokens", __name__, url_prefix="/tokens")
pages.before_request(require_sign_in)


@pages.get("")
def listing() -> Answer:
    """List every token that is not revoked."""
    return _list_page(current_actor())


@pages.route("/new", methods=["GET", "POST"])
def new() -> Answer:
    """Create a token and show it. A form that is sent again shows the same token for ten minutes."""
    actor = current_actor()
    actor.require("tokens.manage")
    agent_page = agent_reads.listing(actor, parse({"sort": "name", "limit": LIMIT_MAX}))
    names = {str(agent["id"]): agent["name"] for agent in agent_page.items}
    chosen = runtime_use.ChosenAgent(actor)
    sent = request.form if unsaved_form.is_submitted() else unsaved_form.restored_values()
    form = TokenForm(sent, names | chosen.names, chosen.preset)
    context = {"form": form, "has_more": agent_page.next_cursor, "chosen": chosen}
    if not unsaved_form.is_submitted():
        return render_template("tokens/new.html", **context)
    if not form.submit(lambda values: tokens.create(actor, values, key=form.key)):
        return render_template("tokens/new.html", **context), 422
    # No redirect: the token would have to be stored until the next page, and it is not stored anywhere.
    return _list_page(actor, created=form.result, command=chosen.command(form), chosen=chosen)


@pages.route("/<uuid:token_id>/revoke", methods=["GET", "POST"])
def revoke(token_id: UUID) -> Answer:
    """Ask for confirmation, then revoke the token."""
    actor = current_actor()
    if not unsaved_form.is_submitted():
        token = next((token for token in tokens.listing(actor) if token["id"] == token_id), None)
        if token is None:
            raise NotFound("There is no token with this id.")
        return render_template("tokens/revoke.html", token=token)
    show_once("was revoked.", name=tokens.revoke(actor, token_id))
    return redirect(url_for(".listing"), 303)


def _list_page(actor: Actor, **shown: Any) -> str:
    return render_template("tokens/list.html", tokens=tokens.listing(actor), scope_labels=SCOPE_LABELS, **shown)
