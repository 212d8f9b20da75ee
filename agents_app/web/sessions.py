"""Signing in and out, and who asks for a page."""

from typing import cast

from flask import Blueprint, flash, g, redirect, render_template, request, session, url_for
from werkzeug.wrappers import Response

from agents_app import http
from agents_app.errors import NotSignedIn, Throttled
from agents_app.operations import accounts, sessions
from agents_app.operations.permissions import Actor
from agents_app.web import unsaved_form
from agents_app.web.addresses import carried_here, local_path
from agents_app.web.forms.sign_in import SignInForm

SIGNED_OUT_ALREADY = "You were signed out already: your session had ended."

pages = Blueprint("sessions", __name__)
SESSION_ID = http.SESSION_ID
Answer = Response | str | tuple[str, int] | tuple[str, int, dict[str, str]]


def current_actor() -> Actor:
    """Who asks, looked up once a request. Raises NotSignedIn."""
    if "actor" not in g:
        session_id = session.get(SESSION_ID)
        if not session_id:
            raise NotSignedIn("Sign in to go on.")
        g.actor = sessions.authenticate(http.visitor(), session_id)
    return cast(Actor, g.actor)


def require_sign_in() -> None:
    """Let only people who are signed in pass. Raises NotSignedIn; Malformed for a form kept for another person."""
    unsaved_form.check(current_actor())


def ask_to_sign_in(_error: Exception) -> Answer:
    """Lead to the sign-in page and from there back; a form that was sent is named there, and kept."""
    unsent = unsaved_form.of_this_request()
    if unsent and (SESSION_ID in session or unsent.owner):
        return _sign_in_page(SignInForm(None), unsent), 401
    can_be_read = request.url_rule is not None and "GET" in (request.url_rule.methods or ())
    return redirect(url_for("web.sessions.sign_in", next=carried_here() if can_be_read else None), 303)


def take_up_form() -> Answer | None:
    """The answer to a form of this console whose session has ended, be it that another one began; else None."""
    if not unsaved_form.is_of_an_ended_session():
        return None
    if request.endpoint == "web.sessions.sign_out" and SESSION_ID not in session:
        return leave(SIGNED_OUT_ALREADY)
    unsent = unsaved_form.of_this_request()
    if unsent is None:
        return None
    try:
        return _go_on_page(current_actor(), unsent), 400
    except NotSignedIn as error:
        return ask_to_sign_in(error)


def remember(session_id: str) -> None:
    """Make this browser's cookie carry the session, and nothing of what it carried before. Raises NotSignedIn."""
    session.clear()
    # Both belong to the session before.
    g.pop("csrf_token", None)
    g.pop("actor", None)
    session[SESSION_ID] = session_id
    session[unsaved_form.CSRF] = unsaved_form.csrf_value(current_actor().user_id)


def leave(sentence: str) -> Response:
    """Forget a session that has ended, and say why on the sign-in page."""
    session.clear()
    flash(sentence, "ok")
    return redirect(url_for("web.sessions.sign_in"), 303)


@pages.get("/sign-in")
def sign_in() -> Answer:
    """The sign-in page; the set-up page while there is no account."""
    if SESSION_ID in session:
        try:
            current_actor()
        except NotSignedIn:
            session.clear()
        else:
            return redirect(local_path(request.args.get("next")), 303)
    if not accounts.is_set_up():
        return redirect(url_for("web.setup.setup"), 303)
    return _sign_in_page(SignInForm())


@pages.post("/sign-in")
def start_session() -> Answer:
    """Start a session, or say that the address or the password is wrong."""
    form, unsent = SignInForm(request.form), unsaved_form.of_this_request()
    try:
        session_id = sessions.sign_in(http.visitor(), form.email.data or "", form.password.data or "")
    except NotSignedIn as refusal:
        form.general.append(refusal.detail)
        return _sign_in_page(form, unsent), 422
    except Throttled as refusal:
        form.general.append(refusal.detail)
        return _sign_in_page(form, unsent), 429, {"Retry-After": str(refusal.retry_after)}
    remember(session_id)
    if unsent:
        return _go_on_page(current_actor(), unsent)
    return redirect(local_path(request.form.get("next")), 303)


@pages.post("/sign-out")
def sign_out() -> Answer:
    """End the session, here and on the server."""
    try:
        actor = current_actor()
    except NotSignedIn:
        return leave(SIGNED_OUT_ALREADY)
    sessions.sign_out(actor, session[SESSION_ID])
    return leave("You are signed out.")


def _sign_in_page(form: SignInForm, unsent: unsaved_form.Unsent | None = None) -> str:
    return render_template("sessions/sign_in.html", form=form, unsent=unsent)


def _go_on_page(actor: Actor, unsent: unsaved_form.Unsent) -> str:
    """What follows on signing in after a form was not carried out: it says so, and leads to where it can be sent."""
    return render_template("sessions/go_on.html", unsent=unsent, is_theirs=unsent.is_for(actor))
