"""The pages of one-time links: join an account, choose a new password. They need no sign-in."""

from collections.abc import Callable

from flask import Blueprint, redirect, render_template, request, session, url_for

from agents_app import http
from agents_app.config import settings
from agents_app.errors import NotFound, NotSignedIn
from agents_app.operations import invitation_records, invitations, sessions
from agents_app.operations.half_sessions import HalfSession
from agents_app.operations.permissions import Actor
from agents_app.web.forms.base import ConsoleForm
from agents_app.web.forms.users import ROLE_WITH_ARTICLE, JoinForm, ResetForm
from agents_app.web.pasted_links import pasted_code
from agents_app.web.sessions import SESSION_ID, Answer, ask_for_code, current_actor, start_browser_session

pages = Blueprint("invitations", __name__)


@pages.route("/join", methods=["GET", "POST"])
def join() -> Answer:
    """Create a user in the account that the link belongs to, and sign in."""
    return _page("invitations/join.html", JoinForm, invitations.join, is_reset=False)


@pages.route("/reset", methods=["GET", "POST"])
def reset() -> Answer:
    """Choose a new password without the current one."""
    return _page("invitations/reset.html", ResetForm, invitations.choose_password, is_reset=True)


def _page(
    template: str, form_class: type[ConsoleForm], use: Callable[..., str | HalfSession], *, is_reset: bool
) -> Answer:
    code = pasted_code()
    form = form_class(request.form if request.method == "POST" else None)
    status = 200
    if request.method == "POST":
        if form.submit(lambda values: use(http.visitor(), code, values, form.key)):
            return _switch_session(form.result)
        status = 422
    link = invitations.read_link(code)
    if (link["email"] is not None) is not is_reset:
        raise NotFound(invitation_records.GONE)
    known = {"visitor": _signed_in_actor(), "role_with_article": ROLE_WITH_ARTICLE, "host": settings().provider_host}
    return render_template(template, form=form, code=code, link=link, **known), status


def _switch_session(session_id: str | HalfSession) -> Answer:
    """Use the new session in this browser. A user who was signed in here before is signed out."""
    if session.get(SESSION_ID) != session_id and (previous := _signed_in_actor()):
        sessions.sign_out(previous, session[SESSION_ID])
    if isinstance(session_id, HalfSession):
        return ask_for_code(session_id)
    start_browser_session(session_id)
    return redirect(url_for("web.agents.listing"), 303)


def _signed_in_actor() -> Actor | None:
    try:
        return current_actor()
    except NotSignedIn:
        return None
