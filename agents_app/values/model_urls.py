"""Reads the base URL of a model provider: an origin with an optional path, to which the API key is sent."""

import re
from urllib.parse import unquote

from agents_app.values import limits, origins
from agents_app.values.address_rules import AddressReader, why_no_host
from agents_app.values.fields import Rule, refusal
from agents_app.values.host_names import is_private_address, read_host
from agents_app.values.origins import Origin
from agents_app.values.pasted import unwrap
from agents_app.values.text import clean_text, require_text
from agents_app.wording import number_text

A_URL = "Write https://, a host, and an optional port and path, such as https://api.openai.com/v1."
BAD_HOST = "The host of the URL is not valid."
A_PORT = f"The port of the URL must be between 1 and {number_text(limits.PORT)}."
NO_LOGIN = "Remove the user name and password from the URL. The API key belongs in the field API key."
NO_QUERY = "Remove the part of the URL from ? or # on."
A_PATH = "Write the path of the URL without spaces, backslashes and parts such as .. or //."
NOT_PUBLIC = (
    "Use https. Without TLS, the API key can be sent only to the computer of the console and to private networks, "
    + "such as http://localhost:11434."
)
SCHEME = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)
PATH = re.compile(r"(/[A-Za-z0-9._~!$&'()*+,;=:@%-]+)*/?")
# Names that public DNS does not have: of this computer, and of private networks (RFC 6761, RFC 6762, RFC 8375).
PRIVATE_NAMES = ("localhost", "local", "internal", "private", "intranet", "corp", "home", "lan", "svc", "home.arpa")
# What a page does not show again: from these characters on, a URL may contain a password or a key.
NOT_SHOWN = AddressReader(lambda _text: None, re.compile("[@?#]"))


def base_url() -> Rule:
    """An https URL, or an http URL of this computer or a private network, without a final slash."""

    def check(value: object) -> str:
        text = clean_text(unwrap(require_text(value)), most=limits.MODEL_BASE_URL, one_line=True)
        authority, rest = _parts(text)
        if "@" in authority:
            raise refusal(NO_LOGIN)
        if "?" in rest or "#" in rest:
            raise refusal(NO_QUERY)
        origin, path = _origin_and_path(text)
        # A server decodes the path before it follows it.
        if not PATH.fullmatch(path) or {".", ".."} & set(re.split(r"[/\\]", unquote(path))):
            raise refusal(A_PATH)
        if origin.scheme == "http" and not is_private(origin.host):
            raise refusal(NOT_PUBLIC)
        return f"{origin}{path.rstrip('/')}"

    return Rule(check, {"format": "uri", "maxLength": limits.MODEL_BASE_URL})


def _origin_and_path(text: str) -> tuple[Origin, str]:
    """The origin of a URL, whose host obeys the rule for every host of an agent, and the rest of the URL."""
    found = origins.ADDRESS.fullmatch(text)
    place = found and origins.PLACE.fullmatch(found["place"])
    if not found or not place:
        raise refusal(A_URL)
    scheme, host = found["scheme"].lower(), read_host(place["host"])
    port = int(place["port"] or origins.DEFAULT_PORTS[scheme])
    if host is None:
        raise refusal(f"{BAD_HOST} {why_no_host(place['host'])}")
    if not 1 <= port <= limits.PORT:
        raise refusal(A_PORT)
    return Origin(scheme, host, port), found["rest"]


def is_private(host: str) -> bool:
    """Whether a host is certainly this computer or in a private network. The address of a name is not looked up."""
    try:
        return is_private_address(host)
    except ValueError:
        return "." not in host or any(host.endswith(f".{name}") for name in PRIVATE_NAMES)


def _parts(text: str) -> tuple[str, str]:
    """The text between the scheme and the path, and everything after it."""
    bare = SCHEME.sub("", text, count=1)
    place = re.split(r"[/?#\\]", bare, maxsplit=1)[0]
    return place, bare[len(place) :]
