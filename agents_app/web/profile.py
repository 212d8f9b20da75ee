"""The page "Your profile": name, password, and the browsers in which the user is signed in."""

import re
from collections.abc import Callable
from typing import Any
from uuid import UUID

from flask import Blueprint, flash, redirect, render_template, request, session, url_for

from agents_app import refusals
from agents_app.config import settings
from agents_app.errors import Conflict, NotFound, Throttled
from agents_app.operations import second_factors, sessions, user_details
from agents_app.web import identities, unsaved_form
from agents_app.web.forms.base import ConsoleForm
from agents_app.web.forms.users import ROLE_NAMES, ChangePasswordForm, DetailsForm
from agents_app.web.sessions import SESSION_ID, Answer, current_actor, end_browser_session, require_sign_in

# User agents also contain the names of other browsers: the first name found in this order is the right one.
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

# The message by what was changed.
DETAILS_CHANGED = {
    (): "Nothing was changed: your name and your email address are these already.",
    ("name",): "Your name was changed.",
    ("email",): "Your email address was changed. Every other browser was signed out.",
    ("name", "email"): "Your name and your email address were changed. Every other browser was signed out.",
}

pages = Blueprint("profile", __name__, url_prefix="/profile")
pages.before_request(require_sign_in)


@pages.get("")
def show() -> Answer:
    """Show the user's details and sessions."""
    return _page(ChangePasswordForm())


@pages.post("")
def change_password() -> Answer:
    """Change the password, and sign out every other browser."""
    actor = current_actor()
    form = ChangePasswordForm(request.form)
    refused = _submit(form, lambda values: user_details.change_password(actor, session[SESSION_ID], values))
    if refused:
        return _page(form), *refused
    return _redirect_to_profile("Your password was changed. Every other browser was signed out.")


@pages.route("/details", methods=["GET", "POST"])
def change_details() -> Answer:
    """Change the name and the email address. A new address signs out every other browser."""
    actor = current_actor()
    is_submitted = unsaved_form.is_submitted()
    sent = request.form if is_submitted else unsaved_form.restored_values()
    form = DetailsForm(sent, data={"name": actor.name, "email": actor.email})
    if not is_submitted:
        return render_template("profile/details.html", form=form)
    refused = _submit(form, lambda values: user_details.change_own_details(actor, session[SESSION_ID], values))
    if refused:
        return render_template("profile/details.html", form=form), *refused
    return _redirect_to_profile(DETAILS_CHANGED[tuple(form.result)])


@pages.post("/sessions/<uuid:row_id>/end")
def end(row_id: UUID) -> Answer:
    """Sign out one browser, which may be this one."""
    actor = current_actor()
    row = next((item for item in sessions.listing(actor, session[SESSION_ID]) if item["id"] == row_id), None)
    if row is None:
        raise NotFound("This session has ended already.")
    sessions.end(actor, row_id)
    return (
        end_browser_session("You are signed out.")
        if row["is_this_one"]
        else _redirect_to_profile("That browser was signed out.")
    )


@pages.post("/sessions/end-others")
def end_others() -> Answer:
    """Sign out every browser except this one."""
    sessions.end_others(current_actor(), session[SESSION_ID])
    return _redirect_to_profile("Every other browser was signed out.")


def browser_name(user_agent: str | None) -> str:
    """A readable name such as "Firefox on Linux" for a user agent. The name of an unknown browser is kept."""
    text = user_agent or ""
    browser = next((name for key, name in BROWSERS.items() if f"{key}/" in text), None)
    system = next((name for key, name in SYSTEMS.items() if key in text), None)
    if browser is None:
        return re.sub(r"[/ ].*", "", text) or "Unknown browser"
    return f"{browser} on {system}" if system else browser


def _submit(form: ConsoleForm, act: Callable[[dict[str, Any]], Any]) -> tuple[int, dict[str, str]] | None:
    """Submit the form. Returns the status and the headers of a refusal, which the form shows."""
    try:
        return None if form.submit(act) else (422, {})
    except (Throttled, Conflict) as error:
        refusal = refusals.from_error(error)
        form.general_errors.append(refusal.detail)
        return refusal.status, refusal.headers


def _page(form: ChangePasswordForm) -> str:
    rows = sessions.listing(current_actor(), session[SESSION_ID])
    browsers = [row | {"browser": browser_name(row["user_agent"])} for row in rows]
    factor = second_factors.state(current_actor())
    known = {"sessions": browsers, "role_names": ROLE_NAMES, **identities.own_facts(current_actor())}
    known |= {"uses_password": user_details.may_use_password(current_actor()), "host": settings().provider_host}
    return render_template("profile/profile.html", form=form, second_factor=factor, **known)


def _redirect_to_profile(sentence: str) -> Answer:
    flash(sentence, "ok")
    return redirect(url_for(".show"), 303)
