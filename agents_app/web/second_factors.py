"""The pages of one's own second factor: set it up, make recovery codes, remove it."""

from flask import Blueprint, flash, g, redirect, render_template, request, session, url_for

from agents_app.errors import Conflict
from agents_app.operations import one_time_codes, second_factors
from agents_app.web import unsaved_form
from agents_app.web.forms.base import ConsoleForm
from agents_app.web.forms.users import RemoveFactorForm, SetUpFactorForm
from agents_app.web.second_factor_codes import submit
from agents_app.web.sessions import SESSION_ID, Answer, current_actor, require_sign_in

pages = Blueprint("second_factors", __name__, url_prefix="/profile/second-factor")


@pages.before_request
def _require_sign_in() -> None:
    # People who must set up a second factor reach this page, and bring the form of another page.
    if request.endpoint != "web.second_factors.set_up":
        require_sign_in()


@pages.route("", methods=["GET", "POST"])
def set_up() -> Answer:
    """Show the QR code, then store the second factor and show the recovery codes."""
    actor = current_actor()
    form, unsaved = SetUpFactorForm(request.form if request.method == "POST" else None), unsaved_form.passed_on(actor)
    if second_factors.state(actor):
        return _to_profile(second_factors.HAS_ONE)
    if request.method != "POST":
        return _set_up_page(form, unsaved)
    try:
        refused = submit(form, lambda values: second_factors.set_up(actor, session[SESSION_ID], form.key, values))
    except Conflict as refusal:
        return _to_profile(refusal.detail)
    if refused:
        return _set_up_page(form, unsaved), *refused
    # The actor of this request had no second factor yet.
    g.pop("actor")
    current_actor()
    return _codes_page(form.result, unsaved)


@pages.route("/recovery-codes", methods=["GET", "POST"])
def make_codes() -> Answer:
    """Ask for confirmation, then replace the recovery codes and show the new ones."""
    actor = current_actor()
    if not second_factors.state(actor):
        return _to_profile(second_factors.HAS_NONE)
    if not unsaved_form.is_submitted():
        return render_template("second_factors/make_codes.html", form=ConsoleForm(None))
    return _codes_page(second_factors.make_recovery_codes(actor), None)


@pages.route("/remove", methods=["GET", "POST"])
def remove() -> Answer:
    """Ask for the password and a code, then remove the second factor."""
    actor = current_actor()
    if not second_factors.state(actor):
        return _to_profile(second_factors.HAS_NONE)
    form = RemoveFactorForm(request.form if unsaved_form.is_submitted() else None)
    refused = None
    if unsaved_form.is_submitted():
        refused = submit(form, lambda values: second_factors.remove(actor, session[SESSION_ID], values))
        if refused is None:
            return _to_profile("Your second factor was removed. Every other browser was signed out.")
    return render_template("second_factors/remove.html", form=form), *(refused or (200, {}))


def set_up_response(_error: Exception) -> Answer:
    """The set-up page for a person who must have a second factor. It keeps the values of a form that was sent."""
    if unsaved := unsaved_form.from_request():
        return _set_up_page(SetUpFactorForm(None), unsaved), 403
    return redirect(url_for("web.second_factors.set_up"), 303)


def _set_up_page(form: SetUpFactorForm, unsaved: unsaved_form.UnsavedForm | None) -> str:
    actor = current_actor()
    secret = second_factors.offered_secret(actor, form.key)
    import segno

    picture = segno.make(second_factors.app_uri(actor, secret), micro=False).svg_data_uri(
        scale=5, border=4, dark="#000", light="#fff"
    )
    shown = one_time_codes.grouped(secret).replace("-", " ")
    return render_template("second_factors/set_up.html", form=form, unsaved=unsaved, picture=picture, secret=shown)


def _codes_page(codes: list[str], unsaved: unsaved_form.UnsavedForm | None) -> str:
    return render_template(
        "second_factors/codes.html",
        codes=codes,
        unsaved=unsaved,
        is_theirs=unsaved is not None and unsaved.is_for(current_actor()),
    )


def _to_profile(sentence: str) -> Answer:
    flash(sentence, "ok")
    return redirect(url_for("web.profile.show"), 303)
