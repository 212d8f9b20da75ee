"""The pages of users, for admins: list, invitation and password reset links, roles, deactivation, deletion."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from flask import Blueprint, flash, redirect, render_template, request, url_for

from agents_app import refusals
from agents_app.config import settings
from agents_app.errors import Conflict, NotFound
from agents_app.operations import (
    identities,
    invitation_records,
    invitations,
    password_sign_in,
    second_factors,
    user_records,
    users,
)
from agents_app.operations.permissions import Actor
from agents_app.web import unsaved_form
from agents_app.web.forms.base import ConsoleForm
from agents_app.web.forms.users import ROLE_NAMES, ROLE_WITH_ARTICLE, InvitationForm, RoleForm
from agents_app.web.sessions import Answer, current_actor, end_browser_session, require_sign_in

pages = Blueprint("users", __name__, url_prefix="/people")
pages.before_request(require_sign_in)


@pages.get("")
def listing() -> Answer:
    """List the users of the account and the invitation links that are not used yet."""
    return _list_page(current_actor())


@pages.route("/invite", methods=["GET", "POST"])
def invite() -> Answer:
    """Choose a role, then show an invitation link. A form that is sent again shows the same link for ten minutes.

    Nobody joins by a link where passwords are off.
    """
    actor = current_actor()
    actor.require("users.manage")
    password_sign_in.require_anyone()
    if not unsaved_form.is_submitted():
        return _invite_page(InvitationForm(unsaved_form.restored_values()))
    form = InvitationForm(request.form)
    if not form.submit(lambda values: invitations.invite(actor, values, form.key)):
        return _invite_page(form), 422
    # No redirect, as with API tokens: the code is not stored, so a later page could not show it.
    return _list_page(actor, link=invitations.join_url(form.result), role=form.role.text, note=form.note.text)


@pages.post("/invitations/<uuid:invitation_id>/withdraw")
def withdraw(invitation_id: UUID) -> Answer:
    """Withdraw an invitation link."""
    invitations.withdraw(current_actor(), invitation_id)
    return _redirect_to_list("The invitation link was withdrawn: it can no longer be used.")


@pages.route("/<uuid:user_id>/reset-link", methods=["GET", "POST"])
def reset_link(user_id: UUID) -> Answer:
    """Ask for confirmation, then show a password reset link."""
    actor = current_actor()
    person = _find_user(actor, user_id)
    form = ConsoleForm(request.form)
    status = 200
    if unsaved_form.is_submitted():
        status = _submit(form, lambda _values: invitations.make_reset_link(actor, user_id, form.key))
    if form.result is None:
        return render_template("users/reset_link.html", person=person, form=form), status
    return _list_page(actor, link=invitations.reset_url(form.result), person=person)


@pages.route("/<uuid:user_id>/role", methods=["GET", "POST"])
def change_role(user_id: UUID) -> Answer:
    """Change the role of a user, which signs them out in every browser."""
    actor = current_actor()
    person = _find_user(actor, user_id)
    sent = request.form if unsaved_form.is_submitted() else unsaved_form.restored_values()
    form = RoleForm(sent, data={"role": person["role"]})
    if not unsaved_form.is_submitted():
        return render_template("users/role.html", person=person, form=form)
    status = _submit(form, lambda values: users.change_role(actor, user_id, values))
    if status != 303:
        return render_template("users/role.html", person=person, form=form), status
    role = ROLE_NAMES[form.role.text]
    if not form.result:
        return _redirect_to_list(f"Nothing was changed: {person['name']} already has the role {role}.")
    own_message, message = f"Your role is now {role}.", f"The role of {person['name']} is now {role}."
    return _redirect_after_action(actor, person, own_message, message)


@pages.route("/<uuid:user_id>/deactivate", methods=["GET", "POST"])
def deactivate(user_id: UUID) -> Answer:
    """Ask for confirmation, then deactivate a user."""
    actor = current_actor()
    return _confirm_and_act(
        "users/deactivate.html",
        _find_user(actor, user_id),
        lambda _values: users.deactivate(actor, user_id),
        ("Your user account was deactivated.", "was deactivated."),
    )


@pages.post("/<uuid:user_id>/activate")
def activate(user_id: UUID) -> Answer:
    """Let a deactivated user sign in again."""
    actor = current_actor()
    person = _find_user(actor, user_id)
    if not users.activate(actor, user_id):
        return _redirect_to_list(f"Nothing was changed: {person['name']} is active already.")
    return _redirect_to_list(f"{person['name']} can sign in again.")


@pages.route("/<uuid:user_id>/delete", methods=["GET", "POST"])
def delete(user_id: UUID) -> Answer:
    """Ask for confirmation, then delete a user."""
    actor = current_actor()
    return _confirm_and_act(
        "users/delete.html",
        _find_user(actor, user_id),
        lambda _values: users.delete(actor, user_id),
        ("Your user account was deleted.", "was deleted."),
    )


@pages.route("/<uuid:user_id>/second-factor", methods=["GET", "POST"])
def reset_second_factor(user_id: UUID) -> Answer:
    """Ask for confirmation, then remove the second factor of a person who lost it."""
    actor = current_actor()
    person, form = _find_user(actor, user_id), ConsoleForm()
    status = 200
    if unsaved_form.is_submitted():
        status = _submit(form, lambda _values: second_factors.reset(actor, user_id))
    if status != 303:
        return render_template("users/second_factor.html", person=person, form=form), status
    if not form.result:
        return _redirect_to_list(f"Nothing was changed: {person['name']} has no second factor.")
    return _redirect_to_list(f"The second factor of {person['name']} was removed.")


def _invite_page(form: InvitationForm) -> str:
    known = {"provider_host": settings().provider_host, "only_named": not settings().password_sign_in.is_on}
    return render_template("users/invite.html", form=form, **known)


def _confirm_and_act(
    template: str, person: dict[str, Any], act: Callable[[dict[str, Any]], Any], messages: tuple[str, str]
) -> Answer:
    """Ask for confirmation, then do what takes away a user's access."""
    form = ConsoleForm()
    if not unsaved_form.is_submitted():
        return render_template(template, person=person, form=form)
    status = _submit(form, act)
    if status != 303:
        return render_template(template, person=person, form=form), status
    if form.result is False:
        return _redirect_to_list(f"Nothing was changed: {person['name']} is deactivated already.")
    own_message, message = messages
    return _redirect_after_action(current_actor(), person, own_message, f"{person['name']} {message}")


def _submit(form: ConsoleForm, act: Callable[[dict[str, Any]], Any]) -> int:
    """Submit the form and return the status of the response. A Conflict becomes an error of the form."""
    try:
        return 303 if form.submit(act) else 422
    except Conflict as refusal:
        form.general_errors.append(refusal.detail)
        return refusals.from_error(refusal).status


def _redirect_after_action(actor: Actor, person: dict[str, Any], own_message: str, message: str) -> Answer:
    if person["id"] == actor.user_id:
        return end_browser_session(f"{own_message} You were signed out everywhere.")
    return _redirect_to_list(message)


def _redirect_to_list(message: str) -> Answer:
    flash(message, "ok")
    return redirect(url_for(".listing"), 303)


def _find_user(actor: Actor, user_id: UUID) -> dict[str, Any]:
    person = next((person for person in users.listing(actor) if person["id"] == user_id), None)
    if person is None:
        raise NotFound(user_records.NO_USER)
    return person


def _list_page(actor: Actor, **link: Any) -> str:
    return render_template(
        "users/list.html",
        people=users.listing(actor),
        invitations=invitations.listing(actor),
        waiting=identities.waiting(actor),
        provider_host=settings().provider_host,
        can_join_by_link=password_sign_in.may_anyone(),
        role_names=ROLE_NAMES,
        role_with_article=ROLE_WITH_ARTICLE,
        days=invitation_records.VALID_FOR.days,
        **link,
    )
