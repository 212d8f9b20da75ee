"""Who the claims of an ID token are about, and what the provider says about that person.

The claims of Entra ID are those of "ID token claims reference" and "Optional claims reference" in Microsoft's
documentation of its identity platform.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from agents_app.schemas.users import email_address
from agents_app.sign_on.errors import SignOnRefused
from agents_app.values import limits
from agents_app.values.issuers import Issuer
from agents_app.values.text import DIRECTION_MARKS, INVALID, clean_text, normalise_text

NO_NAME = "Person without a name"
# The years of four digits. Later times cannot be dates.
TIME_MAX = 253_402_300_799
# What cannot be in a text on one line.
BREAKS = re.compile("[\0-\x1f\x7f\x85\u2028\u2029]+")
# What nobody sees in an address: soft hyphens, joiners, marks of direction, and fillers.
HIDDEN = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f"
    + "\u2800\u3164\ufe00-\ufe0f\ufeff]"
)
# Claims which follow from the address. People can enter the address of someone else, until it is verified.
OF_ADDRESS = ("email", "hd")


@dataclass(frozen=True)
class Person:
    """A person at the provider. The provider never gives the same `subject` to another person."""

    issuer: str
    subject: str
    name: str
    email: str | None
    """The address as the console stores addresses; None if it has another form."""
    is_email_verified: bool
    role_values: tuple[str, ...]
    """The texts in the claims that say what the person may do."""
    has_too_many_groups: bool
    """Whether Entra ID left the groups out, because there are more than fit into a token."""
    authenticated_at: datetime | None
    """When the person last proved to the provider who they are."""
    ends_at: datetime | None
    """When the session at the provider ends, at the latest."""


def read(claims: Mapping[str, Any], issuer: Issuer, roles_claims: Iterable[str]) -> Person:
    """The person of an ID token whose signature and times are checked. Raises SignOnRefused if it names nobody."""
    names = tuple(roles_claims)
    email = _email(claims.get("email"))
    is_verified = email is not None and _says_verified(claims, issuer)
    counted = [name for name in names if is_verified or name not in OF_ADDRESS]
    values = [value for name in counted for value in _texts(_found(claims, name))]
    return Person(
        issuer=issuer.url,
        subject=_subject(claims, issuer),
        name=_name(claims.get("name"), claims.get("preferred_username"), claims.get("email")),
        email=email,
        is_email_verified=is_verified,
        role_values=tuple(dict.fromkeys(values)),
        has_too_many_groups=_has_too_many_groups(claims, names),
        authenticated_at=to_moment(claims.get("auth_time")),
        ends_at=to_moment(claims.get("session_expiry")),
    )


def is_subject(value: Any) -> bool:
    """Whether a value can be the name of a person at the provider."""
    return isinstance(value, str) and 1 <= len(value) <= limits.SUBJECT and value.isprintable()


def to_moment(value: Any) -> datetime | None:
    """The time of a claim, which is in seconds since 1970; None if it is no time."""
    is_time = isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= TIME_MAX
    return datetime.fromtimestamp(value, UTC) if is_time else None


def _subject(claims: Mapping[str, Any], issuer: Issuer) -> str:
    # The `sub` of Entra ID is another one in each registered app: a new registration would change everyone.
    name = "sub" if issuer.tenant_id is None else "oid"
    if issuer.tenant_id is not None and claims.get("tid") != issuer.tenant_id:
        raise SignOnRefused("The ID token is from another tenant than the one in OIDC_ISSUER.", code="tenant")
    subject = claims.get(name)
    if not is_subject(subject):
        raise SignOnRefused(f"The ID token names nobody: it has no usable claim {name}.", code="subject")
    return str(subject)


def _email(value: Any) -> str | None:
    # Outside ASCII, different letters become the same where case is ignored, and two mailboxes would be one address.
    spelled = value.lower() if isinstance(value, str) and value.isascii() else value
    # Two addresses that look the same would be two people.
    if not isinstance(spelled, str) or unicodedata.normalize("NFKC", spelled) != spelled or HIDDEN.search(spelled):
        return None
    with suppress(ValueError):
        # A name around the address, which people may paste, is no part of an address of the provider.
        return spelled if email_address.check(value) == spelled else None
    return None


def _says_verified(claims: Mapping[str, Any], issuer: Issuer) -> bool:
    if issuer.tenant_id is None:
        return claims.get("email_verified") is True
    # In Entra ID, admins of a tenant can enter any address. With this optional claim the tenant owns its domain, or the
    # person received a code there. It is documented as true, and was seen as 1 and "1".
    return claims.get("xms_edov") in (True, "1", "true")


def _name(*candidates: Any) -> str:
    for candidate in candidates:
        text = candidate[: 4 * limits.NAME] if isinstance(candidate, str) else ""
        plain = normalise_text(BREAKS.sub(" ", DIRECTION_MARKS.sub("", INVALID.sub("", text))))
        with suppress(ValueError):
            if cleaned := clean_text(plain[: limits.NAME], most=limits.NAME, one_line=True):
                return cleaned
    return NO_NAME


def _found(claims: Mapping[str, Any], name: str) -> Any:
    """The claim of this name, or the member to which the name leads through objects, such as realm_access.roles."""
    if name in claims:
        return claims[name]
    part: Any = claims
    for key in name.split("."):
        part = part.get(key) if isinstance(part, Mapping) else None
    return part


def _texts(value: Any) -> Iterator[str]:
    for each in value if isinstance(value, list) else [value]:
        if isinstance(each, str) and each and not INVALID.search(each):
            yield each


def _has_too_many_groups(claims: Mapping[str, Any], names: tuple[str, ...]) -> bool:
    named = claims.get("_claim_names")
    is_left_out = isinstance(named, Mapping) and any(name in named for name in ("groups", "roles", *names))
    return is_left_out or claims.get("hasgroups") in (True, "true")
