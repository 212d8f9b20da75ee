"""The pages behind one-time links: to join an account, and to choose a new password. Open to everybody."""

from collections.abc import Callable

from flask import Blueprint, redirect, render_template, request, session, url_for

from agents_app import http
from agents_app.errors import NotFound, NotSignedIn
from agents_app.operations import invitation_records, invitations, sessions
from agents_app.operations.permissions import Actor
from agents_app.web.forms.base import ConsoleForm
from agents_app.web.forms.users import A_ROLE, JoinForm, ResetForm
from agents_app.web.links import pasted_code
from agents_app.web.sessions import SESSION_ID, Answer, current_actor, remember

pages = Blueprint("invitations", __name__)


@pages.route("/join", methods=["GET", "POST"])
def join() -> Answer:
    """Become one of the people of an account."""
    return _page("invitations/join.html", JoinForm, invitations.join, is_reset=False)


@pages.route("/reset", methods=["GET", "POST"])
def reset() -> Answer:
    """Choose a new password without knowing the present one."""
    return _page("invitations/reset.html", ResetForm, invitations.choose_password, is_reset=True)


def _page(template: str, make: type[ConsoleForm], use: Callable[..., str], *, is_reset: bool) -> Answer:
    code = pasted_code()
    form = make(request.form if request.method == "POST" else None)
    status = 200
    if request.method == "POST":
        if form.submit(lambda values: use(http.visitor(), code, values, form.key)):
            return _enter(form.result)
        status = 422
    link = invitations.read_link(code)
    if (link["email"] is not None) is not is_reset:
        raise NotFound(invitation_records.GONE)
    page = render_template(template, form=form, code=code, link=link, visitor=_present(), a_role=A_ROLE)
    return page, status


def _enter(session_id: str) -> Answer:
    """Go on as the person of the new session; who was signed in here before is signed out."""
    if session.get(SESSION_ID) != session_id and (before := _present()):
        sessions.sign_out(before, session[SESSION_ID])
    remember(session_id)
    return redirect(url_for("web.agents.listing"), 303)


def _present() -> Actor | None:
    try:
        return current_actor()
    except NotSignedIn:
        return None
