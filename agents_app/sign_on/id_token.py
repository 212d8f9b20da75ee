"""Checks an ID token: who signed it, when, for whom and for which sign-in (OpenID Connect Core 1.0, 3.1.3.7)."""

import hmac
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.errors import (
    BadSignatureError,
    ClaimError,
    ExpiredTokenError,
    InvalidKeyIdError,
    JoseError,
    MissingAlgorithmError,
    UnsupportedAlgorithmError,
)
from joserfc.jwk import KeySet
from joserfc.jws import JWSRegistry

from agents_app.sign_on.errors import SignOnRefused
from agents_app.sign_on.person import is_subject, to_moment

# Only signatures that need the private key of the provider: never "none", and never HS256, whose key could be a public
# key that anyone can read.
ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519")
# How far the clocks of the provider and of this server may differ.
SKEW_S = 60
# A token is used as soon as it is issued. An older one was kept by someone.
AGE_MAX_S = 600
CLAIMS = ("iss", "sub", "aud", "exp", "nbf", "iat", "auth_time", "azp", "amr", "at_hash")
REASONS: dict[type[Exception], str] = {
    BadSignatureError: "the signature is wrong",
    InvalidKeyIdError: "no key of the provider has signed it",
    UnsupportedAlgorithmError: "its algorithm is not accepted",
    MissingAlgorithmError: "it is not signed",
}
CLOCKS = "Compare the clocks of this server and of the provider."


@dataclass(frozen=True)
class Expected:
    """What an ID token must say."""

    issuer: str
    client_id: str
    nonce: str
    access_token: str | None = None


def read(
    token: Any, keys: Callable[[bool], KeySet], expected: Expected, now: Callable[[], float] = time.time
) -> dict[str, Any]:
    """The claims of an ID token. `keys` returns the keys of the provider, fetched again if its argument is True.

    Raises SignOnRefused, and what `keys` raises.
    """
    if not isinstance(token, str) or not token.isascii():
        raise SignOnRefused("The provider sent no ID token.", code="no_id_token")
    moment = now()
    try:
        found = _decode(token, keys)
        claims = CodeIDToken(
            found.claims,
            found.header,
            {"iss": {"essential": True, "values": [expected.issuer]}},
            {"client_id": expected.client_id, "access_token": expected.access_token},
        )
        claims.validate(int(moment), SKEW_S)
    except ExpiredTokenError:
        raise SignOnRefused(f"The ID token has expired. {CLOCKS}", code="expired") from None
    except (JoseError, ValueError, TypeError, KeyError, RecursionError) as error:
        raise SignOnRefused(f"The ID token is not valid: {_reason(error)}.", code="invalid_id_token") from error
    for is_broken, sentence, code in _further_checks(claims, expected, moment):
        if is_broken:
            raise SignOnRefused(sentence, code=code)
    return dict(claims)


class _Registry(JWSRegistry):
    # Some providers send their certificates with each token.
    max_header_length = 16_000


def _decode(token: str, keys: Callable[[bool], KeySet]) -> jwt.Token:
    registry = _Registry(algorithms=ALGORITHMS, strict_check_header=False)
    try:
        return jwt.decode(token, keys(False), registry=registry)
    except (BadSignatureError, InvalidKeyIdError):
        # The provider may have begun to sign with a new key, which has no id or the id of the one before.
        return jwt.decode(token, keys(True), registry=registry)


def _further_checks(claims: dict[str, Any], expected: Expected, moment: float) -> Iterator[tuple[bool, str, str]]:
    audience, nonce, subject = claims["aud"], claims.get("nonce"), claims["sub"]
    # A token for several audiences could be passed on by any of them.
    is_ours = audience in (expected.client_id, [expected.client_id])
    yield not is_ours, "The ID token is for another program. Compare OIDC_CLIENT_ID.", "audience"
    is_same = isinstance(nonce, str) and hmac.compare_digest(nonce.encode(errors="replace"), expected.nonce.encode())
    yield not is_same, "The ID token belongs to another sign-in.", "nonce"
    yield moment - claims["iat"] > AGE_MAX_S + SKEW_S, f"The ID token is too old. {CLOCKS}", "too_old"
    yield not is_subject(subject), "The ID token names nobody.", "subject"
    # JSON in Python has NaN, which is neither early nor late.
    for name in ("exp", "iat", "nbf", "auth_time", "session_expiry"):
        is_time = name not in claims or to_moment(claims[name]) is not None
        yield not is_time, f"The ID token is not valid: {name} is not a time.", name


def _reason(error: Exception) -> str:
    # Only names that this program knows: claims and headers are what another party wrote.
    if isinstance(error, ClaimError) and error.claim in CLAIMS:
        return f"the claim {error.claim}"
    return REASONS.get(type(error), "it cannot be read")
