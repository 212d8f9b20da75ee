"""The identity provider: what it publishes, where people sign in, and who has signed in.

The protocol is OpenID Connect Core 1.0 with the authorisation code flow, PKCE (RFC 7636) and `iss` (RFC 9207).
"""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from threading import BoundedSemaphore
from typing import Any
from urllib.parse import quote_plus, urlencode

from authlib.integrations.base_client import OAuthError
from authlib.integrations.requests_client import OAuth2Session
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from joserfc.errors import JoseError
from joserfc.jwk import JWKRegistry, Key, KeySet
from requests.exceptions import HTTPError

from agents_app.errors import ConsoleError
from agents_app.sign_on import id_token
from agents_app.sign_on.attempt import Attempt
from agents_app.sign_on.cached import Cached
from agents_app.sign_on.errors import ProviderUnavailable, SignOnRefused
from agents_app.sign_on.http_client import LIMITS, Client, Limits
from agents_app.sign_on.metadata import Metadata
from agents_app.sign_on.metadata import read as read_metadata
from agents_app.values.issuers import Issuer

SCOPE = "openid profile email"
# After this time the discovery document is read again. The old one is used while the provider is away.
METADATA_S = 3_600
# After this time the keys are read again, so that a key which the provider withdrew is refused.
KEYS_S = 600
# A token with an unknown key makes this server read the keys again, but not more often than this.
REFRESH_S = 10
# It refuses prompt=login.
GOOGLE = "https://accounts.google.com"
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


class Provider:
    """The provider of the console, with its documents in memory. Threads can share it; each process has its own."""

    def __init__(
        self,
        issuer: Issuer,
        client_id: str,
        client_secret: str,
        places: int,
        *,
        clock: Callable[[], float] = time.time,
        limits: Limits = LIMITS,
    ) -> None:
        self.issuer = issuer
        self.client_id = client_id
        self._client_secret = client_secret
        self._client = Client(issuer.host, places, limits)
        self._places = BoundedSemaphore(places)
        self._clock = clock
        self._metadata = Cached[Metadata](clock, METADATA_S)
        self._keys = Cached[KeySet](clock, KEYS_S)

    def metadata(self) -> Metadata:
        """What the provider publishes about itself. Raises ProviderUnavailable."""
        if found := self._metadata.fresh():
            return found
        with self._place():
            return self._read_metadata()

    def keys(self) -> KeySet:
        """The keys of the provider. Raises ProviderUnavailable."""
        with self._place():
            return self._read_keys(False)

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
            parameters["prompt"] = "select_account" if self.issuer.url == GOOGLE else "login"
        return with_parameters(self.metadata().authorization_endpoint, parameters)

    def claims(self, attempt: Attempt, redirect_uri: str, answer: Mapping[str, str]) -> dict[str, Any]:
        """The claims about the person with whose sign-in the browser returned. `answer` are the parameters of its URL.

        Raises SignOnRefused, ProviderUnavailable.
        """
        with self._place():
            metadata = self._read_metadata()
            self._check_answer(answer, metadata)
            token = self._exchange(attempt, redirect_uri, answer["code"], metadata)
            access_token = token.get("access_token")
            expected = id_token.Expected(
                self.issuer.url, self.client_id, attempt.nonce, access_token if isinstance(access_token, str) else None
            )
            return id_token.read(token.get("id_token"), self._read_keys, expected, self._clock)

    def end_session_url(self, return_url: str) -> str | None:
        """Where the browser goes to sign out at the provider; None if it does not offer that, or is not known now."""
        try:
            endpoint = self.metadata().end_session_endpoint
        except ProviderUnavailable:
            return None
        parameters = {"client_id": self.client_id, "post_logout_redirect_uri": return_url}
        return with_parameters(endpoint, parameters) if endpoint else None

    @contextmanager
    def _place(self) -> Iterator[None]:
        # Those who wait for a slow provider are few, so that others get the rest of the threads.
        if not self._places.acquire(blocking=False):
            raise ProviderUnavailable(f"{self.issuer.host} answers slowly, and other people are waiting for it.")
        try:
            yield
        finally:
            self._places.release()

    def _read_metadata(self) -> Metadata:
        return self._metadata.get(self._fetch_metadata, can_be_old=True)

    def _read_keys(self, is_unknown: bool) -> KeySet:
        return self._keys.get(self._fetch_keys, age_max=REFRESH_S if is_unknown else None)

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
        document = self._client.run(_get(self._read_metadata().jwks_uri))
        listed = document.get("keys") if isinstance(document, dict) else None
        keys = [key for key in map(_key, listed if isinstance(listed, list) else []) if key]
        if not keys:
            raise ProviderUnavailable(f"{self.issuer.host} publishes no usable keys.")
        return KeySet(keys)


def with_parameters(url: str, parameters: Mapping[str, str]) -> str:
    """A URL with these parameters, added to those that it has."""
    return f"{url}{'&' if '?' in url else '?'}{urlencode(parameters)}"


def _get(url: str) -> Callable[[OAuth2Session], Any]:
    def get(session: OAuth2Session) -> Any:
        response = session.get(url, withhold_token=True, allow_redirects=False)
        if response.status_code != 200:
            raise HTTPError(response=response)
        return response.json()

    return get


def _key(members: Any) -> Key | None:
    """A key that signs tokens. A key of a kind that is not known must not make the others unusable."""
    is_fitting = isinstance(members, dict) and members.get("kty") in KEY_TYPES and members.get("use", "sig") == "sig"
    try:
        return JWKRegistry.import_key(members) if is_fitting else None
    except (AttributeError, JoseError, KeyError, TypeError, ValueError):
        return None


def _refusal(given: Any, host: str) -> ConsoleError:
    # The provider's description is not shown: anyone can write one into the address.
    error = given if isinstance(given, str) else ""
    if error in ("server_error", "temporarily_unavailable"):
        return ProviderUnavailable(f"{host} says that it cannot sign people in at the moment.")
    return SignOnRefused(
        REFUSALS.get(error, "The provider refused the sign-in."), code=error if error in REFUSALS else "other"
    )
