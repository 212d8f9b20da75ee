"""The pages of the account as a whole, for admins: its name and its end."""

from flask import Blueprint, flash, redirect, render_template, request, url_for

from agents_app.operations import accounts
from agents_app.web import unsaved_form
from agents_app.web.forms.users import AccountForm, FarewellForm
from agents_app.web.sessions import Answer, current_actor, leave, require_sign_in

pages = Blueprint("accounts", __name__, url_prefix="/account")
pages.before_request(require_sign_in)


@pages.route("", methods=["GET", "POST"])
def show() -> Answer:
    """What the account is called, to change it."""
    actor = current_actor()
    actor.require("account.manage")
    if not unsaved_form.is_sent():
        form = AccountForm(unsaved_form.typed(), data={"name": actor.account_name})
        return render_template("accounts/account.html", form=form)
    form = AccountForm(request.form)
    if not form.submit(lambda values: accounts.rename(actor, values)):
        return render_template("accounts/account.html", form=form), 422
    nothing = "Nothing was changed: the account has this name already."
    flash("The account was renamed." if form.result else nothing, "ok")
    return redirect(url_for(".show"), 303)


@pages.route("/delete", methods=["GET", "POST"])
def delete() -> Answer:
    """Ask for the account's name, then remove it with everything in it."""
    actor = current_actor()
    actor.require("account.manage")
    if not unsaved_form.is_sent():
        return render_template("accounts/delete.html", form=FarewellForm())
    form = FarewellForm(request.form)
    if not form.submit(lambda values: accounts.delete(actor, values["name"] or "")):
        return render_template("accounts/delete.html", form=form), 422
    return leave(f"The account {actor.account_name} was deleted with everything in it.")
