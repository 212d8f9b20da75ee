"""What the provider publishes about itself (OpenID Connect Discovery 1.0), checked before it is used."""

from dataclasses import dataclass
from typing import Any

from agents_app.sign_on.errors import ProviderUnavailable
from agents_app.values.host_names import is_loopback
from agents_app.values.issuers import Issuer
from agents_app.values.origins import split

URL_MAX = 2_000


@dataclass(frozen=True)
class Metadata:
    """The parts of a discovery document that this client uses."""

    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    end_session_endpoint: str | None
    takes_secret_in_body: bool
    """Whether the token endpoint takes the client secret in the body, otherwise in the header."""
    sends_issuer: bool
    """Whether every answer of the provider names its issuer (RFC 9207)."""


def read(document: Any, issuer: Issuer) -> Metadata:
    """Check a discovery document. Raises ProviderUnavailable with a sentence that names the wrong member."""
    if not isinstance(document, dict) or not isinstance(document.get("issuer"), str):
        raise ProviderUnavailable(f"{issuer.configuration_url} is not the document of an OpenID provider.")
    if document["issuer"] != issuer.url:
        # The text is the provider's, and is shown to the operator only if it is a URL.
        given = document["issuer"] if _is_safe(document["issuer"], issuer) else "another text"
        raise ProviderUnavailable(f"OIDC_ISSUER is {issuer.url}, but the provider calls itself {given}.")
    if "S256" not in _texts(document, "code_challenge_methods_supported", "S256"):
        raise ProviderUnavailable(f"{issuer.host} does not support PKCE with S256, which the console needs.")
    methods = _texts(document, "token_endpoint_auth_methods_supported", "client_secret_basic")
    if not {"client_secret_basic", "client_secret_post"}.intersection(methods):
        raise ProviderUnavailable(f"{issuer.host} takes no client secret, which is how the console signs in there.")
    return Metadata(
        authorization_endpoint=_endpoint(document, "authorization_endpoint", issuer),
        token_endpoint=_endpoint(document, "token_endpoint", issuer),
        jwks_uri=_endpoint(document, "jwks_uri", issuer),
        end_session_endpoint=(
            _endpoint(document, "end_session_endpoint", issuer) if document.get("end_session_endpoint") else None
        ),
        # Without the member, the header is what every provider takes (section 3 of Discovery).
        takes_secret_in_body="client_secret_post" in methods,
        sends_issuer=document.get("authorization_response_iss_parameter_supported") is True,
    )


def _texts(document: dict[str, Any], name: str, default: str) -> list[str]:
    # Entra ID supports PKCE and does not say so.
    found = document.get(name, [default])
    return [text for text in found if isinstance(text, str)] if isinstance(found, list) else []


def _endpoint(document: dict[str, Any], name: str, issuer: Issuer) -> str:
    url = document.get(name)
    if not isinstance(url, str) or not _is_safe(url, issuer):
        raise ProviderUnavailable(f"{issuer.host} publishes no https URL as its {name}.")
    return url


def _is_safe(url: str, issuer: Issuer) -> bool:
    # A provider on the internet has no business with programs on this machine.
    is_local = issuer.url.startswith("http:")
    try:
        origin, rest = split(url)
    except ValueError:
        return False
    is_plain = len(url) <= URL_MAX and url.isascii() and url.isprintable() and " " not in url and "#" not in rest
    return is_plain and (origin.scheme == "https" or (is_local and is_loopback(origin.host)))
