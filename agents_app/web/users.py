"""The pages of people, for admins: list, links to join or to choose a password, roles, leaving."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from flask import Blueprint, flash, redirect, render_template, request, url_for

from agents_app import refusals
from agents_app.errors import Conflict, NotFound
from agents_app.operations import invitation_records, invitations, user_records, users
from agents_app.operations.permissions import Actor
from agents_app.web import unsaved_form
from agents_app.web.forms.base import ConsoleForm
from agents_app.web.forms.users import A_ROLE, ROLE_NAMES, RoleForm
from agents_app.web.sessions import Answer, current_actor, leave, require_sign_in

pages = Blueprint("users", __name__, url_prefix="/people")
pages.before_request(require_sign_in)


@pages.get("")
def listing() -> Answer:
    """Everybody in the account, and the links to join that nobody used yet."""
    return _list_page(current_actor())


@pages.route("/invite", methods=["GET", "POST"])
def invite() -> Answer:
    """Choose a role, then see the link; a form that is sent again shows the same one for a while."""
    actor = current_actor()
    actor.require("users.manage")
    if not unsaved_form.is_sent():
        return render_template("users/invite.html", form=RoleForm(unsaved_form.typed()))
    form = RoleForm(request.form)
    if not form.submit(lambda values: invitations.invite(actor, values, form.key)):
        return render_template("users/invite.html", form=form), 422
    # No redirect, as with API tokens: the code is kept nowhere, so there is nothing to show later.
    return _list_page(actor, link=invitations.join_url(form.result), role=form.role.text)


@pages.post("/invitations/<uuid:invitation_id>/withdraw")
def withdraw(invitation_id: UUID) -> Answer:
    """Make a link to join useless."""
    invitations.withdraw(current_actor(), invitation_id)
    return _back_to_list("The link was withdrawn: nobody can join by it.")


@pages.route("/<uuid:user_id>/reset-link", methods=["GET", "POST"])
def reset_link(user_id: UUID) -> Answer:
    """Ask once more, then show a link by which the person chooses a new password."""
    actor = current_actor()
    person = _person(actor, user_id)
    form = ConsoleForm(request.form)
    is_sent = unsaved_form.is_sent()
    status = _try(form, lambda _values: invitations.make_reset_link(actor, user_id, form.key)) if is_sent else 200
    if form.result is None:
        return render_template("users/reset_link.html", person=person, form=form), status
    return _list_page(actor, link=invitations.reset_url(form.result), person=person)


@pages.route("/<uuid:user_id>/role", methods=["GET", "POST"])
def change_role(user_id: UUID) -> Answer:
    """Give a person another role, which signs them out everywhere."""
    actor = current_actor()
    person = _person(actor, user_id)
    form = RoleForm(request.form if unsaved_form.is_sent() else unsaved_form.typed(), data={"role": person["role"]})
    if not unsaved_form.is_sent():
        return render_template("users/role.html", person=person, form=form)
    status = _try(form, lambda values: users.change_role(actor, user_id, values))
    if status != 303:
        return render_template("users/role.html", person=person, form=form), status
    role = ROLE_NAMES[form.role.text]
    if not form.result:
        return _back_to_list(f"Nothing was changed: {person['name']} has the role {role} already.")
    return _done(actor, person, f"You have another role now: {role}.", f"{person['name']} has the role {role} now.")


@pages.route("/<uuid:user_id>/deactivate", methods=["GET", "POST"])
def deactivate(user_id: UUID) -> Answer:
    """Ask once more, then keep a person out."""
    actor = current_actor()
    return _ask(
        "users/deactivate.html",
        _person(actor, user_id),
        lambda _values: users.deactivate(actor, user_id),
        ("You are deactivated.", "was deactivated."),
    )


@pages.post("/<uuid:user_id>/activate")
def activate(user_id: UUID) -> Answer:
    """Let a deactivated person sign in again."""
    actor = current_actor()
    person = _person(actor, user_id)
    if not users.activate(actor, user_id):
        return _back_to_list(f"Nothing was changed: {person['name']} is active already.")
    return _back_to_list(f"{person['name']} can sign in again.")


@pages.route("/<uuid:user_id>/delete", methods=["GET", "POST"])
def delete(user_id: UUID) -> Answer:
    """Ask once more, then remove a person for good."""
    actor = current_actor()
    return _ask(
        "users/delete.html",
        _person(actor, user_id),
        lambda _values: users.delete(actor, user_id),
        ("You are no longer one of the people here.", "was deleted."),
    )


def _ask(template: str, person: dict[str, Any], act: Callable[[dict[str, Any]], Any], said: tuple[str, str]) -> Answer:
    """The question before an act that takes a person's access away, and the act."""
    form = ConsoleForm()
    if not unsaved_form.is_sent():
        return render_template(template, person=person, form=form)
    status = _try(form, act)
    if status != 303:
        return render_template(template, person=person, form=form), status
    if form.result is False:
        return _back_to_list(f"Nothing was changed: {person['name']} is deactivated already.")
    return _done(current_actor(), person, said[0], f"{person['name']} {said[1]}")


def _try(form: ConsoleForm, act: Callable[[dict[str, Any]], Any]) -> int:
    """The status of the answer; that the last admin must stay is said on the page that was sent."""
    try:
        return 303 if form.submit(act) else 422
    except Conflict as refusal:
        form.general.append(refusal.detail)
        return refusals.from_error(refusal).status


def _done(actor: Actor, person: dict[str, Any], to_oneself: str, to_others: str) -> Answer:
    if person["id"] == actor.user_id:
        return leave(f"{to_oneself} You were signed out everywhere.")
    return _back_to_list(to_others)


def _back_to_list(sentence: str) -> Answer:
    flash(sentence, "ok")
    return redirect(url_for(".listing"), 303)


def _person(actor: Actor, user_id: UUID) -> dict[str, Any]:
    person = next((person for person in users.listing(actor) if person["id"] == user_id), None)
    if person is None:
        raise NotFound(user_records.NO_USER)
    return person


def _list_page(actor: Actor, **made: Any) -> str:
    return render_template(
        "users/list.html",
        people=users.listing(actor),
        invitations=invitations.listing(actor),
        role_names=ROLE_NAMES,
        a_role=A_ROLE,
        days=invitation_records.VALID_FOR.days,
        **made,
    )
