"""The fields into which people paste whole addresses: it is said what goes where, and no password is shown again."""

import re
from collections.abc import Callable
from dataclasses import dataclass

from agents_app.values.addresses import Parts, read_connection_string, read_database, read_host
from agents_app.values.dataset_addresses import read_dataset
from agents_app.values.fields import Rule, refusal
from agents_app.values.pasted import name_odd_character, unwrap, without_invisible
from agents_app.values.rules import line
from agents_app.values.text import clean_text, refuse_direction_marks, require_text
from agents_app.wording import number_text

HOST_MAX = 253
# Nobody writes a longer address, and a longer text is not searched: strangers may send it.
ADDRESS_MAX = 4_000
# What only an address has, also one that cannot be read. The name of a database may have an at sign, a host may not.
ADDRESS = re.compile(r"""://|\bjdbc:|(password|passwd|pwd)["'\s]*[=:]""", re.IGNORECASE)
ADDRESS_OR_LOGIN = re.compile(rf"{ADDRESS.pattern}|@", re.IGNORECASE)
A_HOST = "Write one host name or IP address, such as db.example.org."
UNREAD = (
    "This looks like an address, but it cannot be read. "
    + "Put each part in its own field, and the password in password."
)
# What a refusal calls the parts whose values it does not repeat: where an address is not written as it must be, they
# may hold a piece of its password.
NOT_REPEATED = {"database": "its database name", "username": "its user name", "sslmode": "its TLS mode"}


@dataclass(frozen=True)
class AddressReader:
    """How a field reads a whole address; `mark` is what none of its own values has."""

    read: Callable[[str], Parts | None]
    mark: re.Pattern[str]

    def parts(self, text: str) -> Parts | None:
        """What the address says; None where the text is none, or longer than any."""
        return self.read(text) if len(text) <= ADDRESS_MAX else None

    def is_unread(self, text: str) -> bool:
        """Whether a text looks like an address, and cannot be read."""
        is_like_one = len(text) <= ADDRESS_MAX and self.mark.search(without_invisible(text)) is not None
        return is_like_one and self.parts(text) is None

    def shown(self, text: str) -> str:
        """A text as a page shows it again: one that looks like an address only up to what may hold its password."""
        bare = without_invisible(text)
        found = self.mark.search(bare)
        if found is None:
            return text
        begin = bare[: found.end()]
        return "" if "@" in begin else begin


HOST = AddressReader(read_database, ADDRESS_OR_LOGIN)
DATABASE = AddressReader(read_connection_string, ADDRESS)
DATASET = AddressReader(read_dataset, ADDRESS_OR_LOGIN)
DATASET_USER = AddressReader(read_dataset, ADDRESS)


def host_name() -> Rule:
    """One DNS name in ASCII, or one IP address, in lower case; of a whole address it is said what goes where."""

    def check(value: object) -> str:
        bare = unwrap(require_text(value))
        refuse_direction_marks(bare)
        text = clean_text(without_invisible(bare), most=4 * HOST_MAX, one_line=True)
        if host := read_host(text):
            return host
        _refuse_address(text, HOST)
        if len(text) > HOST_MAX:
            raise refusal(f"Use at most {number_text(HOST_MAX)} characters.")
        raise refusal(name_odd_character(A_HOST, text))

    return Rule(check, {"maxLength": HOST_MAX})


def plain_name(most: int, reader: AddressReader = DATABASE, unread: str = UNREAD) -> Rule:
    """A text on one line that is no whole address, such as a user name; of an address it is said what goes where."""
    rule = line(most)

    def check(value: object) -> object:
        if isinstance(value, str):
            _refuse_address(value, reader, unread)
        return rule.check(value)

    return Rule(check, rule.schema)


def not_a_dataset_address(rule: Rule) -> Rule:
    """The same rule, but of the address of a dataset it is said what goes where."""

    def check(value: object) -> object:
        if isinstance(value, str) and (parts := DATASET.parts(value)):
            raise refusal(advice(parts))
        return rule.check(value)

    return Rule(check, rule.schema)


def advice(parts: Parts) -> str:
    """What to do with an address that was sent in place of one of its parts. Never repeats a password."""
    told = [f"{NOT_REPEATED.get(name, value)} in {name}" for name, value in parts.values.items()]
    told += ["its password in password"] if parts.has_password else []
    some, last = ", ".join(told[:-1]), told[-1]
    return f"This is a whole address: put {f'{some} and {last}' if some else last}.{advice_on_instance(parts)}"


def advice_on_instance(parts: Parts) -> str:
    """What to do about a named instance, with a space in front; empty where there is none or its port is known."""
    is_known = not parts.instance or "port" in parts.values
    return "" if is_known else f" The instance {parts.instance} has no field: put its port in port."


def _refuse_address(text: str, reader: AddressReader, unread: str = UNREAD) -> None:
    if parts := reader.parts(text):
        raise refusal(advice(parts))
    if reader.is_unread(text):
        raise refusal(unread)
