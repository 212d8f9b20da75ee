"""The settings for signing in: the identity provider, the roles that it gives, and who may use a password."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from agents_app.values import issuers, limits
from agents_app.values.choices import Role
from agents_app.values.issuers import Issuer
from agents_app.values.text import normalise_text
from agents_app.wording import number_text

# Claims with other characters would have to be quoted in the setting. They are not used for roles.
CLAIM = re.compile(r"[\w.:/-]{1,100}")
# The claims of OpenID Connect Core 1.0, section 5.1, that people can change at many providers.
SELF_CHOSEN = {"name", "given_name", "family_name", "middle_name", "nickname", "preferred_username", "profile"}
SELF_CHOSEN |= {"picture", "website", "gender", "birthdate", "zoneinfo", "locale", "phone_number", "address"}
ROLE_EXAMPLE = "Console.Admin=admin, Console.Editor=editor, Console.Viewer=viewer"
CLIENT_ID_MAX, CLIENT_SECRET_MAX = 255, 1_000


@dataclass(frozen=True)
class PasswordSignIn:
    """Who may sign in with a password. With `is_on`, everyone who is not linked to the provider; else these people."""

    is_on: bool = True
    emails: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class SignOnSettings:
    """The settings for signing in, by their names."""

    oidc_issuer: Issuer | None = None
    oidc_client_id: str | None = None
    oidc_client_secret: str | None = field(default=None, repr=False)
    oidc_roles_claim: tuple[str, ...] = ("roles",)
    oidc_roles: Mapping[str, Role] = field(default_factory=lambda: {role.value: role for role in Role})
    oidc_account: str | None = None
    password_sign_in: PasswordSignIn = PasswordSignIn()

    @property
    def provider_host(self) -> str:
        """The host of the provider, which names it in sentences. Empty without a provider."""
        return self.oidc_issuer.host if self.oidc_issuer else ""

    def sign_on_conflicts(self) -> Iterator[tuple[tuple[str, str], str]]:
        """The settings that do not fit each other: two names, and a sentence that names the first."""
        given = {
            "OIDC_ISSUER": self.oidc_issuer,
            "OIDC_CLIENT_ID": self.oidc_client_id,
            "OIDC_CLIENT_SECRET": self.oidc_client_secret,
        }
        present = [name for name, value in given.items() if value is not None]
        for name in given if present else ():
            if name not in present:
                yield (name, present[0]), f"{name} is not set, and {present[0]} is. Set both, or neither."
        if self.oidc_issuer is None and not self.password_sign_in.is_on:
            yield ("PASSWORD_SIGN_IN", "OIDC_ISSUER"), "PASSWORD_SIGN_IN must be on unless OIDC_ISSUER is set."
        if self.oidc_issuer and self.oidc_issuer.tenant_id and _is_uuid(self.oidc_client_secret):
            yield (
                ("OIDC_CLIENT_SECRET", "OIDC_ISSUER"),
                "OIDC_CLIENT_SECRET is the id of a secret. Entra ID shows the value of a secret next to its id, once.",
            )


def _client_id(text: str) -> str:
    return _printable(text, CLIENT_ID_MAX)


def _client_secret(text: str) -> str:
    return _printable(text, CLIENT_SECRET_MAX)


def _printable(text: str, most: int) -> str:
    # The text is not repeated: it may be a secret.
    if not (text.isascii() and text.isprintable() and len(text) <= most) or " " in text:
        raise ValueError(f"must have at most {number_text(most)} characters: ASCII, without spaces.")
    return text


def _claims(text: str) -> tuple[str, ...]:
    names = tuple(part.strip() for part in text.split(","))
    if not all(CLAIM.fullmatch(name) for name in names):
        raise ValueError("must be the name of a claim, such as roles, or several separated by commas.")
    if chosen := SELF_CHOSEN.intersection(names):
        raise ValueError(f"has {min(chosen)}, which people can change themselves: they would choose their role.")
    return names


def _roles(text: str) -> Mapping[str, Role]:
    found: dict[str, Role] = {}
    for number, part in enumerate(text.split(","), 1):
        value, _, role = (each.strip() for each in part.rpartition("="))
        if not value or role not in set(Role):
            raise ValueError(
                f"has a part that is not VALUE=ROLE, with the role viewer, editor or admin: part {number}. "
                + f"Write it as {ROLE_EXAMPLE}"
            )
        if found.setdefault(value, Role(role)) != role:
            raise ValueError(f"gives two roles to one value: part {number}.")
    return found


def _account(text: str) -> str:
    name = normalise_text(text)
    if len(name) > limits.NAME:
        raise ValueError("must be the name or the id of an account.")
    return name


def _password_sign_in(text: str) -> PasswordSignIn:
    if text.lower() in ("on", "off"):
        return PasswordSignIn(is_on=text.lower() == "on")
    emails = tuple(part.strip() for part in text.split(","))
    if not all(re.fullmatch(r"[^@\s]+@[^@\s]+", email) for email in emails):
        raise ValueError("must be on, off, or the email addresses of those who may use it, separated by commas.")
    return PasswordSignIn(is_on=False, emails=emails)


def _is_uuid(text: str | None) -> bool:
    try:
        return UUID(text or "") is not None
    except ValueError:
        return False


# The check of each setting. It raises ValueError with the rest of a sentence that begins with the setting.
SIGN_ON_CHECKS: dict[str, Callable[[str], Any]] = {
    "OIDC_ISSUER": issuers.parse,
    "OIDC_CLIENT_ID": _client_id,
    "OIDC_CLIENT_SECRET": _client_secret,
    "OIDC_ROLES_CLAIM": _claims,
    "OIDC_ROLES": _roles,
    "OIDC_ACCOUNT": _account,
    "PASSWORD_SIGN_IN": _password_sign_in,
}
