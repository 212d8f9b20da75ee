"""The forms of users and of their account: invitation, role, passwords, name and deletion of the account."""

from typing import Any

from agents_app.schemas.accounts import AccountName
from agents_app.schemas.users import (
    InvitationValues,
    NewPasswordValues,
    OwnDetailsValues,
    PasswordValues,
    RoleValues,
    UserValues,
)
from agents_app.values.choices import Role
from agents_app.web.forms.base import ConsoleForm, FormData
from agents_app.web.forms.choice_inputs import Select
from agents_app.web.forms.from_schema import input_spec, make_input
from agents_app.web.forms.inputs import SPAN_WHOLE, Spec, Text
from agents_app.web.forms.secret_input import Secret
from agents_app.web.forms.sign_in import CodeForm

ROLE_NAMES = {Role.VIEWER.value: "Viewer", Role.EDITOR.value: "Editor", Role.ADMIN.value: "Admin"}
ROLE_WITH_ARTICLE = {Role.VIEWER.value: "a viewer", Role.EDITOR.value: "an editor", Role.ADMIN.value: "an admin"}
ROLE_LABELS = {
    Role.VIEWER.value: "Viewer: sees everything but secrets",
    Role.EDITOR.value: "Editor: also creates and changes agents",
    Role.ADMIN.value: "Admin: also deletes, and manages people, API tokens and the organisation",
}


class RoleForm(ConsoleForm):
    """The role of a user, or of the users who join by an invitation link."""

    role = Select(input_spec(RoleValues, "role", span=SPAN_WHOLE, labels=ROLE_LABELS), default=Role.VIEWER.value)


class InvitationForm(RoleForm):
    """An invitation link."""

    note = make_input(InvitationValues, "note", span=SPAN_WHOLE)


class LinkForm(ConsoleForm):
    """Whose an identity at the provider is. The page has the people."""

    person = Select(
        Spec("Person", "Everyone else who is not linked yet. You link yourself on your profile.", span=SPAN_WHOLE)
    )


class FormWithPasswords(ConsoleForm):
    """A form with passwords. After an error it says that they must be typed again."""

    def __init__(self, formdata: FormData | None = None, **options: Any) -> None:
        super().__init__(formdata, **options)
        for field in self.inputs():
            if isinstance(field, Secret):
                field.set_stored(None, None)


class JoinForm(FormWithPasswords):
    """A new user who joins by an invitation link."""

    name = make_input(UserValues, "name", span=SPAN_WHOLE)
    email = make_input(UserValues, "email", span=SPAN_WHOLE)
    password = make_input(UserValues, "password", span=SPAN_WHOLE)


class ResetForm(FormWithPasswords):
    """A new password, by a password reset link."""

    password = make_input(PasswordValues, "password", span=SPAN_WHOLE)


class ChangePasswordForm(FormWithPasswords):
    """A new password for the user who is signed in."""

    current_password = make_input(NewPasswordValues, "current_password", span=SPAN_WHOLE)
    password = make_input(NewPasswordValues, "password", span=SPAN_WHOLE)


class DetailsForm(FormWithPasswords):
    """The name and the email address of the user who is signed in."""

    name = make_input(OwnDetailsValues, "name", span=SPAN_WHOLE)
    email = make_input(OwnDetailsValues, "email", span=SPAN_WHOLE)
    # Its own id: the dialog with this form opens on the page that changes the password.
    current_password = Secret(
        input_spec(OwnDetailsValues, "current_password", span=SPAN_WHOLE), id="password-for-details"
    )


class SetUpFactorForm(FormWithPasswords):
    """The set-up of a second factor: the first code of the app, and the password."""

    code = Text(Spec("Code", "The six digits that the app shows now.", span=SPAN_WHOLE, is_mono=True))
    current_password = make_input(NewPasswordValues, "current_password", span=SPAN_WHOLE)


class RemoveFactorForm(CodeForm, FormWithPasswords):
    """The removal of a second factor: the password, and a code."""

    # Its own id: the dialog with this form opens on the page that changes the password.
    current_password = Secret(
        input_spec(NewPasswordValues, "current_password", span=SPAN_WHOLE), id="password-for-removal"
    )


class AccountForm(ConsoleForm):
    """The name of the account."""

    name = make_input(AccountName, "name", span=SPAN_WHOLE)


class DeleteAccountForm(ConsoleForm):
    """The deletion of the account, confirmed by typing its name."""

    # Its own id: the dialog with this form opens on the page that renames the account.
    name = Text(
        Spec("Name of the organisation", "Type it exactly as it is shown above.", span=SPAN_WHOLE), id="typed-name"
    )
