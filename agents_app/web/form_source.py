"""Checks which page a form was sent from. A form is accepted only from a page of this console, which its CSRF value
proves. Where the headers of the browser name another site, the CSRF value is not enough.
"""

from flask import current_app, request
from flask_wtf.csrf import CSRFError, CSRFProtect

from agents_app import hosts
from agents_app.config import settings
from agents_app.refusals import Refusal
from agents_app.values.origins import Origin, read, read_place

# Values of Sec-Fetch-Site for a form on a page of this console, and for a form that is reloaded.
OWN_SITE = ("same-origin", "none")
# The value of Origin from pages that hide their origin, and after some redirects.
NO_ORIGIN = "null"

FORM_EXPIRED = """Nothing was done: this form is no longer valid, because the session in which it was opened has ended.
Load the page again, then send the form."""

csrf = CSRFProtect()


def has_valid_csrf_value() -> bool:
    """Whether the request needs no CSRF value, or has the one of this browser's session."""
    try:
        csrf.protect()
    except (CSRFError, TypeError):  # a TypeError where the signed value is not a text
        return False
    return True


def other_site_refusal(*, has_valid_csrf_value: bool) -> Refusal | None:
    """The refusal of a form whose headers name another site, or this console at another address; else None."""
    if request.method != "POST" or not _is_from_another_origin():
        return None
    known, origin = settings().base_url, _request_origin()
    # A browser may say "cross-site" and give the origin of this console; then there is no other origin to name.
    origin = None if origin == settings().origin else origin
    if origin and (has_valid_csrf_value or origin.host == hosts.requested_host()):
        sentence = (
            f"Nothing was done: the console is known as {known}, and the page of this form was opened as {origin}. "
            + f"Open it at {known}, or ask an operator to set PUBLIC_URL to {origin}{settings().sub_path}."
        )
    else:
        sentence = (
            f"Nothing was done: this form was sent from another site{f', {origin}' if origin else ''}. "
            + f"Open the console at {known} and use the form there."
        )
    return Refusal(403, "form_of_another_site", sentence)


def csrf_refusal() -> Refusal:
    """The refusal of a form without a valid CSRF value of this browser's session."""
    if current_app.config["SESSION_COOKIE_NAME"] in request.cookies:
        return Refusal(400, "form_expired", FORM_EXPIRED)
    sentence = (
        "Nothing was done: the browser sent no cookie of this console with the form. Load the page again. If this "
        + f"happens again, open the console at {settings().base_url} and allow cookies for that address."
    )
    return Refusal(400, "cookie_missing", sentence)


def _is_from_another_origin() -> bool:
    if site := request.headers.get("Sec-Fetch-Site"):
        return site not in OWN_SITE
    origin = request.headers.get("Origin", NO_ORIGIN)
    return origin != NO_ORIGIN and not _is_own_origin(_request_origin())


def _request_origin() -> Origin | None:
    try:
        return read(request.headers.get("Origin", ""))
    except ValueError:
        return None


def _is_own_origin(origin: Origin | None) -> bool:
    if origin is None or settings().public_url:
        return origin == settings().origin
    # Without PUBLIC_URL it is not known whether a proxy in front uses https.
    return origin == read_place(request.headers["Host"], origin.scheme)
