"""The first run: the page that makes the account and its first admin. There is none once there is an account."""

from flask import Blueprint, flash, redirect, render_template, request, url_for

from agents_app import http
from agents_app.errors import Conflict
from agents_app.operations import accounts
from agents_app.web.forms.base import FormData
from agents_app.web.forms.sign_in import SetupForm
from agents_app.web.sessions import Answer, remember

pages = Blueprint("setup", __name__)


@pages.route("/setup", methods=["GET", "POST"])
def setup() -> Answer:
    """Claim an empty console and be signed in as its first admin."""
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
    remember(form.result)
    return redirect(url_for("web.agents.listing"), 303)


def _form(formdata: FormData | None = None) -> SetupForm:
    form = SetupForm(formdata)
    if accounts.setup_code() is None:
        del form.code
    return form
