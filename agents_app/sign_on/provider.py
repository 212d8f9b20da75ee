"""The identity provider: what it publishes, where people sign in, and who has signed in.

The protocol is OpenID Connect Core 1.0 with the authorisation code flow, PKCE (RFC 7636) and `iss` (RFC 9207).
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from threading import Lock
from typing import Any, Generic, TypeVar
from urllib.parse import quote_plus, urlencode

from authlib.integrations.base_client import OAuthError
from authlib.integrations.requests_client import OAuth2Session
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from agents_app.errors import ConsoleError
from agents_app.sign_on import id_token
from agents_app.sign_on.errors import ProviderUnavailable, SignOnRefused
from agents_app.sign_on.http_client import Client
from agents_app.sign_on.metadata import Metadata
from agents_app.sign_on.metadata import read as read_metadata
from agents_app.values.issuers import Issuer

T = TypeVar("T")

SCOPE = "openid profile email"
# After this time the discovery document is read again. The old one is used while the provider is away.
METADATA_S = 3_600
# After this time the keys are read again, so that a key which the provider withdrew is refused.
KEYS_S = 600
# A token with an unknown key makes this server read the keys again, but not more often than this.
REFRESH_S = 10
# After a failure, the provider is not asked again for this time.
FAILURE_S = 5
# How old a discovery document may be while the provider is away.
OLD_S = 86_400
KEY_TYPES = ("RSA", "EC", "OKP")
# The errors that a provider may send (RFC 6749, sections 4.1.2.1 and 5.2; OpenID Connect Core 1.0, section 3.1.2.6).
REFUSALS = {
    "access_denied": "The provider did not let you in: you stopped, or were not given access to this console there.",
    "login_required": "The provider asks you to sign in there first.",
    "interaction_required": "The provider asks you to sign in there first.",
    "consent_required": "An administrator of the provider has to consent to this console first.",
    "invalid_grant": "The code of the provider has expired or was used already.",
    "invalid_client": "The provider refused this console: OIDC_CLIENT_SECRET is wrong or has expired.",
    "unauthorized_client": "The provider does not let this console use the authorisation code flow.",
    "invalid_request": "The provider refused the request. Compare the redirect URI that is registered there.",
    "invalid_scope": "The provider refused the scopes openid, profile and email.",
    "unsupported_response_type": "The provider does not support the authorisation code flow.",
}


@dataclass(frozen=True)
class Attempt:
    """One sign-in that a browser began, and its three secrets.

    The browser brings `state` back, the ID token has `nonce`, and only this server knows `verifier`.
    """

    state: str
    nonce: str
    verifier: str


class Provider:
    """The provider of the console, with its documents in memory. Threads can share it; each process has its own."""

    def __init__(
        self, issuer: Issuer, client_id: str, client_secret: str, places: int, clock: Callable[[], float] = time.time
    ) -> None:
        self.issuer = issuer
        self.client_id = client_id
        self._client_secret = client_secret
        self._client = Client(issuer.host, places)
        self._clock = clock
        self._metadata = _Cached[Metadata](clock, METADATA_S)
        self._keys = _Cached[KeySet](clock, KEYS_S)

    def metadata(self) -> Metadata:
        """What the provider publishes about itself. Raises ProviderUnavailable."""
        return self._metadata.get(self._fetch_metadata, can_be_old=True)

    def keys(self, is_unknown: bool = False) -> KeySet:
        """The keys of the provider; after an unknown key they are read again. Raises ProviderUnavailable."""
        return self._keys.get(self._fetch_keys, age_max=REFRESH_S if is_unknown else None)

    def authorization_url(self, attempt: Attempt, redirect_uri: str, max_age: int, *, is_again: bool = False) -> str:
        """Where the browser goes to sign in. With `is_again`, the provider asks even if the person is signed in there.

        `max_age` is in seconds. Raises ProviderUnavailable.
        """
        parameters = {
            "response_type": "code",
            "client_id": self.client_id,
            "redirect_uri": redirect_uri,
            "scope": SCOPE,
            "state": attempt.state,
            "nonce": attempt.nonce,
            "code_challenge": create_s256_code_challenge(attempt.verifier),
            "code_challenge_method": "S256",
            "max_age": str(max_age),
        }
        if is_again:
            parameters["prompt"] = "login"
        return with_parameters(self.metadata().authorization_endpoint, parameters)

    def claims(self, attempt: Attempt, redirect_uri: str, answer: Mapping[str, str]) -> dict[str, Any]:
        """The claims about the person with whose sign-in the browser returned. `answer` are the parameters of its URL.

        Raises SignOnRefused, ProviderUnavailable.
        """
        metadata = self.metadata()
        self._check_answer(answer, metadata)
        token = self._exchange(attempt, redirect_uri, answer["code"], metadata)
        access_token = token.get("access_token")
        expected = id_token.Expected(
            self.issuer.url, self.client_id, attempt.nonce, access_token if isinstance(access_token, str) else None
        )
        return id_token.read(token.get("id_token"), self.keys, expected, self._clock)

    def end_session_url(self, return_url: str, login_hint: str | None = None) -> str | None:
        """Where the browser goes to sign out at the provider; None if it does not offer that, or is not known now."""
        try:
            endpoint = self.metadata().end_session_endpoint
        except ProviderUnavailable:
            return None
        parameters = {"client_id": self.client_id, "post_logout_redirect_uri": return_url}
        if login_hint:
            parameters["logout_hint"] = login_hint
        return with_parameters(endpoint, parameters) if endpoint else None

    def _check_answer(self, answer: Mapping[str, str], metadata: Metadata) -> None:
        # Without this check, a provider that attackers control could pass on a code that this one issued.
        if answer.get("iss", None if metadata.sends_issuer else self.issuer.url) != self.issuer.url:
            raise SignOnRefused("The answer does not come from the provider of this console.", code="issuer")
        if error := answer.get("error"):
            raise _refusal(error, self.issuer.host)
        if not answer.get("code"):
            raise SignOnRefused("The provider sent neither a code nor an error.", code="no_code")

    def _exchange(self, attempt: Attempt, redirect_uri: str, code: str, metadata: Metadata) -> dict[str, Any]:
        def fetch(session: OAuth2Session) -> dict[str, Any]:
            token: dict[str, Any] = session.fetch_token(
                metadata.token_endpoint,
                grant_type="authorization_code",
                code=code,
                redirect_uri=redirect_uri,
                code_verifier=attempt.verifier,
                allow_redirects=False,
            )
            return token

        method = "client_secret_post" if metadata.takes_secret_in_body else "client_secret_basic"
        # RFC 6749, section 2.3.1: in the header both are form-encoded first.
        encode = str if metadata.takes_secret_in_body else quote_plus
        try:
            return self._client.run(
                fetch,
                client_id=encode(self.client_id),
                client_secret=encode(self._client_secret),
                token_endpoint_auth_method=method,
            )
        except OAuthError as error:
            raise _refusal(error.error, self.issuer.host) from error

    def _fetch_metadata(self) -> Metadata:
        return read_metadata(self._client.run(_get(self.issuer.configuration_url)), self.issuer)

    def _fetch_keys(self) -> KeySet:
        document = self._client.run(_get(self.metadata().jwks_uri))
        listed = document.get("keys") if isinstance(document, dict) else None
        try:
            # Symmetric keys and keys for encryption sign no tokens.
            fitting = [key for key in listed or [] if key.get("kty") in KEY_TYPES and key.get("use", "sig") == "sig"]
            return KeySet.import_key_set({"keys": fitting})
        except (AttributeError, JoseError, KeyError, TypeError, ValueError) as error:
            raise ProviderUnavailable(f"{self.issuer.host} publishes no usable keys.") from error


class _Cached(Generic[T]):
    """A document of the provider. One thread reads it, and the others wait; a failure is remembered for a moment."""

    def __init__(self, clock: Callable[[], float], lifetime: int) -> None:
        self._clock = clock
        self._lifetime = lifetime
        self._lock = Lock()
        self._found: T | None = None
        self._found_at = 0.0
        self._failure: ProviderUnavailable | None = None
        self._failed_at = 0.0

    def get(self, fetch: Callable[[], T], *, age_max: int | None = None, can_be_old: bool = False) -> T:
        """The document, read again if it is older than `age_max`, or than its lifetime. Raises what `fetch` raises.

        With `can_be_old`, an old document is returned where it cannot be read again.
        """
        with self._lock:
            moment = self._clock()
            if self._found is not None and moment - self._found_at < (self._lifetime if age_max is None else age_max):
                return self._found
            if self._failure is None or moment - self._failed_at >= FAILURE_S:
                try:
                    self._found, self._found_at, self._failure = fetch(), moment, None
                    return self._found
                except ProviderUnavailable as failure:
                    self._failure, self._failed_at = failure, moment
            if can_be_old and self._found is not None and moment - self._found_at < OLD_S:
                return self._found
            raise self._failure


def with_parameters(url: str, parameters: Mapping[str, str]) -> str:
    """A URL with these parameters, added to those that it has."""
    return f"{url}{'&' if '?' in url else '?'}{urlencode(parameters)}"


def _get(url: str) -> Callable[[OAuth2Session], Any]:
    def get(session: OAuth2Session) -> Any:
        response = session.get(url, withhold_token=True, allow_redirects=False)
        response.raise_for_status()
        return response.json()

    return get


def _refusal(error: str, host: str) -> ConsoleError:
    # The provider's description is not shown: anyone can write one into the address.
    if error in ("server_error", "temporarily_unavailable"):
        return ProviderUnavailable(f"{host} says that it cannot sign people in at the moment.")
    return SignOnRefused(
        REFUSALS.get(error, "The provider refused the sign-in."), code=error if error in REFUSALS else "other"
    )
