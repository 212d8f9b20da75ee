"""Signing in through the provider: the browser goes there, and returns with a code."""

import logging
from typing import TYPE_CHECKING

from flask import Blueprint, flash, redirect, render_template, request, session, url_for
from werkzeug.wrappers import Response

from agents_app import http, identity_provider
from agents_app.config import settings
from agents_app.db import db
from agents_app.errors import Conflict, ConsoleError, NotAdmitted, NotFound, NotSignedIn, Throttled
from agents_app.operations import identities, provider_sign_in
from agents_app.operations.identity_records import role_of
from agents_app.sign_on.errors import ProviderUnavailable, SignOnRefused
from agents_app.sign_on.person import Person
from agents_app.sign_on.person import read as read_person
from agents_app.web import sign_on_attempts
from agents_app.web.forms.users import ROLE_NAMES
from agents_app.web.identities import ask_to_confirm
from agents_app.web.sessions import SESSION_ID, Answer, current_actor, start_browser_session
from agents_app.web.sign_on_attempts import Begun
from agents_app.web.urls import home_path, local_path

if TYPE_CHECKING:
    from agents_app.sign_on.provider import Provider

logger = logging.getLogger(__name__)

LINK = "link"
STATUS: dict[type[ConsoleError], int] = {SignOnRefused: 400, NotAdmitted: 403, Throttled: 429, ProviderUnavailable: 503}
# The titles of the pages that refuse a sign-in, by the code of the refusal.
TITLES = {
    "no_role": "You have no role in this console",
    "too_many_groups": "You have no role in this console",
    "deactivated": "You are deactivated",
    "address_taken": "Your account has to be linked first",
    "waits": "Your account has to be linked first",
    "no_account": "New people cannot join at the moment",
    "not_set_up": "The console is not set up yet",
    "sign_in_too_old": "Sign in again",
    "unknown_state": "Start again",
    "too_many_requests": "Too many attempts",
}
FAILED = "The sign-in failed"
UNKNOWN_STATE = "This browser did not begin this sign-in, has used it already, or began it more than ten minutes ago."

pages = Blueprint("sign_on", __name__)


@pages.get("/sign-on")
def start() -> Answer:
    """Send the browser to the provider. Nothing is stored but a cookie.

    `next` is the path to return to. With `again=1` the provider asks even a person who is signed in there, and with
    `purpose=link` the person who is signed in here links an identity to themselves.
    """
    provider = require_provider()
    if request.method == "HEAD":
        return Response()
    linker = str(current_actor().user_id) if request.args.get("purpose") == LINK else ""
    begun = sign_on_attempts.begin(local_path(request.args.get("next")), linker)
    db.release()
    longest, is_again = int(settings().session_max.total_seconds()), request.args.get("again") == "1"
    try:
        url = provider.authorization_url(begun.attempt, _return_url(), longest, is_again=is_again)
    except ProviderUnavailable as error:
        return _refused(error, begun)
    return redirect(url, 303)


@pages.get("/sign-on/return")
def finish() -> Answer:
    """Sign in the person with whose code the browser returns. No connection of the pool waits for it."""
    provider = require_provider()
    if request.method == "HEAD":
        return Response()
    begun = sign_on_attempts.take(request.args.get("state", ""))
    if begun is None:
        return _unknown_sign_in()
    try:
        with provider_sign_in.attempt(http.visitor()):
            claims = provider.claims(begun.attempt, _return_url(), request.args.to_dict())
            person = read_person(claims, provider.issuer, settings().oidc_roles_claim)
        return _link(begun, person) if begun.linker else _enter(begun, person)
    except (SignOnRefused, ProviderUnavailable, NotAdmitted, Throttled) as refusal:
        return _refused(refusal, begun)


def _enter(begun: Begun, person: Person) -> Answer:
    start_browser_session(provider_sign_in.sign_in(http.visitor(), person))
    return redirect(local_path(begun.path), 303)


def _link(begun: Begun, person: Person) -> Answer:
    try:
        actor = current_actor()
    except NotSignedIn:
        return _unknown_sign_in()
    # Another person may have signed in since, in another tab.
    if str(actor.user_id) != begun.linker:
        return _unknown_sign_in()
    claim, ends_at = provider_sign_in.claim_of(http.visitor(), person)
    try:
        identities.check_link(actor, claim)
    except Conflict as refusal:
        flash(refusal.detail, "bad")
        return redirect(url_for("web.profile.show"), 303)
    return ask_to_confirm(actor, claim, ends_at, role_of(person.role_values))


def _unknown_sign_in() -> Answer:
    # After going back, or with two tabs, a person may load the address of a sign-in that was used.
    if SESSION_ID in session:
        try:
            current_actor()
            return redirect(home_path(), 303)
        except NotSignedIn:
            pass
    return _page(400, "unknown_state", UNKNOWN_STATE), 400


def _refused(refusal: ConsoleError, begun: Begun) -> Answer:
    logger.warning("sign-in through the provider", extra={"code": refusal.code, "cause": refusal.detail})
    status = next(status for kind, status in STATUS.items() if isinstance(refusal, kind))
    page = _page(status, refusal.code, refusal.detail, begun)
    after = getattr(refusal, "retry_after", None)
    return (page, status, {"Retry-After": str(after)}) if after else (page, status)


def _page(status: int, code: str, detail: str, begun: Begun | None = None) -> str:
    host = require_provider().issuer.host
    path = begun.path if begun and begun.path != home_path() else None
    return render_template(
        "sign_on/refused.html",
        title=f"{host} is not available" if status == STATUS[ProviderUnavailable] else TITLES.get(code, FAILED),
        status=status,
        code=code,
        detail=detail,
        host=host,
        again={"next": path or None, "purpose": LINK if begun and begun.linker else None},
        roles=[(value, ROLE_NAMES[role]) for value, role in settings().oidc_roles.items()],
        passwords=settings().password_sign_in,
    )


def require_provider() -> "Provider":
    """The provider of the console. Raises NotFound where it has none."""
    provider = identity_provider.current()
    if provider is None:
        raise NotFound("This console has no identity provider: OIDC_ISSUER is not set.")
    return provider


def _return_url() -> str:
    return f"{settings().base_url}{url_for('web.sign_on.finish').removeprefix(request.script_root)}"
