"""What a valid user, email address, password and role is."""

import re
import unicodedata
from typing import Annotated

from pydantic import AfterValidator, ValidationInfo

from agents_app.values import limits
from agents_app.values.choices import Role
from agents_app.values.common_passwords import is_common
from agents_app.values.fields import EDGES, Rule, Schema, field, refusal
from agents_app.values.pasted import unwrap
from agents_app.values.rules import choice, line
from agents_app.values.text import clean_text, spellings, to_nfc
from agents_app.wording import number_text

# A host without a dot, such as localhost, can have mailboxes too.
EMAIL = re.compile(r"[^\s@<>\"(),:;]+@[^\s@<>\"(),:;.]+(\.[^\s@<>\"(),:;.]+)*")


# A mail program copies an address with the name of the person, as a link, or both.
NAMED = re.compile(r"[^<>]*<([^<>]+)>")


def normalise_email(text: str) -> str:
    """An email address as it is stored, without what a mail program writes around it."""
    bare = unwrap(text)
    bare = unwrap(named[1]) if (named := NAMED.fullmatch(bare)) else bare
    is_link = bare[:7].lower() == "mailto:"
    return to_nfc(bare[7:].partition("?")[0] if is_link else bare).casefold()


def email_spellings(text: str) -> list[str]:
    """An email address in all spellings in which this or an earlier release may have stored it, this release first.

    0.1.0 neither normalised the characters nor removed what a mail program writes around an address.
    """
    return list(dict.fromkeys([*spellings(normalise_email(text)), text.strip(EDGES).casefold()]))


def _email(value: object) -> str:
    text = normalise_email(clean_text(value, most=4 * limits.EMAIL, one_line=True))
    if not EMAIL.fullmatch(text) or len(text) > limits.EMAIL:
        raise refusal("Write an email address, such as ada@example.org.")
    return text


def _new_password(value: object) -> str:
    if not isinstance(value, str):
        raise refusal("Write this as text.")
    value = to_nfc(value)
    if not limits.PASSWORD_MIN <= len(value) <= limits.PASSWORD_MAX:
        raise refusal(f"Use {number_text(limits.PASSWORD_MIN)} to {number_text(limits.PASSWORD_MAX)} characters.")
    if "\0" in value or any("\ud800" <= char <= "\udfff" for char in value):
        raise refusal("Remove the invalid characters (U+0000 or an unpaired surrogate).")
    if is_common(value):
        raise refusal("This password is easy to guess. Use a longer or less common one.")
    return value


email_address = Rule(_email, {"format": "email", "maxLength": limits.EMAIL})
new_password = Rule(_new_password, {"minLength": limits.PASSWORD_MIN, "maxLength": limits.PASSWORD_MAX})


def _plain(text: str) -> str:
    """A text without case, white space and invisible characters, to compare a password with a name."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    return "".join(char for char in folded if not char.isspace() and unicodedata.category(char) != "Cf")


def is_name_or_address(password: str, name: str, email: str) -> bool:
    """Whether a password is this name or this email address, or the part before the @."""
    return _plain(password) in map(_plain, (name, email, email.partition("@")[0]))


def _refuse_own_name_or_address(password: str, info: ValidationInfo) -> str:
    # If the schema has no name and no address, the context of the validation has those of the user.
    owner = {"name": "", "email": "", **(info.context or {}), **info.data}
    if is_name_or_address(password, owner["name"], owner["email"]):
        raise refusal("The password must not be your name or your email address.")
    return password


NewPassword = Annotated[str, AfterValidator(_refuse_own_name_or_address), new_password]


class PersonValues(Schema):
    """The name and the email address of a user."""

    name: Annotated[str, line(limits.NAME)] = field("Your name", missing="Enter your name.")
    email: Annotated[str, email_address] = field("Email address", missing="Enter an email address.")


class UserValues(PersonValues):
    """A user with a password."""

    password: NewPassword = field(
        "Password", f"At least {limits.PASSWORD_MIN} characters.", secret=True, missing="Choose a password."
    )


class PasswordValues(Schema):
    """A new password only. The context of the validation has the `name` and `email` of its user."""

    password: NewPassword = field(
        "New password", f"At least {limits.PASSWORD_MIN} characters.", secret=True, missing="Choose a password."
    )


def _any_text(value: object) -> str:
    if not isinstance(value, str):
        raise refusal("Write this as text.")
    return value


class NewPasswordValues(PasswordValues):
    """A new password, with the current one."""

    current_password: Annotated[str, Rule(_any_text)] = field("Current password", secret=True)


class OwnDetailsValues(PersonValues):
    """The name and the email address of a user, with the current password."""

    current_password: Annotated[str, Rule(_any_text)] = field("Current password", secret=True)


class RoleValues(Schema):
    """The role of a user."""

    role: Annotated[Role, choice(Role)] = field("Role", missing="Choose a role.")


class InvitationValues(RoleValues):
    """A link to join: the role of the person who joins, and a note."""

    note: Annotated[str | None, line(limits.INVITATION_NOTE)] = field(
        "Who is it for?",
        "A note for the people of your organisation. The invited person does not see it.",
        default=None,
    )
