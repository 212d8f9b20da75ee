"""The forms of people who are not signed in: signing in, and the set-up of the first account."""

from typing import Any

from agents_app.schemas.accounts import AccountValues
from agents_app.schemas.users import UserValues
from agents_app.web.forms.base import ConsoleForm
from agents_app.web.forms.from_schema import make, spec_of
from agents_app.web.forms.inputs import SPAN_WHOLE, Spec, Text
from agents_app.web.forms.secret_input import Secret


class SignInForm(ConsoleForm):
    """Who somebody is; what is wrong is not told apart."""

    email = Text(spec_of(UserValues, "email", span=SPAN_WHOLE))
    password = Secret(spec_of(UserValues, "password", span=SPAN_WHOLE, hint=""))


class SetupForm(ConsoleForm):
    """The first account and its admin."""

    code = Text(Spec("Set-up code", "The server printed it at its start.", span=SPAN_WHOLE, is_mono=True))
    account_name = make(AccountValues, "account_name", span=SPAN_WHOLE)
    name = make(AccountValues, "name", span=SPAN_WHOLE)
    email = make(AccountValues, "email", span=SPAN_WHOLE)
    password = make(AccountValues, "password", span=SPAN_WHOLE)

    def values(self) -> dict[str, Any]:
        """The account's and its admin's; the code is no part of them."""
        return {name: value for name, value in super().values().items() if name != "code"}
