"""Who acts when a command runs: the operating-system user, as an admin of an account."""

import getpass
import os

from agents_app.config import settings
from agents_app.operations import accounts
from agents_app.operations.permissions import Actor


def terminal_actor(account: str | None) -> Actor:
    """The actor of a command: an admin of the account, named after the operating-system user.

    Raises ConfigurationError if a key is missing or invalid, and NotFound if `account` does not name exactly one.
    """
    require_keys()
    return accounts.terminal_actor(operator_name(), account)


def operator_name() -> str:
    """The name under which events and agents show the terminal's user, such as root (terminal)."""
    try:
        # The name comes from the environment, which can contain any bytes.
        name = getpass.getuser().encode(errors="replace").decode()
    except (OSError, KeyError):
        # In a container, the user often has a number and no name.
        name = f"user {os.getuid()}"
    return f"{name} (terminal)"


def require_keys() -> None:
    """Raise ConfigurationError with the name of the setting if a key is missing or weak."""
    _ = settings().keys
