"""Signing in and out, and the user of a request."""

from typing import cast

from flask import Blueprint, flash, g, redirect, render_template, request, session, url_for
from werkzeug.wrappers import Response

from agents_app import http
from agents_app.config import settings
from agents_app.errors import NotSignedIn, SecondFactorMissing, Throttled
from agents_app.operations import accounts, sessions
from agents_app.operations.half_sessions import HalfSession
from agents_app.operations.permissions import Actor
from agents_app.values.choices import SignInMethod
from agents_app.web import session_cookie, unsaved_form
from agents_app.web.display import seconds_left
from agents_app.web.forms.sign_in import CodeForm, SignInForm
from agents_app.web.urls import home_path, local_path, return_path

NOT_YET = "You are not signed in yet. Sign in in the other tab first."
ALREADY_SIGNED_OUT = "You were already signed out: your session had ended."

pages = Blueprint("sessions", __name__)
SESSION_ID = http.SESSION_ID
Answer = Response | str | tuple[str, int] | tuple[str, int, dict[str, str]]


def current_actor() -> Actor:
    """The user of this request, looked up once a request. Raises NotSignedIn."""
    if "actor" not in g:
        session_id = session.get(SESSION_ID)
        if not session_id:
            raise NotSignedIn("Sign in to continue.")
        g.actor = sessions.authenticate(http.visitor(), session_id)
    return cast(Actor, g.actor)


def require_sign_in() -> None:
    """Raise NotSignedIn where nobody is signed in, and Malformed for restored values that are not this user's.

    Raises SecondFactorMissing for a person who must set one up before they see a page.
    """
    unsaved_form.check_owner(current_actor())
    if current_actor().must_set_up_second_factor:
        raise SecondFactorMissing("Your organisation requires a second factor. Set it up first.")


def sign_in_response(error: Exception) -> Answer:
    """The sign-in page, which returns to this page. It says that a sent form was not saved, and keeps its values."""
    unsaved = unsaved_form.from_request()
    if unsaved and (SESSION_ID in session or unsaved.owner):
        form = SignInForm(None)
        form.general_errors += _reason(error)
        return sign_in_page(form, unsaved), 401
    has_page = request.url_rule is not None and "GET" in (request.url_rule.methods or ())
    return redirect(url_for("web.sessions.sign_in", next=return_path() if has_page else None), 303)


def ended_session_response() -> Answer | None:
    """The response to a form whose session has ended, even if this browser has a new one; None for other requests."""
    if not unsaved_form.is_from_ended_session():
        return None
    if request.endpoint == "web.sessions.sign_out" and SESSION_ID not in session:
        return end_browser_session(ALREADY_SIGNED_OUT)
    unsaved = unsaved_form.from_request()
    if unsaved is None:
        return None
    try:
        return _resume_page(current_actor(), unsaved), 400
    except NotSignedIn as error:
        return sign_in_response(error)


def start_browser_session(session_id: str) -> None:
    """Replace the content of the session cookie by this session. Raises NotSignedIn."""
    _clear_cookie()
    session[SESSION_ID] = session_id
    session[unsaved_form.CSRF] = unsaved_form.new_csrf_value(current_actor().user_id)


def ask_for_code(half: HalfSession, unsaved: unsaved_form.UnsavedForm | None = None) -> Answer:
    """Replace the content of the session cookie by this half-session, and lead to the page that asks for its code."""
    _clear_cookie()
    session[session_cookie.HALF] = half.text
    if unsaved:
        return render_template("second_factors/sign_in.html", form=CodeForm(None), unsaved=unsaved)
    address = request.form.get("next")
    return redirect(url_for("web.second_factor_codes.enter", next=local_path(address) if address else None), 303)


def end_browser_session(message: str) -> Response:
    """Clear the cookie of a session that has ended, and redirect to the sign-in page, which shows the message."""
    session.clear()
    flash(message, "ok")
    return redirect(url_for("web.sessions.sign_in"), 303)


@pages.get("/sign-in")
def sign_in() -> Answer:
    """Show the sign-in page, or the set-up page while there is no account."""
    if SESSION_ID in session:
        try:
            current_actor()
        except NotSignedIn as error:
            session.clear()
            for sentence in _reason(error):
                flash(sentence, "bad")
        else:
            return redirect(local_path(request.args.get("next")), 303)
    if not accounts.is_set_up():
        return redirect(url_for("web.setup.setup"), 303)
    return sign_in_page(SignInForm())


@pages.post("/sign-in")
def start_session() -> Answer:
    """Start a session, or say that the email address or the password is wrong."""
    form, unsaved = SignInForm(request.form), unsaved_form.from_request()
    try:
        session_id = sessions.sign_in(http.visitor(), form.email.data or "", form.password.data or "")
    except NotSignedIn as refusal:
        form.general_errors.append(refusal.detail)
        return sign_in_page(form, unsaved), 422
    except Throttled as refusal:
        form.general_errors.append(refusal.detail)
        return sign_in_page(form, unsaved), 429, {"Retry-After": str(refusal.retry_after)}
    if isinstance(session_id, HalfSession):
        return ask_for_code(session_id, unsaved)
    return continue_signed_in(session_id, unsaved)


@pages.post("/sign-in/continue")
def resume() -> Answer:
    """Go on with a form that was not saved, after the person has signed in at the provider in another tab."""
    unsaved = unsaved_form.from_request()
    if unsaved is None:
        return redirect(home_path(), 303)
    try:
        return _resume_page(current_actor(), unsaved)
    except NotSignedIn:
        form = SignInForm(None)
        form.general_errors.append(NOT_YET)
        return sign_in_page(form, unsaved), 422


@pages.post("/session")
def stay() -> dict[str, int]:
    """Extend the session. Returns how many seconds it lasts without another request, and at most."""
    actor = current_actor()
    return {"idle": seconds_left(actor.idle_until), "whole": seconds_left(actor.ends_at)}


@pages.post("/sign-out")
def sign_out() -> Answer:
    """End the session in the database and in this browser."""
    try:
        actor = current_actor()
    except NotSignedIn:
        return end_browser_session(ALREADY_SIGNED_OUT)
    sessions.sign_out(actor, session[SESSION_ID])
    answer = end_browser_session("You are signed out.")
    if actor.method is SignInMethod.PROVIDER and settings().provider_host:
        return redirect(url_for("web.sign_out.show"), 303)
    return answer


def continue_signed_in(session_id: str, unsaved: unsaved_form.UnsavedForm | None) -> Answer:
    """Start the session in this browser, and lead to the page that was asked for, or to the form that was not saved."""
    start_browser_session(session_id)
    if unsaved:
        return _resume_page(current_actor(), unsaved)
    return redirect(local_path(request.form.get("next")), 303)


def sign_in_page(form: SignInForm, unsaved: unsaved_form.UnsavedForm | None = None) -> str:
    """The sign-in page, which keeps a form that was not saved."""
    rule, host = settings().password_sign_in, settings().provider_host
    return render_template("sessions/sign_in.html", form=form, unsaved=unsaved, host=host, passwords=rule)


def _reason(error: Exception) -> list[str]:
    # That a session has ended needs no other reason.
    return [error.detail] if isinstance(error, NotSignedIn) and error.code == "passwords_off" else []


def _clear_cookie() -> None:
    session.clear()
    # Both belong to the previous session.
    g.pop("csrf_token", None)
    g.pop("actor", None)


def _resume_page(actor: Actor, unsaved: unsaved_form.UnsavedForm) -> str:
    """The page after sign-in that says that a form was not saved, and leads to the page where it can be sent again."""
    return render_template("sessions/resume.html", unsaved=unsaved, is_theirs=unsaved.is_for(actor))
