"""A provider that is slow, away or answers otherwise: people learn what is wrong, and nothing of what it sent."""

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from joserfc.jwk import OctKey, RSAKey

from agents_app.sign_on.errors import ProviderUnavailable, SignOnRefused
from agents_app.sign_on.http_client import Limits
from agents_app.sign_on.provider import Provider
from tests.probes.local_server import LocalServer, Reply, Request, zeros
from tests.sign_on.conftest import ATTEMPT, RETURN, answer_of, make_client, sign_in
from tests.sign_on.loopback_provider import LoopbackProvider

CONFIGURATION = "/.well-known/openid-configuration"
CANARY = "canary5Xy8Qm1TtLw6"
HTML = f"<html><script>{CANARY}</script></html>".encode()
NO_PROVIDER = "did not answer as an OpenID provider does."
WRONG_ANSWERS: dict[str, tuple[Reply, str]] = {
    "HTML": (Reply(200, HTML, {"Content-Type": "text/html"}), NO_PROVIDER),
    "HTML with 500": (Reply(500, HTML, {"Content-Type": "text/html"}), "answered with the status 500."),
    "not found": (Reply(404, HTML), "answered with the status 404."),
    "a redirect": (Reply(302, b"", {"Location": "http://127.0.0.1:1/"}), "answered with the status 302."),
    "nothing": (Reply(200, b""), NO_PROVIDER),
    "more than its limit": (Reply(stream=zeros(50)), "answered with more than 500,000 bytes."),
    "JSON nested too deeply": (Reply(200, b"[" * 100_000), NO_PROVIDER),
    "a number of a hundred thousand digits": (Reply(200, b"1" * 100_000), NO_PROVIDER),
    "half of an answer": (Reply(200, b'{"issuer": ', {"Content-Length": "400"}), "ended the connection before"),
}
NO_DOCUMENT = "openid-configuration is not the document of an OpenID provider."
WRONG_DOCUMENTS: dict[str, tuple[dict[str, Any], str]] = {
    "another issuer": (
        {"issuer": "https://evil.example.org"},
        "but the provider calls itself https://evil.example.org",
    ),
    "a slash after its issuer": ({"issuer": "{issuer}/"}, "but the provider calls itself http://127.0.0.1"),
    "text as its issuer": ({"issuer": f"<b>{CANARY}</b>"}, "but the provider calls itself another text."),
    "no issuer": ({"issuer": None}, NO_DOCUMENT),
    "a list as its issuer": ({"issuer": [CANARY]}, NO_DOCUMENT),
    "only plain PKCE": ({"code_challenge_methods_supported": ["plain"]}, "does not support PKCE with S256"),
    "no list of PKCE": ({"code_challenge_methods_supported": "S256"}, "does not support PKCE with S256"),
    "only keys of the client": ({"token_endpoint_auth_methods_supported": ["private_key_jwt"]}, "no client secret"),
    "no endpoint": ({"token_endpoint": None}, "publishes no https URL as its token_endpoint."),
    "http": ({"token_endpoint": f"http://{CANARY}.example"}, "publishes no https URL as its token_endpoint."),
    "a file": ({"jwks_uri": "file:///etc/passwd"}, "publishes no https URL as its jwks_uri."),
    "a script": ({"authorization_endpoint": "javascript:alert(1)"}, "no https URL as its authorization_endpoint."),
    "a fragment": ({"authorization_endpoint": "https://x.org/#a"}, "no https URL as its authorization_endpoint."),
    "another line": ({"authorization_endpoint": "https://x.org/\r\na: b"}, "URL as its authorization_endpoint."),
    "a way out": ({"end_session_endpoint": "http://x.example"}, "publishes no https URL as its end_session_endpoint."),
}
WRONG_KEYS: dict[str, Any] = {
    "no keys": {"keys": []},
    "a list": [],
    "keys that are a text": {"keys": CANARY},
    "only numbers": {"keys": [7, None, "x"]},
    "only secrets": {"keys": [OctKey.generate_key(256, {"kid": "1"}).as_dict(private=True)]},
    "only keys for encryption": {"keys": [{**RSAKey.generate_key(2048).as_dict(private=False), "use": "enc"}]},
    "only broken keys": {
        "keys": [{"kty": "RSA", "n": "x"}, {"kty": "EC", "crv": "P-1", "x": "a", "y": "b"}, {"kty": []}]
    },
}
WRONG_TOKENS: dict[str, Reply] = {
    "a list": Reply(200, []),
    "a text": Reply(200, "error"),
    "null": Reply(200, None),
    "a number": Reply(200, 7),
    "an end that is a word": Reply(200, {"id_token": "a.b.c", "expires_in": "soon"}),
    **{name: reply for name, (reply, _) in WRONG_ANSWERS.items()},
}


def failure_of(client: Provider) -> str:
    with pytest.raises(ProviderUnavailable) as failed:
        sign_in(client)
    assert CANARY not in f"{failed.value.detail}{failed.value.do}"
    assert failed.value.detail.count("127.0.0.1") >= 1
    return failed.value.detail


@pytest.mark.parametrize("name", WRONG_ANSWERS)
def test_a_wrong_answer_is_not_taken_for_a_discovery_document(provider: LoopbackProvider, name: str) -> None:
    reply, sentence = WRONG_ANSWERS[name]
    provider.replies[CONFIGURATION] = lambda _: reply

    assert sentence in failure_of(make_client(provider))


@pytest.mark.parametrize("name", WRONG_DOCUMENTS)
def test_a_wrong_discovery_document_is_refused(provider: LoopbackProvider, name: str) -> None:
    changes, sentence = WRONG_DOCUMENTS[name]
    provider.metadata = changes | {
        key: text.format(issuer=provider.issuer) for key, text in changes.items() if str(text).startswith("{")
    }

    assert sentence in failure_of(make_client(provider))


@pytest.mark.parametrize("name", WRONG_KEYS)
def test_a_key_set_without_a_usable_key_is_refused(provider: LoopbackProvider, name: str) -> None:
    provider.replies["/keys"] = lambda _: Reply(200, WRONG_KEYS[name])

    assert "publishes no usable keys." in failure_of(make_client(provider))


@pytest.mark.parametrize("name", WRONG_ANSWERS)
def test_a_wrong_answer_is_not_taken_for_keys(provider: LoopbackProvider, name: str) -> None:
    reply, sentence = WRONG_ANSWERS[name]
    provider.replies["/keys"] = lambda _: reply

    assert sentence in failure_of(make_client(provider))


@pytest.mark.parametrize("name", WRONG_TOKENS)
def test_a_wrong_answer_is_not_taken_for_a_token(provider: LoopbackProvider, name: str) -> None:
    provider.replies["/token"] = lambda _: WRONG_TOKENS[name]

    failure_of(make_client(provider))


def test_a_provider_that_is_away_is_named(provider: LoopbackProvider, client: Provider) -> None:
    provider.server.shutdown()
    provider.server.server_close()

    assert "cannot be reached." in failure_of(client)


def test_a_provider_that_is_killed_between_two_requests_is_named(provider: LoopbackProvider, client: Provider) -> None:
    answer = answer_of(client)
    provider.server.shutdown()
    provider.server.server_close()

    with pytest.raises(ProviderUnavailable, match="cannot be reached"):
        client.claims(ATTEMPT, RETURN, answer)


def test_a_provider_that_says_nothing_is_given_up(provider: LoopbackProvider) -> None:
    def say_nothing(_: Request) -> Reply:
        provider.server.is_stopped.wait()
        return Reply()

    provider.replies[CONFIGURATION] = say_nothing

    assert "did not answer in time." in failure_of(make_client(provider, limits=Limits(silence=0.1)))


def test_a_provider_that_sends_single_bytes_is_given_up_and_its_connection_ends(provider: LoopbackProvider) -> None:
    has_ended = threading.Event()

    def bytes_without_end(server: LocalServer) -> Iterator[bytes]:
        try:
            while not server.is_stopped.wait(0.01):
                yield b" "
        finally:
            has_ended.set()

    provider.replies[CONFIGURATION] = lambda _: Reply(stream=bytes_without_end)

    assert "did not answer in time." in failure_of(make_client(provider, limits=Limits(total=0.2)))
    assert has_ended.wait(10)


def test_people_do_not_all_wait_for_a_slow_provider(provider: LoopbackProvider) -> None:
    is_asked, may_answer = threading.Event(), threading.Event()

    def answer_later(_: Request) -> Reply:
        is_asked.set()
        may_answer.wait()
        return Reply(body=provider.document())

    provider.replies[CONFIGURATION] = answer_later
    client = make_client(provider, places=1)
    first = threading.Thread(target=client.metadata)
    first.start()
    is_asked.wait()
    try:
        assert "answers slowly, and other people are waiting for it." in failure_of(client)
    finally:
        may_answer.set()
        first.join()

    assert client.metadata().token_endpoint == f"{provider.issuer}/token"


def test_a_sign_in_that_needs_no_answer_is_not_refused_while_others_wait(provider: LoopbackProvider) -> None:
    is_asked, may_answer = threading.Event(), threading.Event()

    def answer_later(_: Request) -> Reply:
        is_asked.set()
        may_answer.wait()
        return Reply(400, {"error": "invalid_grant"})

    client = make_client(provider, places=1)
    answer = answer_of(client)
    provider.replies["/token"] = answer_later

    def sign_in_later() -> None:
        with pytest.raises(SignOnRefused):
            client.claims(ATTEMPT, RETURN, answer)

    first = threading.Thread(target=sign_in_later)
    first.start()
    is_asked.wait()
    try:
        assert client.authorization_url(ATTEMPT, RETURN, 60).startswith(f"{provider.issuer}/authorize?")
    finally:
        may_answer.set()
        first.join()
