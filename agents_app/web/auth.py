"""Signing in and out, and who asks for a page."""

from typing import cast

from flask import Blueprint, flash, g, redirect, render_template, request, session, url_for
from werkzeug.wrappers import Response

from agents_app import http
from agents_app.errors import NotSignedIn, Throttled
from agents_app.operations import accounts, sessions
from agents_app.operations.permissions import Actor
from agents_app.web import kept
from agents_app.web.addresses import local_path
from agents_app.web.forms import SignInForm

pages = Blueprint("auth", __name__)
SESSION_ID = http.SESSION_ID
Answer = Response | str | tuple[str, int] | tuple[str, int, dict[str, str]]


def current_actor() -> Actor:
    """Who asks, looked up once a request. Raises NotSignedIn."""
    if "actor" not in g:
        session_id = session.get(SESSION_ID)
        if not session_id:
            raise NotSignedIn("Sign in to go on.")
        g.actor = sessions.actor_for(session_id, address=http.address(), request_id=g.request_id)
    return cast(Actor, g.actor)


def require_sign_in() -> None:
    """Let only people who are signed in pass. Raises NotSignedIn."""
    current_actor()


def ask_to_sign_in(_error: Exception) -> Answer:
    """Lead to the sign-in page and from there back to where somebody wanted to go, with what was typed."""
    address = request.full_path.rstrip("?")
    typed = kept.of_this_request() if SESSION_ID in session else ""
    if typed:
        return render_template("auth/sign_in.html", form=SignInForm(None), kept=typed, next=address), 401
    can_be_read = request.url_rule is not None and "GET" in (request.url_rule.methods or ())
    wanted = address if can_be_read else None
    return redirect(url_for("web.auth.sign_in", next=None if wanted == "/" else wanted), 303)


def remember(session_id: str) -> None:
    """Make this browser's cookie carry the session, and nothing of what it carried before."""
    session.clear()
    # The CSRF value of this request belongs to the session before.
    g.pop("csrf_token", None)
    session[SESSION_ID] = session_id


def leave(sentence: str) -> Response:
    """Forget a session that has ended, and say why on the sign-in page."""
    session.clear()
    flash(sentence, "ok")
    return redirect(url_for("web.auth.sign_in"), 303)


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
    if accounts.is_empty():
        return redirect(url_for("web.setup.setup"), 303)
    return render_template("auth/sign_in.html", form=SignInForm())


@pages.post("/sign-in")
def start_session() -> Answer:
    """Start a session, or say that the address or the password is wrong."""
    form = SignInForm(request.form)
    try:
        session_id = sessions.sign_in(
            form.email.data or "",
            form.password.data or "",
            address=http.address(),
            user_agent=request.user_agent.string,
            request_id=g.request_id,
        )
    except NotSignedIn as refusal:
        form.general.append(refusal.detail)
        return render_template("auth/sign_in.html", form=form), 422
    except Throttled as refusal:
        form.general.append(refusal.detail)
        return render_template("auth/sign_in.html", form=form), 429, {"Retry-After": str(refusal.retry_after)}
    remember(session_id)
    wanted = local_path(request.form.get("next"))
    if request.form.get(kept.NAME):
        return render_template("auth/go_on.html", wanted=wanted)
    return redirect(wanted, 303)


@pages.post("/sign-out")
def sign_out() -> Answer:
    """End the session, here and on the server."""
    actor = current_actor()
    sessions.sign_out(actor, session[SESSION_ID])
    return leave("You are signed out.")
