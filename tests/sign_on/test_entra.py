"""Entra ID under its real name, through a proxy, with a certificate of an authority that SSL_CERT_FILE names."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from agents_app.sign_on import person
from agents_app.sign_on.errors import ProviderUnavailable, SignOnRefused
from agents_app.sign_on.provider import Provider
from agents_app.values import issuers
from tests.authority import Authority, Issued
from tests.sign_on.conftest import ATTEMPT, RETURN, make_client
from tests.sign_on.loopback_provider import LoopbackProvider, loopback_provider
from tests.sign_on.tunnel import tunnel

HOST, TENANT = "login.microsoftonline.com", "8f2b1c3e-1111-4222-8333-944455556666"
ISSUER = issuers.parse(f"https://{HOST}/{TENANT}/v2.0")
OID = "0a1b2c3d-0000-4000-8000-000000000001"
ANN = {"sub": "pairwise", "oid": OID, "tid": TENANT, "name": "Ann", "roles": ["Console.Admin"], "ver": "2.0"}
AUTHORITY = Authority()
START = Callable[[Issued], LoopbackProvider]


def as_entra(provider: LoopbackProvider) -> None:
    """Answer as Entra ID does: without code_challenge_methods_supported, with its paths and claims."""
    base = f"https://{HOST}/{TENANT}"
    provider.issuer, provider.person = ISSUER.url, dict(ANN)
    provider.metadata = {
        "authorization_endpoint": f"{base}/oauth2/v2.0/authorize",
        "token_endpoint": f"{base}/oauth2/v2.0/token",
        "jwks_uri": f"{base}/discovery/v2.0/keys",
        "end_session_endpoint": f"{base}/oauth2/v2.0/logout",
        "code_challenge_methods_supported": None,
        "token_endpoint_auth_methods_supported": ["client_secret_post", "private_key_jwt", "client_secret_basic"],
    }
    provider.replies = {
        f"/{TENANT}/v2.0/.well-known/openid-configuration": lambda request: provider.reply(
            "openid-configuration", request
        ),
        f"/{TENANT}/oauth2/v2.0/token": lambda request: provider.reply("token", request),
        f"/{TENANT}/discovery/v2.0/keys": lambda request: provider.reply("keys", request),
    }


@pytest.fixture
def start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[START]:
    """Starts Entra ID with a certificate, behind a proxy that the environment names."""
    (tmp_path / "authority.pem").write_text(AUTHORITY.certificate)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authority.pem"))
    open_blocks: list[Any] = []

    def open_block(block: Any) -> Any:
        open_blocks.append(block)
        return block.__enter__()

    def make(issued: Issued) -> LoopbackProvider:
        provider: LoopbackProvider = open_block(loopback_provider(tmp_path, issued))
        url, provider.asked_for = open_block(tunnel(provider.server.port))
        monkeypatch.setenv("HTTPS_PROXY", url)
        as_entra(provider)
        return provider

    yield make
    for block in reversed(open_blocks):
        block.__exit__(None, None, None)


@pytest.fixture
def entra(start: START) -> LoopbackProvider:
    """Entra ID, where Ann is signed in."""
    return start(AUTHORITY.issue(HOST))


def claims_of(entra: LoopbackProvider) -> dict[str, Any]:
    client = make_client(entra)
    code = entra.issue(entra.request_of(client.authorization_url(ATTEMPT, RETURN, 43_200)), ANN)
    return client.claims(ATTEMPT, RETURN, {"code": code})


def test_a_certificate_of_another_authority_is_refused(start: START) -> None:
    entra = start(Authority("Another authority").issue(HOST))

    with pytest.raises(ProviderUnavailable, match="has a certificate that this server does not trust") as failed:
        make_client(entra).metadata()

    assert "SSL_CERT_FILE" in failed.value.do


def test_only_the_authorities_of_the_operating_system_are_trusted(
    start: START, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = Authority("Another authority")
    (tmp_path / "other.pem").write_text(other.certificate)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "other.pem"))
    entra = start(other.issue(HOST))

    with pytest.raises(ProviderUnavailable, match="has a certificate that this server does not trust"):
        make_client(entra).metadata()


def test_a_certificate_of_another_host_is_refused(start: START) -> None:
    entra = start(AUTHORITY.issue("login.example.org"))

    with pytest.raises(ProviderUnavailable, match="has a certificate that this server does not trust"):
        make_client(entra).metadata()


def test_a_proxy_that_is_away_is_named(entra: LoopbackProvider, monkeypatch: pytest.MonkeyPatch) -> None:
    with tunnel(entra.server.port) as (url, _):
        monkeypatch.setenv("HTTPS_PROXY", url)

    with pytest.raises(ProviderUnavailable, match="cannot be reached through the proxy of this server") as failed:
        make_client(entra).metadata()

    assert "HTTPS_PROXY" in failed.value.do


@pytest.mark.parametrize(
    ("claims", "sentence"),
    [
        ({"tid": "9f2b1c3e-1111-4222-8333-944455556666"}, "from another tenant than the one in OIDC_ISSUER"),
        ({"oid": None}, "it has no usable claim oid"),
        ({"iss": f"https://{HOST}/9f2b1c3e-1111-4222-8333-944455556666/v2.0"}, "the claim iss"),
        ({"iss": f"https://sts.windows.net/{TENANT}/"}, "the claim iss"),
    ],
)
def test_a_token_of_another_tenant_is_refused(entra: LoopbackProvider, claims: dict[str, Any], sentence: str) -> None:
    entra.claims = claims

    with pytest.raises(SignOnRefused, match=sentence):
        person.read(claims_of(entra), ISSUER, ["roles"])


def test_a_person_of_entra_signs_in_through_the_proxy(entra: LoopbackProvider) -> None:
    found = person.read(claims_of(entra), ISSUER, ["roles"])

    assert (found.subject, found.name, found.email, found.role_values) == (OID, "Ann", None, ("Console.Admin",))
    assert set(entra.asked_for) == {f"{HOST}:443"}


def test_more_than_200_groups_are_noticed_and_app_roles_are_read(entra: LoopbackProvider) -> None:
    entra.claims = {"_claim_names": {"groups": "src1"}, "_claim_sources": {"src1": {"endpoint": "https://graph"}}}

    found = person.read(claims_of(entra), ISSUER, ["groups", "roles"])

    assert (found.has_too_many_groups, found.role_values) == (True, ("Console.Admin",))


def test_the_browser_is_sent_to_the_tenant(entra: LoopbackProvider) -> None:
    client: Provider = make_client(entra)

    assert client.authorization_url(ATTEMPT, RETURN, 60).startswith(f"https://{HOST}/{TENANT}/oauth2/v2.0/authorize?")
    assert str(client.end_session_url(RETURN)).startswith(f"https://{HOST}/{TENANT}/oauth2/v2.0/logout?client_id=")


def test_google_is_asked_for_an_account_as_it_refuses_to_ask_for_the_password(start: START) -> None:
    google = start(AUTHORITY.issue("accounts.google.com"))
    google.issuer, google.replies = "https://accounts.google.com", {}
    google.metadata = {
        "authorization_endpoint": "https://accounts.google.com/o/oauth2/v2/auth",
        "token_endpoint": "https://oauth2.googleapis.com/token",
        "jwks_uri": "https://www.googleapis.com/oauth2/v3/certs",
        "end_session_endpoint": None,
    }

    client = make_client(google)

    assert client.authorization_url(ATTEMPT, RETURN, 60, is_again=True).endswith("&prompt=select_account")
    assert client.end_session_url(RETURN) is None
