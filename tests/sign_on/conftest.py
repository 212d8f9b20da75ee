"""A provider on the loopback, and the client of the console for it."""

import urllib.request
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from agents_app.sign_on.attempt import Attempt
from agents_app.sign_on.provider import Provider
from agents_app.values import issuers
from tests.sign_on.loopback_provider import CLIENT_ID, CLIENT_SECRET, LoopbackProvider

RETURN = "http://127.0.0.1:8000/sign-on/return"
ATTEMPT = Attempt("state-1", "nonce-1", "verifier-" + "1" * 43)


@pytest.fixture
def client(provider: LoopbackProvider) -> Provider:
    """The client of the console for the provider."""
    return make_client(provider)


def make_client(provider: LoopbackProvider, places: int = 2, secret: str = CLIENT_SECRET, **options: Any) -> Provider:
    """A client for a provider, with the secret that it knows."""
    return Provider(issuers.parse(provider.issuer), CLIENT_ID, secret, places, **options)


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *args: Any) -> None:
        """The redirect is the answer that a test looks at."""


def answer_of(client: Provider, attempt: Attempt = ATTEMPT, **options: Any) -> dict[str, str]:
    """Do what a browser does at the provider. Returns the parameters with which it comes back."""
    return answer_at(client.authorization_url(attempt, RETURN, 43_200, **options))


def answer_at(url: str) -> dict[str, str]:
    """Load the page of the provider at which people sign in. Returns the parameters with which it sends back."""
    try:
        urllib.request.build_opener(_NoRedirect).open(url)
    except urllib.error.HTTPError as error:
        return dict(parse_qsl(urlsplit(error.headers["Location"]).query))
    raise AssertionError("The provider sent the browser nowhere.")


def sign_in(client: Provider) -> dict[str, Any]:
    """Sign in at the provider, and return the claims that the console reads."""
    return client.claims(ATTEMPT, RETURN, answer_of(client))
