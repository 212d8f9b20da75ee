"""Which addresses a test may connect to. A host is resolved once, every address is checked, and one of them is used.

Because the checked address itself is connected to, a second answer of DNS cannot change where a test connects.
"""

import socket
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Any

from agents_app.probes.recorder import ProbeFailed
from agents_app.values.host_names import read_host

Address = IPv4Address | IPv6Address

# Addresses where a cloud shows its servers their metadata, credentials included, and addresses that are not one host.
BLOCKED = tuple(
    map(
        ip_network,
        (
            "0.0.0.0/8",  # this host
            "100.100.100.200",  # metadata: Alibaba Cloud
            "168.63.129.16",  # metadata: Azure
            "169.254.0.0/16",  # link-local, and metadata of most clouds
            "192.0.0.0/24",  # protocol assignments, and metadata: Oracle Cloud
            "224.0.0.0/4",  # multicast
            "240.0.0.0/4",  # reserved, and broadcast
            "fd00:42::42",  # metadata: Scaleway
            "fd00:100::100:200",  # metadata: Alibaba Cloud
            "fd00:a9fe:a9fe::/64",  # metadata: Akamai
            "fd00:c1::a9fe:a9fe",  # metadata: Oracle Cloud
            "fd00:ec2::/32",  # metadata: AWS
            "fd20:ce::/64",  # metadata: Google Cloud
        ),
    )
)
# All other IPv6 addresses are reserved, multicast, link-local, site-local or unspecified.
USABLE_IPV6 = tuple(map(ip_network, ("2000::/3", "fc00::/7", "64:ff9b::/96", "64:ff9b:1::/48")))
NAT64, LOCAL_NAT64 = ip_network("64:ff9b::/96"), ip_network("64:ff9b:1::/48")
# The lengths of the prefixes of translators inside LOCAL_NAT64 (RFC 6052, section 2.2).
LOCAL_NAT64_LENGTHS = (48, 56, 64, 96)
THIS_NETWORK = ip_network("0.0.0.0/8")
LOOPBACK = tuple(map(ip_network, ("127.0.0.0/8", "::1/128")))
NO_SUCH_NAME = {socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME)}


@dataclass(frozen=True)
class AddressRules:
    """Which addresses a test may connect to. It contains JSON types only, so that a child process can receive it."""

    networks: tuple[str, ...] = ()
    """If there are any, an address must be in one of these networks (CIDR). They allow nothing that is blocked."""
    allows_loopback: bool = False
    blocked: tuple[tuple[str, int], ...] = ()
    """Hosts and ports that are blocked: the console's own database. A Unix socket is written as localhost."""

    def to_json(self) -> dict[str, Any]:
        """The rules in JSON types."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "AddressRules":
        """The rules that `to_json` wrote."""
        blocked = tuple((str(host), int(port)) for host, port in values["blocked"])
        return cls(tuple(values["networks"]), bool(values["allows_loopback"]), blocked)


def resolve(host: str, port: int, rules: AddressRules) -> list[str]:
    """The addresses of a host, in the order in which to try them. Raises ProbeFailed if one of them is not allowed."""
    name = read_host(host)
    if name is None:
        raise ProbeFailed("host_invalid", host=host)
    found = _look_up(name, port)
    addresses = [ip_address(text) for text in found]
    if not all(_is_usable(part, rules.allows_loopback) for address in addresses for part in _meanings(address)):
        raise ProbeFailed("address_blocked", host=host)
    if not all(_is_in_networks(address, rules.networks) for address in addresses):
        raise ProbeFailed("network_not_allowed", host=host)
    if _is_blocked_host(name, found, port, rules):
        raise ProbeFailed("port_blocked", host=host, port=port)
    return found


def _look_up(name: str, port: int) -> list[str]:
    try:
        answers = socket.getaddrinfo(name, port, type=socket.SOCK_STREAM)
    except socket.gaierror as error:
        raise ProbeFailed("host_unknown" if error.errno in NO_SUCH_NAME else "dns_failed", host=name) from None
    # The zone of a link-local address is dropped: such an address is not allowed.
    return list(dict.fromkeys(str(answer[4][0]).partition("%")[0] for answer in answers))


def _is_in_networks(address: Address, networks: Iterable[str]) -> bool:
    # An address inside this one is of another network.
    own = _without_mapping(address)
    return not networks or any(own in ip_network(network) for network in networks)


def _is_usable(address: Address, allows_loopback: bool) -> bool:
    if any(address in network for network in LOOPBACK):
        return allows_loopback
    if isinstance(address, IPv6Address) and not any(address in network for network in USABLE_IPV6):
        return False
    return not any(address in network for network in BLOCKED)


def _meanings(address: Address) -> Iterator[Address]:
    """The address itself, then every address to which what is sent there may go."""
    yield (own := _without_mapping(address))
    yield from _embedded(own)


def _without_mapping(address: Address) -> Address:
    """The IPv4 address that an IPv4-mapped address means to every system, and any other address as it is."""
    return (address.ipv4_mapped or address) if isinstance(address, IPv6Address) else address


def _embedded(address: Address) -> Iterator[IPv4Address]:
    """The IPv4 addresses to which a translator or tunnel may send what is sent to this IPv6 address."""
    if not isinstance(address, IPv6Address):
        return
    if address.sixtofour:
        yield address.sixtofour
    if address.teredo:
        yield from address.teredo
    if address in NAT64 or _is_isatap(address):
        yield IPv4Address(int(address) & 0xFFFFFFFF)
    if address in LOCAL_NAT64:
        found = (_translated(address, length) for length in LOCAL_NAT64_LENGTHS)
        # An address of this network, read with the length of another prefix, often begins with zeros.
        yield from (one for one in found if one not in THIS_NETWORK)


def _is_isatap(address: IPv6Address) -> bool:
    """Whether the interface identifier is that of ISATAP (RFC 5214, section 6.1)."""
    return int(address) >> 32 & 0xFDFFFFFF == 0x5EFE


def _translated(address: IPv6Address, length: int) -> IPv4Address:
    """The IPv4 address after a prefix of this length (RFC 6052, section 2.2). Bits 64 to 71 are not a part of it."""
    number, bits = int(address), 128
    if length < 96:
        number, bits = number >> 64 << 56 | number & (1 << 56) - 1, 120
    return IPv4Address(number >> (bits - length - 32) & 0xFFFFFFFF)


def _is_blocked_host(name: str, found: Iterable[str], port: int, rules: AddressRules) -> bool:
    hosts = [host for host, blocked_port in rules.blocked if blocked_port == port]
    # A name that has several addresses may answer with other ones each time.
    if name.removesuffix(".") in {host.lower().removesuffix(".") for host in hosts}:
        return True
    blocked = {_without_mapping(ip_address(text)) for host in hosts for text in _addresses_of(host, port)}
    addresses = [address for text in found for address in _meanings(ip_address(text))]
    # A server on this machine can be reached at each of its addresses.
    blocks_own = any(_is_of_this_machine(address, port) for address in blocked)
    return any(address in blocked or (blocks_own and _is_of_this_machine(address, port)) for address in addresses)


def _addresses_of(host: str, port: int) -> list[str]:
    try:
        return _look_up(host, port)
    except ProbeFailed:
        return []


def _is_of_this_machine(address: Address, port: int) -> bool:
    """Whether this machine has the address. Nothing is sent: only the system's choice of a source address is read."""
    if any(address in network for network in LOOPBACK):
        return True
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((str(address), port))
            return bool(probe.getsockname()[0] == str(address))
    except OSError:
        return False
