"""The pages of the account, for admins: rename it, delete it."""

from flask import Blueprint, flash, redirect, render_template, request, url_for

from agents_app.errors import Conflict
from agents_app.operations import accounts
from agents_app.operations.permissions import Actor
from agents_app.web import unsaved_form
from agents_app.web.forms.users import AccountForm, DeleteAccountForm
from agents_app.web.sessions import Answer, current_actor, end_browser_session, require_sign_in

pages = Blueprint("accounts", __name__, url_prefix="/account")
pages.before_request(require_sign_in)


@pages.route("", methods=["GET", "POST"])
def show() -> Answer:
    """Show and change the name of the account."""
    actor = current_actor()
    actor.require("accounts.manage")
    if not unsaved_form.is_submitted():
        form = AccountForm(unsaved_form.restored_values(), data={"name": actor.account_name})
        return _page(actor, form)
    form = AccountForm(request.form)
    if not form.submit(lambda values: accounts.rename(actor, values)):
        return _page(actor, form), 422
    nothing = "Nothing was changed: the organisation already has this name."
    flash("The organisation was renamed." if form.result else nothing, "ok")
    return redirect(url_for(".show"), 303)


@pages.post("/second-factor")
def require_second_factor() -> Answer:
    """Require a second factor of people who sign in with a password, or stop that."""
    actor, is_required = current_actor(), request.form.get("required") == "yes"
    try:
        is_changed = accounts.require_second_factor(actor, is_required=is_required)
    except Conflict as refusal:
        form = AccountForm(None, data={"name": actor.account_name})
        form.general_errors.append(refusal.detail)
        return _page(actor, form), 409
    state = "required of people who sign in with a password" if is_required else "not required any more"
    flash(f"A second factor is {state}." if is_changed else "Nothing was changed: it was set like this already.", "ok")
    return redirect(url_for(".show"), 303)


def _page(actor: Actor, form: AccountForm) -> str:
    is_required = accounts.requires_second_factor(actor)
    return render_template("accounts/account.html", form=form, requires_second_factor=is_required)


@pages.route("/delete", methods=["GET", "POST"])
def delete() -> Answer:
    """Ask for the name of the account, then delete the account and everything in it."""
    actor = current_actor()
    actor.require("accounts.manage")
    if not unsaved_form.is_submitted():
        return render_template("accounts/delete.html", form=DeleteAccountForm())
    form = DeleteAccountForm(request.form)
    if not form.submit(lambda values: accounts.delete(actor, values["name"] or "")):
        return render_template("accounts/delete.html", form=form), 422
    return end_browser_session(f"The organisation {actor.account_name} was deleted with everything in it.")
