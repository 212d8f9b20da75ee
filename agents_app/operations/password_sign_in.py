"""Helpers that say who may sign in with a password: PASSWORD_SIGN_IN, and who is linked to the identity provider.

A link of the terminal to choose a password signs everyone in. It is the way back in while the provider is away.
"""

from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.orm import Session

from agents_app.config import settings
from agents_app.config_sign_on import PasswordSignIn
from agents_app.errors import Conflict
from agents_app.models import Identity, User
from agents_app.schemas.users import email_spellings
from agents_app.values.choices import SignInMethod


def _issuer() -> str:
    issuer = settings().oidc_issuer
    return issuer.url if issuer else ""


IS_LINKED = (
    sa.exists()
    .where(
        Identity.user_id == User.id,
        # Who was linked to a provider that the console had earlier cannot sign in there.
        Identity.issuer == sa.bindparam("issuer", callable_=_issuer, type_=sa.String()),
    )
    .label("is_linked")
)
"""Whether a user is linked to the provider, as a column of a query on users."""


def is_linked(connection: Session | Connection, user_id: UUID | None) -> bool:
    """Whether this user is linked to the provider."""
    return bool(_issuer()) and bool(connection.scalar(sa.select(IS_LINKED).where(User.id == user_id)))


def may_use_password(email: str, is_linked: bool) -> bool:
    """Whether the person with this address may sign in with a password. `is_linked`: IS_LINKED of their row."""
    return is_allowed(settings().password_sign_in, email, is_linked)


def is_allowed(rule: PasswordSignIn, email: str, is_linked: bool) -> bool:
    """What `may_use_password` says under this rule."""
    if rule.is_on:
        return not is_linked
    return not set(email_spellings(email)).isdisjoint(text for named in rule.emails for text in email_spellings(named))


def ways_in(email: str, *, is_linked: bool, has_password: bool) -> list[SignInMethod]:
    """How the person with this address can sign in, without a link of the terminal."""
    by_password = [SignInMethod.PASSWORD] if has_password and may_use_password(email, is_linked) else []
    return [*by_password, *([SignInMethod.PROVIDER] if is_linked else [])]


def may_anyone() -> bool:
    """Whether there may be people who sign in with a password."""
    rule = settings().password_sign_in
    return rule.is_on or bool(rule.emails)


def require(email: str, is_linked: bool, who: str) -> None:
    """Raise Conflict, with what `who` uses instead, unless the person with this address may use a password."""
    if not may_use_password(email, is_linked):
        raise refusal(who)


def require_anyone() -> None:
    """Raise Conflict unless there may be people who sign in with a password."""
    if not may_anyone():
        raise Conflict(
            f"Passwords are off. People join by signing in with {settings().provider_host}.", code="passwords_off"
        )


def refusal(who: str) -> Conflict:
    """The error that says what this person uses in place of a password."""
    signs = "sign" if who == "You" else "signs"
    return Conflict(f"{who} {signs} in with {settings().provider_host}, not with a password.", code="passwords_off")
