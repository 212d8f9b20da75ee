"""The forms of people who are not signed in: signing in, and the set-up of the first account."""

from typing import Any

from agents_app.schemas.accounts import AccountValues
from agents_app.schemas.users import UserValues
from agents_app.web.forms.base import ConsoleForm
from agents_app.web.forms.from_schema import input_spec, make_input
from agents_app.web.forms.inputs import SPAN_WHOLE, Spec, Text
from agents_app.web.forms.secret_input import Secret


class SignInForm(ConsoleForm):
    """The form of the sign-in page. An error does not say whether the email address or the password is wrong."""

    email = Text(input_spec(UserValues, "email", span=SPAN_WHOLE))
    password = Secret(input_spec(UserValues, "password", span=SPAN_WHOLE, hint=""))


class CodeForm(ConsoleForm):
    """A code of the second factor, or a recovery code, which a phone's keypad for numbers cannot type."""

    code = Text(Spec("Code", "The six digits that your authenticator app shows.", span=SPAN_WHOLE, is_mono=True))
    recovery_code = Text(
        Spec("Recovery code", "One of the codes that you kept when you set it up.", span=SPAN_WHOLE, is_mono=True)
    )

    def values(self) -> dict[str, Any]:
        """The recovery code, if there is one, else the code."""
        return {**super().values(), "code": self.recovery_code.data or self.code.data or ""}

    def add_error(self, pointer: str, sentence: str) -> None:
        """Add an error to the code that was typed."""
        is_recovery = pointer == "/code" and bool(self.recovery_code.data)
        super().add_error("/recovery_code" if is_recovery else pointer, sentence)


class SetupForm(ConsoleForm):
    """The first account and its admin."""

    code = Text(Spec("Set-up code", "The server printed it when it started.", span=SPAN_WHOLE, is_mono=True))
    account_name = make_input(AccountValues, "account_name", span=SPAN_WHOLE)
    name = make_input(AccountValues, "name", span=SPAN_WHOLE)
    email = make_input(AccountValues, "email", span=SPAN_WHOLE)
    password = make_input(AccountValues, "password", span=SPAN_WHOLE)

    def values(self) -> dict[str, Any]:
        """The values of the account and its admin, without the set-up code."""
        return {name: value for name, value in super().values().items() if name != "code"}
