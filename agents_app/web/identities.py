"""The pages of identities at the provider: whose they are, for admins and for the person."""

import time
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from flask import Blueprint, flash, redirect, render_template, request, session, url_for

from agents_app import refusals
from agents_app.config import settings
from agents_app.errors import Conflict, InvalidInput, NotFound
from agents_app.operations import identities, user_records, users
from agents_app.operations.identity_records import Claim
from agents_app.operations.permissions import Actor
from agents_app.values.choices import Role, SignInMethod
from agents_app.web import unsaved_form
from agents_app.web.forms.base import ConsoleForm
from agents_app.web.forms.users import ROLE_NAMES, LinkForm
from agents_app.web.sessions import SESSION_ID, Answer, current_actor, end_browser_session, require_sign_in
from agents_app.web.sign_on_attempts import CLAIM, LIFETIME_S

pages = Blueprint("identities", __name__)
pages.before_request(require_sign_in)

NO_CLAIM = "Nothing was linked: you signed in at the provider too long ago. Begin again."


def own_facts(actor: Actor) -> dict[str, Any]:
    """What the profile shows of the provider."""
    if not settings().provider_host:
        return {}
    known = {"provider_host": settings().provider_host, "identity": identities.own(actor)}
    return known | {"can_unlink": known["identity"] is not None and identities.can_unlink_own(actor)}


def ask_to_confirm(actor: Actor, claim: Claim, ends_at: datetime, role: Role | None) -> Answer:
    """Keep in the cookie who the person is at the provider, and lead to the page that asks whether to link it."""
    # Names may be long, and a cookie may not. The name is only shown: the next sign-in brings it again.
    shown = claim._replace(name=claim.name[:100])
    session[CLAIM] = [int(time.time()), str(actor.user_id), *shown, int(ends_at.timestamp()), role]
    return redirect(url_for("web.identities.link_own"), 303)


@pages.route("/profile/link", methods=["GET", "POST"])
def link_own() -> Answer:
    """Show who the person is at the provider, and link it. A link on another site cannot do it without this form."""
    actor = current_actor()
    found = _claim(actor)
    if found is None:
        flash(NO_CLAIM, "bad")
        return redirect(url_for("web.profile.show"), 303)
    claim, ends_at, role = found
    form = ConsoleForm()
    if unsaved_form.is_submitted():
        status = _submit(form, lambda _values: identities.link_own(actor, session[SESSION_ID], claim, ends_at))
        if status == 303:
            session.pop(CLAIM)
            return _leave("web.profile.show", f"Your account at {settings().provider_host} was linked.")
    else:
        status = 200
    return render_template(
        "identities/link_own.html", form=form, claim=claim, role=role, host=settings().provider_host
    ), status


@pages.route("/profile/unlink", methods=["GET", "POST"])
def unlink_own() -> Answer:
    """Ask for confirmation, then unlink the person from the provider."""
    actor = current_actor()
    if identities.own(actor) is None:
        return _leave("web.profile.show", "You have no linked account.")
    form, status = ConsoleForm(), 200
    if unsaved_form.is_submitted():
        status = _submit(form, lambda _values: identities.unlink_own(actor))
    if status == 303 and actor.method is SignInMethod.PROVIDER:
        return end_browser_session("Your account was unlinked. Sign in with your password.")
    if status == 303:
        return _leave("web.profile.show", "Your account was unlinked.")
    return render_template("identities/unlink_own.html", form=form, host=settings().provider_host), status


@pages.route("/people/<uuid:user_id>/unlink", methods=["GET", "POST"])
def unlink(user_id: UUID) -> Answer:
    """Ask for confirmation, then unlink a person from the provider."""
    actor = current_actor()
    person = next((one for one in users.listing(actor) if one["id"] == user_id), None)
    if person is None:
        raise NotFound(user_records.NO_USER)
    if not person["is_linked"]:
        return _leave("web.users.listing", f"Nothing was changed: {person['name']} is not linked.")
    form, status = ConsoleForm(), 200
    if unsaved_form.is_submitted():
        status = _submit(form, lambda _values: identities.unlink(actor, user_id))
    if status == 303:
        return _leave("web.users.listing", f"{person['name']} was unlinked.")
    return render_template("identities/unlink.html", form=form, person=person, host=settings().provider_host), status


@pages.route("/people/identities/<uuid:identity_id>/link", methods=["GET", "POST"])
def link(identity_id: UUID) -> Answer:
    """Choose whose an identity is that waits."""
    actor = current_actor()
    identity = _find_waiting(actor, identity_id)
    others = [one for one in users.listing(actor) if not one["is_linked"] and one["id"] != actor.user_id]
    people = {str(one["id"]): f"{one['name']}, {one['email']}" for one in others}
    is_submitted = unsaved_form.is_submitted()
    form = LinkForm(request.form if is_submitted else None)
    form.person.spec = replace(form.person.spec, labels={"": "Choose a person", **people})
    status = 200
    if is_submitted:
        status = _submit(form, lambda values: identities.link(actor, identity_id, _chosen(values, people)))
    if status == 303:
        return _leave("web.users.listing", f"{identity['name']} at {settings().provider_host} was linked.")
    return render_template("identities/link.html", form=form, identity=identity, host=settings().provider_host), status


@pages.post("/people/identities/<uuid:identity_id>/add")
def add_person(identity_id: UUID) -> Answer:
    """Make a new person of an identity that waits."""
    actor = current_actor()
    identity = _find_waiting(actor, identity_id)
    identities.add_person(actor, identity_id)
    return _leave("web.users.listing", f"{identity['name']} is a person of this organisation now.")


@pages.post("/people/identities/<uuid:identity_id>/dismiss")
def dismiss(identity_id: UUID) -> Answer:
    """Remove an identity that waits."""
    actor = current_actor()
    identity = _find_waiting(actor, identity_id)
    identities.dismiss(actor, identity_id)
    return _leave("web.users.listing", f"{identity['name']} does not wait any more.")


def _claim(actor: Actor) -> tuple[Claim, datetime, str | None] | None:
    at, user_id, *claim, ends_at, role = session.get(CLAIM) or [0, "", "", "", "", None, 0, None]
    if at < time.time() - LIFETIME_S or user_id != str(actor.user_id):
        return None
    return Claim(*claim), datetime.fromtimestamp(ends_at, UTC), ROLE_NAMES.get(role)


def _chosen(values: dict[str, Any], people: dict[str, str]) -> UUID:
    if values.get("person") not in people:
        raise InvalidInput([("/person", "Choose a person.")])
    return UUID(values["person"])


def _find_waiting(actor: Actor, identity_id: UUID) -> dict[str, Any]:
    found = next((one for one in identities.waiting(actor) if one["id"] == identity_id), None)
    if found is None:
        raise NotFound(identities.GONE)
    return found


def _submit(form: ConsoleForm, act: Any) -> int:
    """Submit the form and return the status of the response. A Conflict becomes an error of the form."""
    try:
        return 303 if form.submit(act) else 422
    except Conflict as refusal:
        form.general_errors.append(refusal.detail)
        return refusals.from_error(refusal).status


def _leave(endpoint: str, message: str) -> Answer:
    flash(message, "ok")
    return redirect(url_for(endpoint), 303)
