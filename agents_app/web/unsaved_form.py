"""Forms whose session ended before they were sent: nothing is done, that is said, and what was typed is kept.

What was typed travels through the sign-in page in one hidden input, signed and without secrets, and comes back to the
form's own page, which shows it and waits to be sent. It comes back only to the person whose page the form was on.
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
from agents_app.web import whole_addresses
from agents_app.web.addresses import here, with_back
from agents_app.web.forms.agents import AgentForm
from agents_app.web.forms.base import FormData

NAME = "kept"
CSRF = "csrf_token"
# As Flask-WTF signs its values.
CSRF_SALT = "wtf-csrf-token"
SALT = "kept-form"
PASSWORDS = {"password", "current_password"}
# Behind the name of an input: a secret was typed there, which is not kept.
TYPED = "-typed"


@dataclass(frozen=True)
class Form:
    """A form that needs a session: what is said where it was not carried out, and where it can be sent again.

    `place` is an endpoint; empty stands for the form's own page. Only a form whose view asks `is_sent` and `typed`
    may be kept. An act without an input of its own, and one that takes something away, is repeated by hand.
    """

    sentence: str
    place: str = ""
    is_kept: bool = False


# What is said of an act that may have ended the session itself, the first time it was sent.
SENT_TWICE = "This form did nothing now; if it was sent twice, the first time counted."

FORMS = {
    "web.agents.new": Form("The agent was not created.", is_kept=True),
    "web.agents.save": Form("The agent was not changed.", is_kept=True),
    "web.agents.disable": Form("The agent was not disabled.", is_kept=True),
    "web.agents.enable": Form("The agent was not enabled.", "web.agents.show"),
    "web.agents.clone": Form("The agent was not cloned.", "web.agents.show"),
    "web.agents.delete": Form("The agent was not deleted."),
    "web.agents.restore_deleted": Form("The deletion of the agent was not undone.", "web.events.listing"),
    "web.tokens.new": Form("The token was not created.", is_kept=True),
    "web.tokens.revoke": Form("The token was not revoked."),
    "web.users.invite": Form("The link to join was not made.", is_kept=True),
    "web.users.withdraw": Form("The link to join was not withdrawn.", "web.users.listing"),
    "web.users.change_role": Form(SENT_TWICE, is_kept=True),
    "web.users.reset_link": Form("The link for a new password was not made."),
    "web.users.activate": Form("The person was not activated.", "web.users.listing"),
    "web.users.deactivate": Form(SENT_TWICE),
    "web.users.delete": Form(SENT_TWICE),
    "web.profile.change_password": Form("Your password was not changed."),
    "web.profile.end": Form(SENT_TWICE, "web.profile.show"),
    "web.profile.end_others": Form("No browser was signed out.", "web.profile.show"),
    "web.accounts.show": Form("The account was not renamed.", is_kept=True),
    "web.accounts.delete": Form(SENT_TWICE),
}
# Forms that need no session; who signs out when it has ended already is signed out.
OPEN = {
    "web.sessions.start_session",
    "web.sessions.sign_out",
    "web.setup.setup",
    "web.invitations.join",
    "web.invitations.reset",
    "web.theme.choose",
}


@dataclass(frozen=True)
class Unsent:
    """A form that was not carried out. `owner` stands for the person whose page it was on, empty where not known."""

    endpoint: str
    address: str
    owner: str
    typed: list[tuple[str, str]]

    @classmethod
    def read(cls, text: str) -> Self | None:
        """What `text` was made of; None where this console did not make it."""
        try:
            endpoint, address, owner, typed = URLSafeSerializer(_secret_key(), SALT).loads(text)
            found = cls(str(endpoint), str(address), str(owner), [(str(name), str(value)) for name, value in typed])
        except (BadData, TypeError, ValueError):
            # Another release may have written it otherwise.
            return None
        return found if found.endpoint in FORMS else None

    @property
    def text(self) -> str:
        """All of it, for a hidden input."""
        return URLSafeSerializer(_secret_key(), SALT).dumps([self.endpoint, self.address, self.owner, self.typed])

    @property
    def sentence(self) -> str:
        """What was not done."""
        return FORMS[self.endpoint].sentence

    @property
    def is_kept(self) -> bool:
        """Whether what was typed is kept, for the person whose form it was."""
        return FORMS[self.endpoint].is_kept and self.owner != ""

    @property
    def lost_a_secret(self) -> bool:
        """Whether a secret was typed, which is not kept."""
        return any(name.endswith(TYPED) for name, _ in self.typed)

    def is_for(self, actor: Actor) -> bool:
        """Whether this person may see what was typed."""
        return self.is_kept and hmac.compare_digest(self.owner.encode(), _owner(actor.user_id).encode())


def is_sent() -> bool:
    """Whether the form of this page was sent, and is not only asked for, or shown again with what was kept of it."""
    return request.method == "POST" and NAME not in request.form


def typed() -> FormData | None:
    """What was kept of the form on this page, where the request brings it."""
    unsent = Unsent.read(request.form.get(NAME, ""))
    return MultiDict(unsent.typed) if unsent else None


def check(actor: Actor) -> None:
    """Raise Malformed where the request brings what was kept of another form or for another person."""
    if request.method == "POST" and NAME in request.form:
        unsent = Unsent.read(request.form[NAME])
        if unsent is None or unsent.endpoint != request.endpoint or not unsent.is_for(actor):
            raise Malformed("This is not what was kept of this form. Nothing was done. Load the page and fill it in.")


def of_this_request() -> Unsent | None:
    """The form that this request sends and nobody carries out; None where it sends none that needs a session."""
    if request.method != "POST":
        return None
    if NAME in request.form:
        return Unsent.read(request.form[NAME])
    form = FORMS.get(request.endpoint or "")
    if form is None:
        return None
    owner = _owner_of_page()
    # What a stranger sends is kept for nobody, so it is not read either.
    values = _typed_now() if form.is_kept and owner else []
    return Unsent(request.endpoint or "", _address(form), owner, values)


def csrf_value(user_id: UUID | None) -> str:
    """A new random CSRF value for this person's session, by which a form says later whose page it was on."""
    return f"{secrets.token_hex(20)}.{_owner(user_id)}"


def is_of_an_ended_session() -> bool:
    """Whether the form comes from a page of a session that is no longer this browser's, or brings such a form."""
    value = _csrf_value_of_page()
    return value != session.get(CSRF) and ("." in value or NAME in request.form)


def secret_names() -> set[str]:
    """The names under which forms send secrets."""
    return PASSWORDS | AgentForm(None).secret_names()


def _typed_now() -> list[tuple[str, str]]:
    hidden = secret_names()
    # An address may have a password in it.
    sent = whole_addresses.without_passwords(whole_addresses.split(request.form)[0] or request.form)
    given = [(name, value) for name, value in sent.items(multi=True) if name not in {CSRF, *hidden}]
    # A private key that was pasted into a public field is a secret all the same.
    shown = [(name, without_private_keys(value)) for name, value in given]
    lost = {name for name in hidden if request.form.get(name)} | {name for name, _ in set(given) - set(shown)}
    # The form marks where a secret is to be typed again.
    return shown + [(f"{name}{TYPED}", "y") for name in sorted(lost)]


def _address(form: Form) -> str:
    if not form.place:
        return here()
    given = request.view_args or {}
    is_about_it = current_app.url_map.is_endpoint_expecting(form.place, *given)
    return with_back(form.place, **(given if is_about_it else {}))


def _owner_of_page() -> str:
    return _csrf_value_of_page().partition(".")[2]


def _csrf_value_of_page() -> str:
    # Nobody but this console signs these, and each stands on the pages of one session only.
    try:
        value = URLSafeTimedSerializer(_secret_key(), CSRF_SALT).loads(request.form.get(CSRF, ""))
    except BadData:
        return ""
    return value if isinstance(value, str) else ""


def _owner(user_id: UUID | None) -> str:
    return hmac.new(_secret_key().encode(), f"form of {user_id}".encode(), hashlib.sha256).hexdigest()[:32]


def _secret_key() -> str:
    return str(current_app.secret_key)
