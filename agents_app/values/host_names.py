"""Reads host names and IP addresses. It imports little, because each test of a connection uses it in a new process."""

import ipaddress
import re

from agents_app.values import limits

# The resolver of the system reads this as an IPv4 address in an unusual spelling.
NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
HOST_PART_MAX = 63
HOST_LABEL = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?")

# Networks that the Internet does not reach: of this computer, private (RFC 1918, RFC 4193) and shared (RFC 6598).
# A key may be sent there without TLS.
PRIVATE_NETWORKS = tuple(
    map(
        ipaddress.ip_network,
        ("127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "::1/128", "fc00::/7"),
    )
)


def read_host(text: str) -> str | None:
    """A host name, without a final dot, or an IP address, in its usual spelling. None if the text is neither."""
    host = text.lower()
    if address := parse_ip_address(host):
        return address
    return None if not is_host_name(host) or ends_with_number(host) else host.removesuffix(".")


def ends_with_number(text: str) -> bool:
    """Whether browsers and the resolver read a host as an IPv4 address, perhaps in an unusual spelling."""
    return NUMBER.fullmatch(text.lower().removesuffix(".").rpartition(".")[2]) is not None


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


def is_private_address(text: str) -> bool:
    """Whether an IP address is of this computer or of a private or shared network. Raises ValueError for a name."""
    address = ipaddress.ip_address(text)
    mapped = getattr(address, "ipv4_mapped", None) or address
    return any(mapped in network for network in PRIVATE_NETWORKS)


def is_loopback(host: str) -> bool:
    """Whether a host is this computer: a loopback address, localhost, or a name that ends with .localhost."""
    if address := parse_ip_address(host):
        return ipaddress.ip_address(address).is_loopback
    return host == "localhost" or host.endswith(".localhost")
