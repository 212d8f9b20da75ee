"""What a valid account is: its name, and its first admin."""

from typing import Annotated

from agents_app.schemas.users import UserValues
from agents_app.values import limits
from agents_app.values.fields import Schema, field
from agents_app.values.rules import line


class AccountName(Schema):
    """The name of an account."""

    name: Annotated[str, line(limits.NAME)] = field("Organisation", missing="Enter the name of your organisation.")


class AccountValues(UserValues):
    """An account and its first admin."""

    account_name: Annotated[str, line(limits.NAME)] = field(
        "Organisation", "Everyone whom you invite sees this name.", missing="Enter the name of your organisation."
    )
