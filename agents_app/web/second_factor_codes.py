"""The two pages that ask for a code of the second factor: while a person signs in, and before a change that matters."""

from collections.abc import Callable
from typing import Any

from flask import Blueprint, flash, redirect, render_template, request, session, url_for

from agents_app import http, refusals
from agents_app.errors import NotSignedIn, Throttled
from agents_app.operations import second_factors
from agents_app.web import session_cookie, unsaved_form
from agents_app.web.forms.sign_in import CodeForm, SignInForm
from agents_app.web.sessions import SESSION_ID, Answer, continue_signed_in, current_actor, sign_in_page
from agents_app.web.urls import local_path, return_path

RIGHT = "Your code was right. Nothing was changed yet: send the form again."

pages = Blueprint("second_factor_codes", __name__)


@pages.route("/sign-in/code", methods=["GET", "POST"])
def enter() -> Answer:
    """Ask for the code of a person whose password was right, and sign them in."""
    if request.method != "POST" or session_cookie.HALF not in session:
        if session_cookie.HALF in session:
            return render_template("second_factors/sign_in.html", form=CodeForm(None))
        # Also where the form was sent twice: the page leads on if the person is signed in.
        return redirect(url_for("web.sessions.sign_in", next=request.values.get("next") or None), 303)
    form, unsaved = CodeForm(request.form), unsaved_form.from_request()
    try:
        refused = submit(form, lambda values: second_factors.finish_sign_in(http.visitor(), _half_text(), values))
    except NotSignedIn as refusal:
        session.pop(session_cookie.HALF)
        again = SignInForm(None)
        again.general_errors.append(refusal.detail)
        return sign_in_page(again, unsaved), 422
    if refused:
        return render_template("second_factors/sign_in.html", form=form, unsaved=unsaved), *refused
    return continue_signed_in(form.result, unsaved)


@pages.route("/confirm", methods=["GET", "POST"])
def confirm() -> Answer:
    """Ask for a code, and lead back to the page, with what was typed in its form."""
    actor = current_actor()
    unsaved = unsaved_form.passed_on(actor)
    address = unsaved.address if unsaved else local_path(request.values.get("next"))
    if not actor.has_second_factor:
        return redirect(address, 303)
    if request.method != "POST":
        return _confirm_page(CodeForm(None))
    form = CodeForm(request.form)
    refused = submit(form, lambda values: second_factors.confirm(actor, session[SESSION_ID], values))
    if refused:
        return _confirm_page(form, unsaved), *refused
    if unsaved and unsaved.is_for(actor):
        # The browser sends the values on to the page of their form, which shows them.
        return redirect(address, 307)
    flash(RIGHT, "ok")
    return redirect(address, 303)


def confirm_response(_error: Exception) -> Answer:
    """The page that asks for a code. It says that a sent form was not carried out, and keeps its values."""
    if unsaved := unsaved_form.from_request():
        return _confirm_page(CodeForm(None), unsaved), 403
    return redirect(url_for("web.second_factor_codes.confirm", next=return_path()), 303)


def submit(form: CodeForm | Any, act: Callable[[dict[str, Any]], Any]) -> tuple[int, dict[str, str]] | None:
    """Submit a form with a code. Returns the status and the headers of a refusal, which the form shows."""
    try:
        return None if form.submit(act) else (422, {})
    except Throttled as error:
        refusal = refusals.from_error(error)
        form.general_errors.append(refusal.detail)
        return refusal.status, refusal.headers


def _half_text() -> str:
    return str(session[session_cookie.HALF])


def _confirm_page(form: CodeForm, unsaved: unsaved_form.UnsavedForm | None = None) -> str:
    return render_template("second_factors/confirm.html", form=form, unsaved=unsaved)
