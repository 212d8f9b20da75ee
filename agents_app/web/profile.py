"""The page about oneself: name, password, and the browsers one is signed in with."""

import re
from uuid import UUID

from flask import Blueprint, flash, redirect, render_template, request, session, url_for

from agents_app import refusals
from agents_app.errors import Conflict, NotFound, Throttled
from agents_app.operations import sessions, users
from agents_app.web.forms.users import ROLE_NAMES, PasswordForm
from agents_app.web.sessions import SESSION_ID, Answer, current_actor, leave, require_sign_in

# What a browser calls itself holds the names of others too: the first that is found is the one.
BROWSERS = {"Edg": "Edge", "OPR": "Opera", "Firefox": "Firefox", "Chrome": "Chrome", "Safari": "Safari"}
SYSTEMS = {
    "iPhone": "iPhone",
    "iPad": "iPad",
    "Android": "Android",
    "Windows": "Windows",
    "Mac OS X": "macOS",
    "CrOS": "ChromeOS",
    "Linux": "Linux",
}

pages = Blueprint("profile", __name__, url_prefix="/profile")
pages.before_request(require_sign_in)


@pages.get("")
def show() -> Answer:
    """Who one is, and where one is signed in."""
    return _page(PasswordForm())


@pages.post("")
def change_password() -> Answer:
    """Choose another password; every other browser is signed out."""
    actor = current_actor()
    form = PasswordForm(request.form)
    try:
        is_changed = form.submit(lambda values: users.change_password(actor, session[SESSION_ID], values))
    except (Throttled, Conflict) as error:
        refusal = refusals.from_error(error)
        form.general.append(refusal.detail)
        return _page(form), refusal.status, refusal.headers
    if not is_changed:
        return _page(form), 422
    return _back("Your password was changed. Every other browser is signed out.")


@pages.post("/sessions/<uuid:row_id>/end")
def end(row_id: UUID) -> Answer:
    """Sign one browser out, be it this one."""
    actor = current_actor()
    found = next((row for row in sessions.listing(actor, session[SESSION_ID]) if row["id"] == row_id), None)
    if found is None:
        raise NotFound("This session has ended already.")
    sessions.end(actor, row_id)
    return leave("You are signed out.") if found["is_this_one"] else _back("That browser is signed out.")


@pages.post("/sessions/end-others")
def end_others() -> Answer:
    """Sign every browser out but this one."""
    sessions.end_others(current_actor(), session[SESSION_ID])
    return _back("Every other browser is signed out.")


def browser_name(user_agent: str | None) -> str:
    """What a browser calls itself, in words such as "Firefox on Linux"; what is not known stays as it is."""
    text = user_agent or ""
    browser = next((name for sign, name in BROWSERS.items() if f"{sign}/" in text), None)
    system = next((name for sign, name in SYSTEMS.items() if sign in text), None)
    if browser is None:
        return re.sub(r"[/ ].*", "", text) or "Unknown browser"
    return f"{browser} on {system}" if system else browser


def _page(form: PasswordForm) -> str:
    rows = sessions.listing(current_actor(), session[SESSION_ID])
    browsers = [row | {"browser": browser_name(row["user_agent"])} for row in rows]
    return render_template("profile/profile.html", form=form, sessions=browsers, role_names=ROLE_NAMES)


def _back(sentence: str) -> Answer:
    flash(sentence, "ok")
    return redirect(url_for(".show"), 303)
