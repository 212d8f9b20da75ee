"""The forms of users and of their account: invitation, role, passwords, name and deletion of the account."""

from agents_app.schemas.accounts import AccountName
from agents_app.schemas.users import NewPasswordValues, PasswordValues, RoleValues, UserValues
from agents_app.values.choices import Role
from agents_app.web.forms.base import ConsoleForm, FormData
from agents_app.web.forms.from_schema import make, spec_of
from agents_app.web.forms.inputs import SPAN_WHOLE, Choice, Spec, Text
from agents_app.web.forms.secret_input import Secret

ROLE_NAMES = {Role.VIEWER.value: "Viewer", Role.EDITOR.value: "Editor", Role.ADMIN.value: "Admin"}
A_ROLE = {Role.VIEWER.value: "a viewer", Role.EDITOR.value: "an editor", Role.ADMIN.value: "an admin"}
ROLE_LABELS = {
    Role.VIEWER.value: "Viewer: sees everything but secrets",
    Role.EDITOR.value: "Editor: also creates and changes agents",
    Role.ADMIN.value: "Admin: also deletes, and manages people, tokens, account",
}


class RoleForm(ConsoleForm):
    """What a person may do."""

    role = Choice(spec_of(RoleValues, "role", span=SPAN_WHOLE, labels=ROLE_LABELS), default=Role.VIEWER.value)


class PasswordsForm(ConsoleForm):
    """A form with passwords; where one was typed and refused it says that it is not kept."""

    def __init__(self, formdata: FormData | None = None) -> None:
        super().__init__(formdata)
        for field in self.inputs():
            if isinstance(field, Secret):
                field.store(None, None)


class JoinForm(PasswordsForm):
    """Somebody who joins by a link."""

    name = make(UserValues, "name", span=SPAN_WHOLE)
    email = make(UserValues, "email", span=SPAN_WHOLE)
    password = make(UserValues, "password", span=SPAN_WHOLE)


class ResetForm(PasswordsForm):
    """A new password, by a link."""

    password = make(PasswordValues, "password", span=SPAN_WHOLE)


class PasswordForm(PasswordsForm):
    """A new password, by somebody who is signed in."""

    current_password = make(NewPasswordValues, "current_password", span=SPAN_WHOLE)
    password = make(NewPasswordValues, "password", span=SPAN_WHOLE)


class AccountForm(ConsoleForm):
    """What the account is called."""

    name = make(AccountName, "name", span=SPAN_WHOLE)


class FarewellForm(ConsoleForm):
    """The account's name, typed to show that its deletion is meant."""

    # An id of its own: as a dialog the form stands on the page where the account is renamed.
    name = Text(Spec("Name of the account", "Type it as it stands above.", span=SPAN_WHOLE), id="typed-name")
