"""Reads origins: scheme, host and port, for PUBLIC_URL and the headers `Host` and `Origin`."""

import re
import unicodedata
from dataclasses import dataclass

from agents_app.values import limits
from agents_app.values.host_names import parse_ip_address, read_host

DEFAULT_PORTS = {"http": 80, "https": 443}
ADDRESS = re.compile(r"(?P<scheme>https?)://(?P<place>[^/?#\\]+)(?P<rest>.*)", re.IGNORECASE | re.DOTALL)
PLACE = re.compile(r"(?P<host>\[[^\[\]]+\]|[^\[\]:@]+)(:(?P<port>[0-9]{0,5}))?")


@dataclass(frozen=True)
class Origin:
    """A scheme, a host in its normal spelling (IPv6 without brackets) and a port, compared as browsers do."""

    scheme: str
    host: str
    port: int

    @property
    def place(self) -> str:
        """Host and port as in a URL, without the default port of the scheme."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"

    def __str__(self) -> str:
        return f"{self.scheme}://{self.place}"


def split(text: str) -> tuple[Origin, str]:
    """The origin of an http or https URL, and the rest of the URL. Raises ValueError if the text is not a URL."""
    found = ADDRESS.fullmatch(text)
    if found is None:
        raise ValueError("This is not an http or https URL.")
    return read_place(found["place"], found["scheme"].lower()), found["rest"]


def read(text: str) -> Origin:
    """An origin without a path, as in the header `Origin`. Raises ValueError."""
    origin, rest = split(text)
    if rest:
        raise ValueError("This is more than an origin.")
    return origin


def read_place(text: str, scheme: str) -> Origin:
    """The origin of a host with an optional port, as in the header `Host`, and this scheme. Raises ValueError."""
    found = PLACE.fullmatch(text)
    host = normalise_host(found["host"]) if found else None
    port = int(found["port"] or DEFAULT_PORTS[scheme]) if found else 0
    if host is None or not 1 <= port <= limits.PORT:
        raise ValueError("This is not a host with an optional port.")
    return Origin(scheme, host, port)


def normalise_host(text: str) -> str | None:
    """The normal spelling of a host: lower case, ASCII, without a final dot. None if it is not a host.

    An IPv6 address must be in brackets, which are removed.
    """
    if address := parse_ip_address(text):
        return address
    # No host is longer, and the time of Punycode grows with the square of the length.
    name = _in_ascii(text) if len(text) <= limits.HOST else ""
    return read_host(name)


def _in_ascii(text: str) -> str:
    # As browsers do. The codec of the standard library implements an older standard, in which ß is ss.
    labels = unicodedata.normalize("NFKC", text.lower()).split(".")
    return ".".join(label if label.isascii() else _punycode(label) for label in labels)


def _punycode(label: str) -> str:
    is_readable = all(char.isascii() or unicodedata.category(char)[0] in "LMNS" for char in label)
    return f"xn--{label.encode('punycode').decode()}" if is_readable else label
