"""Rules of fields in which people paste whole addresses. A refusal says which part belongs in which field."""

import re
from collections.abc import Callable
from dataclasses import dataclass

from agents_app.values import limits
from agents_app.values.addresses import Parts, read_connection_string, read_database
from agents_app.values.dataset_addresses import read_dataset
from agents_app.values.fields import Rule, refusal
from agents_app.values.host_names import HOST_PART_MAX, ends_with_number, read_host
from agents_app.values.pasted import name_odd_character, unwrap, without_invisible
from agents_app.values.rules import line
from agents_app.values.text import clean_text, refuse_direction_marks, require_text
from agents_app.wording import number_text

# A longer text is not searched, so that a request with a very long one costs little.
ADDRESS_MAX = 4_000
# Only an address contains this. The name of a database can contain an at sign, and a host cannot.
ADDRESS = re.compile(r"""://|\bjdbc:|(password|passwd|pwd)["'\s]*[=:]""", re.IGNORECASE)
# Without any of these, such a text has a password only.
WHOLE_ADDRESS = re.compile(r"://|\bjdbc:|[@;]|\b(host|server|data source)\s*=", re.IGNORECASE)
ADDRESS_OR_LOGIN = re.compile(rf"{ADDRESS.pattern}|@", re.IGNORECASE)
A_HOST = "Write one host name or IP address, such as db.example.org."
AN_IP_ADDRESS = "Write the IP address in its usual form, such as 192.0.2.7."
EMPTY_PART = "The host name has an empty part before or after a dot."
LONG_PART = f"A part of a host name between dots has at most {HOST_PART_MAX} characters."
A_PASSWORD = (
    "This contains what looks like a password. "
    + "Enter only the value of this field here, and the password in the field Password."
)
UNREAD = (
    "This looks like an address, but it cannot be read. "
    + "Enter each part in its own field, and the password in the field Password."
)
# A refusal names these parts without their values: in an address that is not well-formed they may contain a part of the
# password.
NOT_REPEATED = {"database": "the database name", "username": "the user name", "sslmode": "the TLS mode"}
LABELS = {
    "dialect": "Database type",
    "host": "Host",
    "port": "Port",
    "database": "Database name",
    "username": "User name",
    "sslmode": "TLS mode",
    "cloud": "Cloud",
    "tenant_id": "Tenant ID",
    "workspace_id": "Workspace ID",
    "dataset_id": "Dataset ID",
}


@dataclass(frozen=True)
class AddressReader:
    """How a field reads a whole address. `mark` is a pattern that no valid value of the field contains."""

    read: Callable[[str], Parts | None]
    mark: re.Pattern[str]

    def parts(self, text: str) -> Parts | None:
        """The parts of the address. None if the text is not an address, or is too long."""
        return self.read(text) if len(text) <= ADDRESS_MAX else None

    def is_unread(self, text: str) -> bool:
        """Whether a text looks like an address but cannot be read."""
        is_like_one = len(text) <= ADDRESS_MAX and self.mark.search(without_invisible(text)) is not None
        return is_like_one and self.parts(text) is None

    def shown(self, text: str) -> str:
        """A text as a page shows it again: of an address only the part before what may contain its password."""
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
    """One DNS name in ASCII, or one IP address, in lower case. A refused address says which part belongs where."""

    def check(value: object) -> str:
        bare = unwrap(require_text(value))
        refuse_direction_marks(bare)
        text = clean_text(without_invisible(bare), most=4 * limits.HOST, one_line=True)
        if host := read_host(text):
            return host
        _refuse_address(text, HOST)
        raise refusal(why_no_host(text))

    return Rule(check, {"maxLength": limits.HOST})


def why_no_host(text: str) -> str:
    """Why a text is neither a host name nor an IP address."""
    parts = text.removesuffix(".").split(".")
    if len(text) > limits.HOST:
        return f"Use at most {number_text(limits.HOST)} characters."
    if not all("!" <= char <= "~" for char in text):
        return name_odd_character(A_HOST, text)
    if ends_with_number(text):
        return AN_IP_ADDRESS
    if text and not all(parts):
        return EMPTY_PART
    return LONG_PART if max(map(len, parts)) > HOST_PART_MAX else A_HOST


def plain_name(most: int, reader: AddressReader = DATABASE, unread: str = UNREAD) -> Rule:
    """A text on one line that is not a whole address, such as a user name."""
    rule = line(most)

    def check(value: object) -> object:
        if isinstance(value, str):
            _refuse_address(value, reader, unread)
        return rule.check(value)

    return Rule(check, rule.schema)


def not_a_dataset_address(rule: Rule) -> Rule:
    """The same rule, but it refuses the address of a dataset and says which part belongs in which field."""

    def check(value: object) -> object:
        if isinstance(value, str) and (parts := DATASET.parts(value)):
            raise refusal(advice(parts))
        return rule.check(value)

    return Rule(check, rule.schema)


def advice(parts: Parts) -> str:
    """The refusal of an address in place of one of its parts. It never repeats a password."""
    parts_in_fields = [
        f"{NOT_REPEATED.get(name, value)} in the field {LABELS.get(name, name)}" for name, value in parts.values.items()
    ]
    parts_in_fields += ["the password in the field Password"] if parts.has_password else []
    some, last = ", ".join(parts_in_fields[:-1]), parts_in_fields[-1]
    return f"This is a complete address. Enter {f'{some} and {last}' if some else last}.{advice_on_instance(parts)}"


def advice_on_instance(parts: Parts) -> str:
    """What to do about a named instance, with a space in front. Empty without an instance, or if its port is known."""
    is_known = not parts.instance or "port" in parts.values
    return (
        "" if is_known else f" There is no field for the instance {parts.instance}. Enter its port in the field Port."
    )


def _refuse_address(text: str, reader: AddressReader, unread: str = UNREAD) -> None:
    if parts := reader.parts(text):
        raise refusal(advice(parts))
    if reader.is_unread(text):
        raise refusal(unread if WHOLE_ADDRESS.search(without_invisible(text)) else A_PASSWORD)
