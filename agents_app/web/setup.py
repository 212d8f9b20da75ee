"""The set-up page, which creates the first account and its admin. It exists only until there is an account."""

from flask import Blueprint, flash, redirect, render_template, request, url_for

from agents_app import http
from agents_app.config import settings
from agents_app.errors import Conflict
from agents_app.operations import accounts
from agents_app.values.choices import SignInMethod
from agents_app.web.forms.base import FormData
from agents_app.web.forms.sign_in import SetupForm
from agents_app.web.sessions import Answer, current_actor, start_browser_session

pages = Blueprint("setup", __name__)


@pages.route("/setup", methods=["GET", "POST"])
def setup() -> Answer:
    """Create the first account and its admin, and sign in."""
    if request.method != "POST":
        if accounts.is_set_up():
            return redirect(url_for("web.sessions.sign_in"), 303)
        return render_template("setup/setup.html", form=_form())
    form = _form(request.form)
    try:
        is_claimed = form.submit(
            lambda values: accounts.claim(http.visitor(), values, request.form.get("code", ""), form.key)
        )
    except Conflict as refusal:
        flash(refusal.detail, "bad")
        return redirect(url_for("web.sessions.sign_in"), 303)
    if not is_claimed:
        return render_template("setup/setup.html", form=form), 422
    start_browser_session(form.result)
    if current_actor().method is SignInMethod.SET_UP:
        host = settings().provider_host
        flash(f"Passwords are off. Link your account at {host} on your profile: you sign in with it next time.", "ok")
    return redirect(url_for("web.agents.listing"), 303)


def _form(formdata: FormData | None = None) -> SetupForm:
    form = SetupForm(formdata)
    if accounts.setup_code() is None:
        del form.code
    return form
