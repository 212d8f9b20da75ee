"""Forms whose session ended before they were sent. They are not carried out, and the values in them are not lost.

The values go through the sign-in page in one hidden input, signed and without secrets, and back to the page of the
form, which shows them and waits to be sent. Only the user whose page the form was on gets them back.
"""

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from typing import Self
from uuid import UUID

from flask import current_app, request, session
from itsdangerous import BadData, URLSafeSerializer, URLSafeTimedSerializer
from werkzeug.datastructures import MultiDict

from agents_app.errors import Malformed
from agents_app.operations.permissions import Actor
from agents_app.values.pem import without_private_keys
from agents_app.web import pasted_addresses
from agents_app.web.forms.agents import AgentForm
from agents_app.web.forms.base import FormData
from agents_app.web.session_forms import SESSION_FORMS, SessionForm
from agents_app.web.urls import current_path, url_with_back

# The hidden input with the values.
FIELD = "kept"
CSRF = "csrf_token"
# Flask-WTF signs its values with this salt.
CSRF_SALT = "wtf-csrf-token"
SALT = "kept-form"
PASSWORDS = {"password", "current_password"}
# Follows the name of an input in which a secret was typed. The secret itself is not kept.
TYPED = "-typed"


@dataclass(frozen=True)
class UnsavedForm:
    """A form that was not carried out. `owner` is a hash for the user whose page it was on, empty where not known."""

    endpoint: str
    address: str
    owner: str
    values: list[tuple[str, str]]

    @classmethod
    def read(cls, text: str) -> Self | None:
        """The form that `text` contains; None where this console did not sign the text."""
        try:
            endpoint, address, owner, values = URLSafeSerializer(_secret_key(), SALT).loads(text)
            form = cls(str(endpoint), str(address), str(owner), [(str(name), str(value)) for name, value in values])
        except (BadData, TypeError, ValueError):
            # Another release may have written other content.
            return None
        return form if form.endpoint in SESSION_FORMS else None

    @property
    def text(self) -> str:
        """The form as signed text, for a hidden input."""
        return URLSafeSerializer(_secret_key(), SALT).dumps([self.endpoint, self.address, self.owner, self.values])

    @property
    def message(self) -> str:
        """What was not done."""
        return SESSION_FORMS[self.endpoint].message

    @property
    def keeps_values(self) -> bool:
        """Whether the values are kept for the user who typed them."""
        return SESSION_FORMS[self.endpoint].keeps_values and self.owner != ""

    @property
    def has_cleared_secrets(self) -> bool:
        """Whether a secret was typed, which is not kept."""
        return any(name.endswith(TYPED) for name, _ in self.values)

    def is_for(self, actor: Actor) -> bool:
        """Whether this user may see the values."""
        return self.keeps_values and self.is_from(actor)

    def is_from(self, actor: Actor) -> bool:
        """Whether the form was on a page of this user."""
        return hmac.compare_digest(self.owner.encode(), _owner_hash(actor.user_id).encode())


def is_submitted() -> bool:
    """Whether the user sends the form of this page. False where a page only restores the values of a form."""
    return request.method == "POST" and FIELD not in request.form


def restored_values() -> FormData | None:
    """The values that this request restores in the form of its page; None where it brings none."""
    unsaved = UnsavedForm.read(request.form.get(FIELD, ""))
    return MultiDict(unsaved.values) if unsaved else None


def check_owner(actor: Actor) -> None:
    """Raise Malformed where the request brings values of another form or of another user."""
    if request.method == "POST" and FIELD in request.form:
        unsaved = UnsavedForm.read(request.form[FIELD])
        if unsaved is None or unsaved.endpoint != request.endpoint or not unsaved.is_for(actor):
            raise Malformed("These values do not belong to this form. Nothing was done. Load the page again.")


def passed_on(actor: Actor) -> UnsavedForm | None:
    """The form that waits until the form of this page is done; None where nothing waits.

    Raises Malformed where it is of another user.
    """
    if FIELD not in request.form:
        return None
    unsaved = UnsavedForm.read(request.form[FIELD])
    if unsaved is None or unsaved.endpoint == request.endpoint or not unsaved.is_from(actor):
        raise Malformed("These values do not belong to you. Nothing was done. Load the page again.")
    return unsaved


def from_request() -> UnsavedForm | None:
    """The form that this request sends, which is not carried out. None where it sends none that needs a session."""
    if request.method != "POST":
        return None
    if FIELD in request.form:
        return UnsavedForm.read(request.form[FIELD])
    form = SESSION_FORMS.get(request.endpoint or "")
    if form is None:
        return None
    # The CSRF value names the user whose page it was on.
    owner = _csrf_value_of_page().partition(".")[2]
    # Values from an anonymous visitor belong to nobody, so they are not read.
    values = _public_values() if form.keeps_values and owner else []
    return UnsavedForm(request.endpoint or "", _resume_url(form), owner, values)


def new_csrf_value(user_id: UUID | None) -> str:
    """A new random CSRF value for a session of this user. It shows later whose page a form was on."""
    return f"{secrets.token_hex(20)}.{_owner_hash(user_id)}"


def is_from_ended_session() -> bool:
    """Whether the form is from a page of another session than this browser's current one, or restores such a form."""
    value = _csrf_value_of_page()
    return value != session.get(CSRF) and ("." in value or FIELD in request.form)


def secret_names() -> set[str]:
    """The names of all inputs for secrets."""
    return PASSWORDS | AgentForm(None).secret_names()


def _public_values() -> list[tuple[str, str]]:
    hidden = secret_names()
    # A pasted address may contain a password.
    sent = pasted_addresses.remove_passwords(pasted_addresses.split_addresses(request.form)[0] or request.form)
    given = [(name, value) for name, value in sent.items(multi=True) if name not in {CSRF, *hidden}]
    # A private key that was pasted into a public field is a secret too.
    shown = [(name, without_private_keys(value)) for name, value in given]
    cleared = {name for name in hidden if request.form.get(name)} | {name for name, _ in set(given) - set(shown)}
    # The form shows at these inputs that the secret must be typed again.
    return shown + [(f"{name}{TYPED}", "y") for name in sorted(cleared)]


def _resume_url(form: SessionForm) -> str:
    if not form.endpoint:
        return current_path()
    arguments = request.view_args or {}
    takes_them = current_app.url_map.is_endpoint_expecting(form.endpoint, *arguments)
    return url_with_back(form.endpoint, **(arguments if takes_them else {}))


def _csrf_value_of_page() -> str:
    # Only this console signs these values, and each is on the pages of one session only.
    try:
        value = URLSafeTimedSerializer(_secret_key(), CSRF_SALT).loads(request.form.get(CSRF, ""))
    except BadData:
        return ""
    return value if isinstance(value, str) else ""


def _owner_hash(user_id: UUID | None) -> str:
    return hmac.new(_secret_key().encode(), f"form of {user_id}".encode(), hashlib.sha256).hexdigest()[:32]


def _secret_key() -> str:
    return str(current_app.secret_key)
