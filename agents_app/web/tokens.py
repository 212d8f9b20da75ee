"""The pages of API tokens, for admins: list, new, rotate, revoke."""

from typing import Any, ClassVar
from uuid import UUID

from flask import Blueprint, redirect, render_template, request, url_for

from agents_app.errors import InvalidInput
from agents_app.operations import agent_reads, tokens
from agents_app.operations.permissions import Actor
from agents_app.operations.tokens import EVERY_TOKEN
from agents_app.schemas import listing as agent_listing
from agents_app.schemas.tokens import UNUSED_DAYS, TokenQuery
from agents_app.values.fields import parse
from agents_app.web import readers, runtime_use, unsaved_form
from agents_app.web.forms.tokens import SCOPE_LABELS, RotateForm, TokenForm
from agents_app.web.list_error import list_error_page
from agents_app.web.messages import show_once
from agents_app.web.sessions import Answer, current_actor, require_sign_in
from agents_app.web.urls import ListUrl

pages = Blueprint("tokens", __name__, url_prefix="/tokens")
pages.before_request(require_sign_in)


class TokensUrl(ListUrl):
    """The URL of the list of tokens."""

    endpoint: ClassVar = "web.tokens.listing"
    filters: ClassVar = ("unused_days",)
    parameters: ClassVar = filters


@pages.get("")
def listing() -> Answer:
    """List the tokens that are not revoked, or only those that were not used for some days."""
    try:
        query = parse(TokenQuery, TokensUrl(request.args).args)
    except InvalidInput as error:
        return list_error_page(error, "API tokens", url_for(".listing"), TokenQuery)
    return _list_page(current_actor(), query)


@pages.route("/new", methods=["GET", "POST"])
def new() -> Answer:
    """Create a token and show it. A form that is sent again shows the same token for ten minutes."""
    actor = current_actor()
    actor.require("tokens.manage")
    agent_page = agent_reads.listing(actor, agent_listing.parse({"sort": "name", "limit": agent_listing.LIMIT_MAX}))
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


@pages.route("/<uuid:token_id>/rotate", methods=["GET", "POST"])
def rotate(token_id: UUID) -> Answer:
    """Choose how long the old token keeps working, then show the new one, as after `new`."""
    actor = current_actor()
    is_submitted = unsaved_form.is_submitted()
    form = RotateForm(request.form if is_submitted else unsaved_form.restored_values())
    if is_submitted and form.submit(lambda values: tokens.rotate(actor, token_id, values, form.key)):
        return _list_page(actor, created=form.result, old_ends_at=form.result.old_ends_at)
    token = tokens.read(actor, token_id, to_rotate=not is_submitted)
    fetched = readers.of_token(actor, token_id)
    return render_template("tokens/rotate.html", form=form, token=token, **fetched), 422 if is_submitted else 200


@pages.route("/<uuid:token_id>/revoke", methods=["GET", "POST"])
def revoke(token_id: UUID) -> Answer:
    """Ask for confirmation, then revoke the token."""
    actor = current_actor()
    if not unsaved_form.is_submitted():
        token = tokens.read(actor, token_id)
        return render_template("tokens/revoke.html", token=token, **readers.of_token(actor, token_id))
    show_once("was revoked.", name=tokens.revoke(actor, token_id))
    return redirect(url_for(".listing"), 303)


def _list_page(actor: Actor, query: TokenQuery = EVERY_TOKEN, **created: Any) -> str:
    everything = tokens.listing(actor)
    days = query.unused_days or UNUSED_DAYS
    unused = tokens.listing(actor, TokenQuery(unused_days=days))
    return render_template(
        "tokens/list.html",
        tokens=unused if query.unused_days else everything,
        counts=(len(everything), len(unused)),
        days=days,
        is_filtered=query.unused_days is not None,
        scope_labels=SCOPE_LABELS,
        **created,
    )
