"""Where a form was sent from. A form counts only from a page of this console, which a value within it must prove;
where the browser says itself that the page is another site's, that value is not enough.
"""

from flask import current_app, request
from flask_wtf.csrf import CSRFError, CSRFProtect

from agents_app import hosts
from agents_app.config import settings
from agents_app.refusals import Refusal
from agents_app.values.origins import Origin, read, read_place

# What browsers say in Sec-Fetch-Site of a form on a page of ours, and of one that a person loads again.
OWN = ("same-origin", "none")
# A page that hides where it is, and many a redirect: it names no origin.
HIDDEN = "null"

EXPIRED = """Nothing was done: this form is no longer valid, because the session in which it was opened has ended.
Load the page again, then send it."""

csrf = CSRFProtect()


def is_proven() -> bool:
    """Whether the request sends no form, or one with the value that a page of this browser's session gave it."""
    try:
        csrf.protect()
    except (CSRFError, TypeError):  # a TypeError where the value is signed by us and is no text
        return False
    return True


def refusal_of_page(*, is_proven: bool) -> Refusal | None:
    """The refusal of a form of which the browser says that its page is another site's, or this one's by another name.

    None where it says nothing of the kind.
    """
    if request.method != "POST" or not _is_from_another_origin():
        return None
    known, origin = settings().base_url, _origin()
    # Who says that the page is another site's may say nothing more of it than this console's own address.
    origin = None if origin == settings().origin else origin
    if origin and (is_proven or origin.host == hosts.asked_host()):
        sentence = (
            f"Nothing was done: the console is known as {known}, and the page of this form was opened as {origin}. "
            + f"Open it at {known}, or let an operator set PUBLIC_URL to {origin}{settings().sub_path}."
        )
    else:
        sentence = (
            f"Nothing was done: this form was sent from another site{f', {origin}' if origin else ''}. "
            + f"Open the console at {known} and use the form there."
        )
    return Refusal(403, "form_of_another_site", sentence)


def refusal_of_value() -> Refusal:
    """The refusal of a form that is not proven to come from a page of this browser's session."""
    if current_app.config["SESSION_COOKIE_NAME"] in request.cookies:
        return Refusal(400, "form_expired", EXPIRED)
    sentence = (
        "Nothing was done: the browser sent no cookie of this console with the form. Load the page again. If this "
        + f"comes back, open the console at {settings().base_url} and let the browser keep cookies of that address."
    )
    return Refusal(400, "cookie_missing", sentence)


def _is_from_another_origin() -> bool:
    if site := request.headers.get("Sec-Fetch-Site"):
        return site not in OWN
    origin = request.headers.get("Origin", HIDDEN)
    return origin != HIDDEN and not _is_own(_origin())


def _origin() -> Origin | None:
    try:
        return read(request.headers.get("Origin", ""))
    except ValueError:
        return None


def _is_own(origin: Origin | None) -> bool:
    if origin is None or settings().public_url:
        return origin == settings().origin
    # Without PUBLIC_URL nobody says whether a proxy in front speaks https.
    return origin == read_place(request.headers["Host"], origin.scheme)
