"""Reads host names and IP addresses. It imports little, because each test of a connection uses it in a new process."""

import ipaddress
import re

from agents_app.values import limits

# The resolver of the system reads this as an IPv4 address in an unusual spelling.
NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
HOST_LABEL = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?")


def read_host(text: str) -> str | None:
    """A host name or IP address in its usual spelling. None if the text is neither."""
    host = text.lower()
    if address := parse_ip_address(host):
        return address
    is_number = NUMBER.fullmatch(host.removesuffix(".").rpartition(".")[2])
    return host if is_host_name(host) and not is_number else None


def is_host_name(text: str) -> bool:
    """Whether the text is a DNS name in ASCII."""
    labels = text.removesuffix(".").split(".")
    return len(text) <= limits.HOST and all(HOST_LABEL.fullmatch(label) for label in labels)


def parse_ip_address(text: str) -> str | None:
    """An IP address in its usual spelling; IPv6 with or without brackets. None if the text is not one."""
    is_bracketed = text.startswith("[") and text.endswith("]")
    read = ipaddress.IPv6Address if is_bracketed else ipaddress.ip_address
    try:
        # After a percent sign the standard library accepts any text, also a comma and another host.
        return None if "%" in text else str(read(text[1:-1] if is_bracketed else text))
    except ValueError:
        return None
