"""The pages: one file a kind of record. Here is what they have in common."""

from flask import Blueprint, Flask, Response

from agents_app import refusals
from agents_app.config import Settings
from agents_app.errors import NotSignedIn
from agents_app.web import (
    accounts,
    agents,
    display,
    events,
    form_source,
    invitations,
    links,
    profile,
    session_cookie,
    sessions,
    setup,
    system,
    theme,
    tokens,
    users,
)

STATIC_SECONDS = 365 * 24 * 60 * 60
# The forms whose passwords are hashed, which costs more than everything else that is asked here.
PASSWORD_FORMS = (
    "web.sessions.start_session",
    "web.setup.setup",
    "web.invitations.join",
    "web.invitations.reset",
    "web.profile.change_password",
)

pages = Blueprint("web", __name__)
pages.register_error_handler(NotSignedIn, sessions.ask_to_sign_in)
for part in (sessions, setup, theme, agents, tokens, users, invitations, profile, accounts, events, system):
    pages.register_blueprint(part.pages)


@pages.before_request
def _protect() -> sessions.Answer | None:
    """Pages take cookies, so a form must prove that it comes from one of them; the JSON door takes none."""
    is_proven = form_source.is_proven()
    if refused := form_source.refusal_of_page(is_proven=is_proven):
        return refusals.error_page(refused)
    return None if is_proven else sessions.take_up_form() or refusals.error_page(form_source.refusal_of_value())


pages.before_app_request(links.lead_to_page)


@pages.after_request
def _vary(response: Response) -> Response:
    response.vary.add("Cookie")
    return response


def init_app(app: Flask) -> None:
    """Register the pages and what their templates use."""
    app.config.update(
        WTF_CSRF_CHECK_DEFAULT=False,
        WTF_CSRF_TIME_LIMIT=None,
        # Browsers may keep the Referer to themselves; what they do say is read by `form_source.py`.
        WTF_CSRF_SSL_STRICT=False,
        SEND_FILE_MAX_AGE_DEFAULT=STATIC_SECONDS,
    )
    session_cookie.init_app(app)
    form_source.csrf.init_app(app)
    display.init_app(app)
    app.register_blueprint(pages)


def password_paths(app: Flask) -> set[str]:
    """The paths of the forms whose passwords are hashed, as they may come in."""
    known: Settings = app.extensions["settings"]
    paths = [rule.rule for rule in app.url_map.iter_rules() if rule.endpoint in PASSWORD_FORMS]
    return {f"{before}{path}" for path in paths for before in ("", known.sub_path)}
