"""Keys and documents in memory: a new key is accepted, a withdrawn one refused, and the provider is not flooded."""

import time
from dataclasses import dataclass

import pytest
from joserfc import jwt
from joserfc.jwk import RSAKey

from agents_app.sign_on.cached import FAILURE_S, Cached
from agents_app.sign_on.errors import ProviderUnavailable, SignOnRefused
from agents_app.sign_on.provider import KEYS_S, METADATA_S, REFRESH_S
from tests.probes.local_server import Reply
from tests.sign_on.conftest import make_client, sign_in
from tests.sign_on.loopback_provider import LoopbackProvider

UNKNOWN_KEY = "no key of the provider has signed it"


@dataclass
class Clock:
    """A clock that a test moves."""

    now: float = 0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    """The clock of the client, which begins at the time of the provider."""
    return Clock(time.time())


def new_key(kid: str | None = None) -> RSAKey:
    return RSAKey.generate_key(2048, {"kid": kid} if kid else None)


def count(provider: LoopbackProvider, path: str) -> int:
    return len([request for request in provider.server.requests if request.path == path])


def test_a_key_that_the_provider_withdrew_is_refused_after_a_time(provider: LoopbackProvider, clock: Clock) -> None:
    client = make_client(provider, clock=clock)
    sign_in(client)
    old = provider.keys[0]
    provider.keys = [new_key("new")]
    provider.header, provider.sign = {"kid": old.kid}, lambda claims, header: _signed(old, claims, header)
    clock.now += KEYS_S + 1
    provider.claims = {"iat": int(clock.now), "exp": int(clock.now) + 300, "auth_time": None}

    with pytest.raises(SignOnRefused, match=UNKNOWN_KEY):
        sign_in(client)


def test_tokens_with_an_unknown_key_do_not_make_the_keys_be_read_each_time(
    provider: LoopbackProvider, clock: Clock
) -> None:
    client = make_client(provider, clock=clock)
    sign_in(client)
    provider.header = {"kid": "unknown"}

    for _ in range(5):
        with pytest.raises(SignOnRefused, match=UNKNOWN_KEY):
            sign_in(client)
    assert count(provider, "/keys") == 1
    clock.now += REFRESH_S
    for _ in range(5):
        with pytest.raises(SignOnRefused, match=UNKNOWN_KEY):
            sign_in(client)

    assert count(provider, "/keys") == 2


def test_a_token_without_the_id_of_its_key_is_refused_where_there_are_several(provider: LoopbackProvider) -> None:
    provider.keys = [provider.keys[0], new_key("second")]
    provider.header = {"kid": None}

    with pytest.raises(SignOnRefused, match=UNKNOWN_KEY):
        sign_in(make_client(provider))


def test_after_a_failure_those_who_waited_do_not_wait_for_another_one(clock: Clock) -> None:
    document = Cached[str](clock, 60)
    asked = []

    def fail_after_a_time() -> str:
        asked.append(clock.now)
        clock.now += 2 * FAILURE_S
        raise ProviderUnavailable("It is away.", do="Wait.")

    for _ in range(3):
        with pytest.raises(ProviderUnavailable, match="It is away"):
            document.get(fail_after_a_time)
    assert len(asked) == 1
    clock.now += FAILURE_S

    assert document.get(lambda: "found") == "found"


@pytest.mark.parametrize("kid", ["new", None])
def test_a_new_key_is_accepted_as_soon_as_it_is_used(provider: LoopbackProvider, clock: Clock, kid: str | None) -> None:
    client = make_client(provider, clock=clock)
    sign_in(client)
    provider.keys = [new_key(kid)] if kid is None else [new_key(kid), provider.keys[0]]
    clock.now += REFRESH_S

    assert sign_in(client)["sub"] == "ann-1"
    assert count(provider, "/keys") == 2


def test_an_unknown_kind_of_key_does_not_make_the_others_unusable(provider: LoopbackProvider) -> None:
    listed = [
        {"kty": "AKP", "alg": "ML-DSA-44", "pub": "x", "kid": "post-quantum"},
        {"kty": "EC", "crv": "brainpoolP256r1", "x": "a", "y": "b", "kid": "curve"},
        {"kty": "RSA", "kid": "broken"},
        provider.keys[0].as_dict(private=False),
    ]
    provider.replies["/keys"] = lambda _: Reply(200, {"keys": listed})

    assert sign_in(make_client(provider))["sub"] == "ann-1"


def test_the_documents_are_read_once(provider: LoopbackProvider, clock: Clock) -> None:
    client = make_client(provider, clock=clock)

    for _ in range(3):
        sign_in(client)

    assert (count(provider, "/keys"), count(provider, "/.well-known/openid-configuration")) == (1, 1)


def test_an_old_discovery_document_is_used_while_the_provider_is_away(provider: LoopbackProvider, clock: Clock) -> None:
    client = make_client(provider, clock=clock)
    known = client.metadata()
    provider.replies["/.well-known/openid-configuration"] = lambda _: Reply(503)
    clock.now += METADATA_S + 1

    assert client.metadata() == known
    clock.now += 86_400
    with pytest.raises(ProviderUnavailable, match="answered with the status 503"):
        client.metadata()


def _signed(key: RSAKey, claims: dict[str, object], header: dict[str, object]) -> str:
    return jwt.encode(header, claims, key)
