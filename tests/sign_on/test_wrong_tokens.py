"""ID tokens that are wrong in one way each. All are refused, and the sentence says why."""

import base64
import hmac
import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey
from joserfc.jws import JWSRegistry

from agents_app.sign_on.errors import SignOnRefused
from agents_app.sign_on.provider import Provider
from tests.sign_on.conftest import sign_in
from tests.sign_on.loopback_provider import LoopbackProvider

Sign = Callable[[dict[str, Any], dict[str, Any]], Any]
NOW = time.time()
CLAIM = "The ID token is not valid: the claim {}."
WRONG_CLAIMS: dict[str, tuple[dict[str, Any], str]] = {
    "another issuer": ({"iss": "https://named.example"}, CLAIM.format("iss")),
    "its issuer with a slash": ({"iss": "http://127.0.0.1/"}, CLAIM.format("iss")),
    "no issuer": ({"iss": None}, CLAIM.format("iss")),
    "a number as its issuer": ({"iss": 1}, CLAIM.format("iss")),
    "another audience": ({"aud": "another", "azp": "another"}, CLAIM.format("azp")),
    "another audience alone": ({"aud": "another"}, CLAIM.format("azp")),
    "another audience for us": (
        {"aud": "another", "azp": "console"},
        "The ID token is for another program. Compare OIDC_CLIENT_ID.",
    ),
    "a second audience": (
        {"aud": ["console", "another"], "azp": "console"},
        "The ID token is for another program. Compare OIDC_CLIENT_ID.",
    ),
    "no audience": ({"aud": None}, CLAIM.format("aud")),
    "an empty audience": ({"aud": []}, "The ID token is for another program. Compare OIDC_CLIENT_ID."),
    "issued to another": ({"azp": "another"}, CLAIM.format("azp")),
    "another nonce": ({"nonce": "nonce-2"}, "The ID token belongs to another sign-in."),
    "no nonce": ({"nonce": None}, "The ID token belongs to another sign-in."),
    "a list as nonce": ({"nonce": ["nonce-1"]}, "The ID token belongs to another sign-in."),
    "expired": ({"exp": NOW - 120, "iat": NOW - 400}, "The ID token has expired."),
    "no end": ({"exp": None}, CLAIM.format("exp")),
    "a text as its end": ({"exp": "tomorrow"}, CLAIM.format("exp")),
    "true as its end": ({"exp": True}, CLAIM.format("exp")),
    "from the future": ({"iat": NOW + 3600, "exp": NOW + 7200}, CLAIM.format("iat")),
    "valid later": ({"nbf": NOW + 3600}, CLAIM.format("nbf")),
    "no time": ({"iat": None}, CLAIM.format("iat")),
    "issued yesterday": ({"iat": NOW - 86_400}, "The ID token is too old."),
    "no subject": ({"sub": None}, CLAIM.format("sub")),
    "an empty subject": ({"sub": ""}, "The ID token names nobody."),
    "a long subject": ({"sub": "a" * 256}, "The ID token names nobody."),
    "a number as its subject": ({"sub": 7}, CLAIM.format("sub")),
    "another access token": ({"at_hash": "AAAAAAAAAAAAAAAAAAAAAA"}, CLAIM.format("at_hash")),
    "an auth_time that is a word": ({"auth_time": "yesterday"}, CLAIM.format("auth_time")),
    "a time after all years": ({"auth_time": 10**15}, "The ID token is not valid: auth_time is not a time."),
}


def unsigned(claims: dict[str, Any], header: dict[str, Any]) -> str:
    """A token without a signature."""
    return f"{_part({**header, 'alg': 'none'})}.{_part(claims)}."


def _part(members: Any) -> str:
    return _base64(json.dumps(members).encode())


def _base64(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def _hs256(provider: LoopbackProvider) -> Sign:
    public = provider.keys[0].as_pem(private=False)

    def sign(claims: dict[str, Any], header: dict[str, Any]) -> str:
        start = f"{_part({**header, 'alg': 'HS256'})}.{_part(claims)}"
        return f"{start}.{_base64(hmac.digest(public, start.encode(), 'sha256'))}"

    return sign


def _other_key(provider: LoopbackProvider) -> Sign:
    key = RSAKey.generate_key(2048)
    return lambda claims, header: jwt.encode(header, claims, key)


def _unknown_key(provider: LoopbackProvider) -> Sign:
    key = RSAKey.generate_key(2048)
    return lambda claims, header: jwt.encode({**header, "kid": "unknown"}, claims, key)


def _key_of_the_token(provider: LoopbackProvider) -> Sign:
    key = ECKey.generate_key("P-256", auto_kid=True)
    return lambda claims, header: jwt.encode(
        {"alg": "ES256", "kid": key.kid, "jwk": key.as_dict(private=False)}, claims, key
    )


WRONG_SIGNATURES: dict[str, tuple[Callable[[LoopbackProvider], Sign], str]] = {
    "none": (lambda _: unsigned, "its algorithm is not accepted"),
    "the public key as a secret": (_hs256, "its algorithm is not accepted"),
    "another key": (_other_key, "the signature is wrong"),
    "an unknown key": (_unknown_key, "no key of the provider has signed it"),
    "a key in the token": (_key_of_the_token, "no key of the provider has signed it"),
    "changed claims": (
        lambda provider: lambda claims, header: _with_claims(provider.signed(claims, header), {**claims, "sub": "ben"}),
        "the signature is wrong",
    ),
    "cut off": (lambda provider: lambda claims, header: provider.signed(claims, header)[:-4], "the signature is wrong"),
    "an unknown extension": (
        lambda provider: lambda claims, header: _with_header(provider, claims, {**header, "crit": ["x"], "x": 1}),
        "it cannot be read",
    ),
    "no header": (lambda _: lambda claims, header: f".{_part(claims)}.", "it cannot be read"),
    "a list": (lambda provider: lambda claims, header: _signed_text(provider, header, b"[]"), "it cannot be read"),
    "half a letter as nonce": (
        lambda provider: (
            lambda claims, header: _signed_text(provider, header, json.dumps({**claims, "nonce": "\ud800"}).encode())
        ),
        "belongs to another sign-in",
    ),
    "nested too deeply": (
        lambda provider: lambda claims, header: _signed_text(provider, header, b"[" * 100_000),
        "it cannot be read",
    ),
    "no text": (lambda _: lambda claims, header: {"sub": "ann-1"}, ""),
    "nothing": (lambda _: lambda claims, header: None, ""),
}


def _with_claims(token: str, claims: dict[str, Any]) -> str:
    header, _, signature = token.split(".")
    return f"{header}.{_part(claims)}.{signature}"


def _with_header(provider: LoopbackProvider, claims: dict[str, Any], header: dict[str, Any]) -> str:
    return _signed_text(provider, header, json.dumps(claims).encode())


def _signed_text(provider: LoopbackProvider, header: dict[str, Any], payload: bytes) -> str:
    start = f"{_part(header)}.{_base64(payload)}"
    return f"{start}.{_base64(JWSRegistry.algorithms['RS256'].sign(start.encode(), provider.keys[0]))}"


@pytest.mark.parametrize("name", WRONG_CLAIMS)
def test_a_token_with_wrong_claims_is_refused(provider: LoopbackProvider, client: Provider, name: str) -> None:
    provider.claims, sentence = WRONG_CLAIMS[name]

    with pytest.raises(SignOnRefused) as refused:
        sign_in(client)

    assert refused.value.detail.startswith(sentence)


@pytest.mark.parametrize("name", WRONG_SIGNATURES)
def test_a_token_that_the_provider_did_not_sign_is_refused(
    provider: LoopbackProvider, client: Provider, name: str
) -> None:
    make, reason = WRONG_SIGNATURES[name]
    provider.sign = make(provider)

    with pytest.raises(SignOnRefused) as refused:
        sign_in(client)

    assert reason in refused.value.detail


def test_a_right_token_is_read(provider: LoopbackProvider, client: Provider) -> None:
    claims = sign_in(client)

    assert claims["sub"] == "ann-1"
    assert claims["roles"] == ["admin"]
