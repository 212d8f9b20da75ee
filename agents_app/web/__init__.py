"""The pages, one module for each kind of record. This module holds what all pages share."""

from flask import Blueprint, Flask, Response

from agents_app import static_files
from agents_app.config import Settings
from agents_app.errors import CodeNeeded, NotFound, NotSignedIn, SecondFactorMissing
from agents_app.paths import STATIC
from agents_app.web import (
    accounts,
    agent_acts,
    agent_files,
    agent_list,
    agent_versions,
    agents,
    bulk_agents,
    connection_tests,
    deleted_agents,
    display,
    error_pages,
    events,
    form_source,
    icons,
    identities,
    invitations,
    pasted_links,
    profile,
    second_factor_codes,
    second_factors,
    session_cookie,
    sessions,
    setup,
    sign_on,
    sign_out,
    system,
    theme,
    tokens,
    urls,
    users,
)

# The forms that hash a password, which costs more than any other request.
PASSWORD_FORMS = (
    "web.sessions.start_session",
    "web.setup.setup",
    "web.invitations.join",
    "web.invitations.reset",
    "web.profile.change_password",
    "web.profile.change_details",
    "web.second_factors.set_up",
    "web.second_factors.remove",
)

pages = Blueprint("web", __name__)
pages.register_error_handler(NotSignedIn, sessions.sign_in_response)
pages.register_error_handler(CodeNeeded, second_factor_codes.confirm_response)
pages.register_error_handler(SecondFactorMissing, second_factors.set_up_response)
OF_AGENTS = (agent_acts, agent_list, agent_files, agent_versions, bulk_agents, deleted_agents, connection_tests)
OF_RECORDS = (*OF_AGENTS, tokens, users, identities, invitations, profile, second_factors, accounts, events, system)
for part in (agents, agent_versions, connection_tests):
    part.pages.register_error_handler(NotFound, deleted_agents.not_found_response)
for part in (sessions, second_factor_codes, sign_on, sign_out, setup, theme, *OF_RECORDS):
    pages.register_blueprint(part.pages)


@pages.before_request
def _check_form_source() -> sessions.Answer | None:
    """Pages use cookies, so each form must prove that it comes from a page of this console. The JSON API uses none."""
    is_valid = form_source.has_valid_csrf_value()
    if refused := form_source.other_site_refusal(has_valid_csrf_value=is_valid):
        return error_pages.error_page(refused)
    if is_valid:
        return None
    return sessions.ended_session_response() or error_pages.error_page(form_source.csrf_refusal())


pages.before_request(urls.redirect_without_empty_parameters)
pages.before_app_request(pasted_links.redirect_without_punctuation)


@pages.after_request
def _vary_by_cookie(response: Response) -> Response:
    response.vary.add("Cookie")
    return response


def init_app(app: Flask) -> None:
    """Register the pages, and the functions that templates use."""
    app.config.update(
        WTF_CSRF_CHECK_DEFAULT=False,
        WTF_CSRF_TIME_LIMIT=None,
        # Browsers may leave out Referer. `form_source.py` checks the headers that they do send.
        WTF_CSRF_SSL_STRICT=False,
    )
    session_cookie.init_app(app)
    form_source.csrf.init_app(app)
    display.init_app(app)
    icons.init_app(app)
    static_files.init_app(app, STATIC)
    error_pages.init_app(app)
    app.register_blueprint(pages)


def password_paths(app: Flask) -> set[str]:
    """The paths of the forms that hash a password, with and without the path of PUBLIC_URL."""
    known: Settings = app.extensions["settings"]
    paths = [rule.rule for rule in app.url_map.iter_rules() if rule.endpoint in PASSWORD_FORMS]
    return {f"{prefix}{path}" for path in paths for prefix in ("", known.sub_path)}
