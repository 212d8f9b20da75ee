"""Answers that a browser or the token endpoint brings: of another provider, another sign-in, or with an error."""

import time
from dataclasses import replace
from typing import Any

import pytest
from joserfc import jwe
from joserfc.jwk import OctKey

from agents_app.errors import ConsoleError
from agents_app.sign_on.attempt import Attempt
from agents_app.sign_on.errors import ProviderUnavailable, SignOnRefused
from agents_app.sign_on.provider import REFUSALS, Provider
from tests.probes.local_server import Reply
from tests.sign_on.conftest import ATTEMPT, RETURN, answer_of, make_client, sign_in
from tests.sign_on.loopback_provider import CLIENT_ID, LoopbackProvider
from tests.sign_on.test_wrong_tokens import unsigned

CANARY = "canary5Xy8Qm1TtLw6"
EVIL = "https://evil.example.org"
OTHER = Attempt("state-2", "nonce-2", "verifier-" + "2" * 43)
SKEW, EDGE = 60, 3


def refusal_of(client: Provider, answer: dict[str, str], attempt: Attempt = ATTEMPT) -> str:
    with pytest.raises(SignOnRefused) as refused:
        client.claims(attempt, RETURN, answer)
    assert CANARY not in refused.value.detail
    return refused.value.detail


@pytest.mark.parametrize("issuer", [EVIL, "", "null", "{issuer}/"])
def test_an_answer_of_another_provider_is_refused_before_its_code_is_used(
    provider: LoopbackProvider, client: Provider, issuer: str
) -> None:
    answer = {**answer_of(client), "iss": issuer.format(issuer=provider.issuer)}

    assert refusal_of(client, answer) == "The answer does not come from the provider of this console."
    assert list(provider.codes) == [answer["code"]]


def test_an_answer_without_issuer_is_refused_where_the_provider_always_names_it(provider: LoopbackProvider) -> None:
    provider.metadata = {"authorization_response_iss_parameter_supported": True}
    client = make_client(provider)
    answer = answer_of(client)

    assert refusal_of(client, answer) == "The answer does not come from the provider of this console."
    assert client.claims(ATTEMPT, RETURN, {**answer, "iss": provider.issuer})["sub"] == "ann-1"


def test_an_error_of_another_provider_is_not_believed(client: Provider) -> None:
    answer = {"error": "access_denied", "iss": EVIL}

    assert refusal_of(client, answer) == "The answer does not come from the provider of this console."


@pytest.mark.parametrize("error", REFUSALS)
def test_an_error_of_the_provider_has_its_own_sentence(client: Provider, error: str) -> None:
    answer = {"error": error, "error_description": f"<b>{CANARY}</b>", "error_uri": EVIL}

    assert refusal_of(client, answer) == REFUSALS[error]


def test_an_unknown_error_is_not_repeated(client: Provider) -> None:
    assert refusal_of(client, {"error": f"<b>{CANARY}</b>"}) == "The provider refused the sign-in."


@pytest.mark.parametrize("error", ["server_error", "temporarily_unavailable"])
def test_a_provider_that_says_that_it_is_away_is_away(client: Provider, error: str) -> None:
    with pytest.raises(ProviderUnavailable, match="cannot sign people in at the moment"):
        client.claims(ATTEMPT, RETURN, {"error": error})


@pytest.mark.parametrize("answer", [{}, {"code": ""}, {"error": "", "code": ""}])
def test_an_answer_without_code_and_error_is_refused(client: Provider, answer: dict[str, str]) -> None:
    assert refusal_of(client, answer) == "The provider sent neither a code nor an error."


def test_a_code_of_another_sign_in_is_refused_by_its_verifier(client: Provider) -> None:
    stolen = answer_of(client, OTHER)

    assert refusal_of(client, stolen) == REFUSALS["invalid_grant"]


def test_a_code_of_another_sign_in_is_refused_by_its_nonce_where_the_provider_ignores_pkce(client: Provider) -> None:
    stolen = answer_of(client, OTHER)

    sentence = refusal_of(client, stolen, replace(OTHER, nonce=ATTEMPT.nonce))

    assert sentence == "The ID token belongs to another sign-in."


def test_a_code_is_used_once(client: Provider) -> None:
    answer = answer_of(client)
    client.claims(ATTEMPT, RETURN, answer)

    assert refusal_of(client, answer) == REFUSALS["invalid_grant"]


def test_a_code_for_another_address_is_refused(client: Provider) -> None:
    with pytest.raises(SignOnRefused, match="code of the provider has expired or was used already"):
        client.claims(ATTEMPT, EVIL, answer_of(client))


def test_a_wrong_client_secret_is_named_and_not_repeated(provider: LoopbackProvider) -> None:
    client = make_client(provider, secret=CANARY)

    assert refusal_of(client, answer_of(client)) == REFUSALS["invalid_client"]


@pytest.mark.parametrize("error", [[], {}, 7, None, ["invalid_grant"], f"<b>{CANARY}</b>", CANARY * 1_000])
def test_an_odd_error_of_the_token_endpoint_is_a_refusal(provider: LoopbackProvider, error: Any) -> None:
    client = make_client(provider)
    answer = answer_of(client)
    provider.replies["/token"] = lambda _: Reply(400, {"error": error, "error_description": CANARY})

    assert refusal_of(client, answer) == "The provider refused the sign-in."


@pytest.mark.parametrize("method", ["client_secret_post", "client_secret_basic"])
def test_the_secret_is_sent_as_the_provider_takes_it(provider: LoopbackProvider, method: str) -> None:
    provider.metadata = {"token_endpoint_auth_methods_supported": [method]}

    sign_in(make_client(provider))

    (sent,) = [request for request in provider.server.requests if request.path == "/token"]
    assert ("authorization" in sent.headers) is (method == "client_secret_basic")
    assert ("client_secret=" in sent.body) is (method == "client_secret_post")
    assert f"code_verifier={ATTEMPT.verifier}" in sent.body


@pytest.mark.parametrize(
    ("claims", "is_accepted"),
    [
        ({"iat": SKEW - EDGE}, True),
        ({"iat": SKEW + EDGE, "exp": 900}, False),
        ({"nbf": SKEW - EDGE}, True),
        ({"nbf": SKEW + EDGE}, False),
        ({"exp": EDGE - SKEW, "iat": -300}, True),
        ({"exp": -EDGE - SKEW, "iat": -300}, False),
        ({"iat": EDGE - 600 - SKEW}, True),
        ({"iat": -EDGE - 600 - SKEW}, False),
    ],
)
def test_clocks_may_differ_by_a_minute(provider: LoopbackProvider, claims: dict[str, int], is_accepted: bool) -> None:
    moment = time.time()
    client = make_client(provider, clock=lambda: moment)
    provider.claims = {name: moment + seconds for name, seconds in claims.items()}

    if is_accepted:
        assert sign_in(client)["sub"] == "ann-1"
    else:
        with pytest.raises(SignOnRefused):
            sign_in(client)


@pytest.mark.parametrize("name", ["exp", "iat", "nbf", "auth_time", "session_expiry"])
@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf"), -1, 10**30, True, [], {}])
def test_a_time_that_no_clock_has_is_refused(provider: LoopbackProvider, name: str, value: Any) -> None:
    provider.claims = {name: value}

    with pytest.raises(SignOnRefused):
        sign_in(make_client(provider))


@pytest.mark.parametrize("name", ["jku", "x5u", "jwk", "x5c"])
def test_places_of_keys_in_a_token_are_ignored(provider: LoopbackProvider, name: str) -> None:
    asked = f"{provider.issuer}/stolen"
    key = provider.keys[0].as_dict(private=False)
    provider.header = {name: {"jku": asked, "x5u": asked, "jwk": key, "x5c": [CANARY * 200]}[name]}

    assert sign_in(make_client(provider))["sub"] == "ann-1"
    assert "/stolen" not in [request.path for request in provider.server.requests]


def test_an_encrypted_token_is_refused(provider: LoopbackProvider) -> None:
    key = OctKey.generate_key(256)
    provider.sign = lambda claims, header: jwe.encrypt_compact(
        {"alg": "dir", "enc": "A256GCM"}, unsigned(claims, header), key
    )

    with pytest.raises(SignOnRefused, match="it cannot be read"):
        sign_in(make_client(provider))


def test_a_claim_that_is_there_twice_has_one_value_for_all_checks(provider: LoopbackProvider) -> None:
    class Twice(dict[str, Any]):
        """Written as JSON, it has the audience of another program first."""

        def items(self) -> Any:
            return [("aud", "another"), *super().items()]

    signed = provider.signed
    provider.sign = lambda claims, header: signed(Twice(claims), header)

    assert sign_in(make_client(provider))["aud"] == CLIENT_ID


def test_a_token_with_thousands_of_groups_is_read(provider: LoopbackProvider) -> None:
    provider.claims = {"groups": [f"group-{number:030}" for number in range(2_000)]}

    assert len(sign_in(make_client(provider))["groups"]) == 2_000


def test_the_browser_is_sent_with_every_parameter_that_protects_the_answer(client: Provider) -> None:
    url = client.authorization_url(ATTEMPT, RETURN, 43_200, is_again=True)

    for part in ("response_type=code", "state=state-1", "nonce=nonce-1", "code_challenge_method=S256", "prompt=login"):
        assert part in url
    assert "max_age=43200" in url
    assert ATTEMPT.verifier not in url


def test_signing_out_needs_no_answer_of_the_provider(provider: LoopbackProvider) -> None:
    assert str(make_client(provider).end_session_url(RETURN)).startswith(f"{provider.issuer}/sign-out?client_id=")
    provider.metadata = {"end_session_endpoint": None}
    assert make_client(provider).end_session_url(RETURN) is None
    provider.replies["/.well-known/openid-configuration"] = lambda _: Reply(503)
    assert make_client(provider).end_session_url(RETURN) is None


def test_no_error_contains_the_code_or_the_secret(provider: LoopbackProvider) -> None:
    provider.replies["/token"] = lambda _: Reply(500, CANARY)
    client = make_client(provider, secret=CANARY)
    answer = answer_of(client)

    with pytest.raises(ConsoleError) as failed:
        client.claims(ATTEMPT, RETURN, answer)

    assert not {CANARY, answer["code"], ATTEMPT.verifier} & set(str(failed.value).split())
    assert str(failed.value).endswith("answered with the status 500.")
