"""Checks that turn the text of a setting into its value; `config.py` says which setting uses which check.

Every check raises ValueError with the rest of a sentence that begins with the name of the setting.
"""

import ipaddress
import re
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta

from agents_app.values import limits, origins
from agents_app.values.host_names import parse_ip_address
from agents_app.wording import number_text

# Only characters that are never percent-encoded. The segments "." and ".." would change the path.
SUB_PATH = re.compile(r"(/(?!\.\.?(/|$))[A-Za-z0-9._~-]+)*/?")
# The bits before the IPv4 address in an IPv4-mapped IPv6 address, such as ::ffff:192.0.2.1.
MAPPED_BITS = 96
# A name that needs no quotes in SQL.
SCHEMA = re.compile(r"[a-z_][a-z0-9_]{0,62}")


def whole_number(least: int, most: int) -> Callable[[str], int]:
    """A check for a whole number between these bounds."""

    def check(text: str) -> int:
        if not (text.isascii() and text.isdigit() and least <= int(text) <= most):
            raise ValueError(f"must be a whole number from {number_text(least)} to {number_text(most)}.")
        return int(text)

    return check


def boolean(text: str) -> bool:
    """True or false."""
    if text.lower() not in ("true", "false", "1", "0", "yes", "no"):
        raise ValueError("must be true or false.")
    return text.lower() in ("true", "1", "yes")


def on_or_off(text: str) -> bool:
    """On or off."""
    if text.lower() not in ("on", "off"):
        raise ValueError("must be on or off.")
    return text.lower() == "on"


def networks(text: str) -> tuple[str, ...]:
    """IP networks, separated by commas."""
    parts = text.split(",")
    return tuple(_network(part.strip(), f"{number} of {len(parts)}") for number, part in enumerate(parts, 1))


def _network(text: str, place: str) -> str:
    try:
        found = ipaddress.ip_network(text, strict=False)
    except ValueError:
        # The text is not repeated: it can be the value of another setting.
        raise ValueError(
            f"has a part that is not a network: part {place}. Write networks separated by commas, such as 10.0.0.0/8, "
            + "192.168.7.0/24."
        ) from None
    if "%" in text:
        raise ValueError(f"has {text.partition('%')[0]} with a zone (%), which no address of a test has.")
    if found.is_link_local or found.is_multicast:
        raise ValueError(f"has {text}, where tests never connect: link-local and multicast addresses are not allowed.")
    first = found.network_address
    if isinstance(first, ipaddress.IPv6Address) and first.ipv4_mapped and found.prefixlen >= MAPPED_BITS:
        found = ipaddress.ip_network((first.ipv4_mapped, found.prefixlen - MAPPED_BITS))
        raise ValueError(f"has {text}, which no address matches. Did you mean {found}?")
    if ipaddress.ip_interface(text).ip != first:
        raise ValueError(f"has {text}, which is an address and not a network. Did you mean {found}?")
    return str(found)


def minutes(text: str) -> timedelta:
    """A duration in minutes, at most a week."""
    return timedelta(minutes=whole_number(1, 7 * 24 * 60)(text))


def address(text: str) -> tuple[str, int]:
    """An IP address and a port."""
    written, _, port = text.rpartition(":")
    host = parse_ip_address(written)
    try:
        if host:
            return host, whole_number(1, limits.PORT)(port)
    except ValueError:
        pass
    raise ValueError(f"must be an IP address and a port from 1 to {number_text(limits.PORT)}, such as 127.0.0.1:8000.")


def public_url(text: str) -> str:
    """The URL of the console in a browser, normalised."""
    with suppress(ValueError):
        origin, rest = origins.split(text)
        if SUB_PATH.fullmatch(rest):
            return f"{origin}{rest.removesuffix('/')}"
    raise ValueError(
        "must be the URL that people open in the browser, such as https://agents.example.org or "
        + "https://example.org/agents. It has http or https, a host, an optional port and an optional path of "
        + "letters, digits, dots, dashes, _ and ~."
    )


def path(text: str) -> str:
    """A path of one segment."""
    if not re.fullmatch(r"/[A-Za-z0-9-]+", text):
        raise ValueError("must be a slash followed by letters, digits or dashes, such as /api-docs.")
    return text


def schema(text: str) -> str:
    """The name of a PostgreSQL schema that needs no quotes."""
    if not SCHEMA.fullmatch(text) or text.startswith("pg_") or text == "information_schema":
        raise ValueError(
            "must have 1 to 63 characters (a-z, 0-9, _). It must not begin with a digit or pg_, and must not be "
            + "information_schema."
        )
    return text
