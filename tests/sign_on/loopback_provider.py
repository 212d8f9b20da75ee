"""A small OpenID provider on the loopback, which answers as the specifications say, or wrong in the way a test chooses.

Clients are checked: the secret, the redirect URI, PKCE, and that a code is used once.
"""

import base64
import hashlib
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote_plus, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import RSAKey

from tests.authority import Issued
from tests.probes.local_server import LocalServer, Reply, Request, running

CLIENT_ID = "console"
CLIENT_SECRET = "client-secret-of-the-tests"
ANN = {"sub": "ann-1", "name": "Ann", "email": "ann@example.com", "email_verified": True, "roles": ["admin"]}


@dataclass
class Code:
    """A code that was issued: the parameters of its request, and the claims of the person."""

    request: dict[str, str]
    person: dict[str, Any]


class LoopbackProvider:
    """The provider. Tests set its members to make it answer otherwise.

    `person` has the claims of who is signed in there; None shows the page of the provider, which refuses.
    `metadata`, `claims` and `header` are changes; a value None removes a member. `sign` makes the ID token.
    `replies` are whole answers by path.
    """

    def __init__(self, server: LocalServer) -> None:
        self.server = server
        self.issuer = f"http://127.0.0.1:{server.port}"
        self.person: dict[str, Any] | None = dict(ANN)
        self.keys = [_first_key()]
        self.metadata: dict[str, Any] = {}
        self.claims: dict[str, Any] = {}
        self.header: dict[str, Any] = {}
        self.sign: Callable[[dict[str, Any], dict[str, Any]], str] = self.signed
        self.replies: dict[str, Callable[[Request], Reply]] = {}
        self.codes: dict[str, Code] = {}
        # The hosts that clients asked a proxy for.
        self.asked_for: list[str] = []
        server.answer = self.answer

    def answer(self, request: Request) -> Reply:
        """The answer to a request."""
        path = urlsplit(request.path).path
        return self.replies[path](request) if path in self.replies else self.reply(path.rpartition("/")[2], request)

    def reply(self, name: str, request: Request) -> Reply:
        """The answer of the endpoint with this name."""
        endpoints = {
            "openid-configuration": lambda: Reply(body=self.document()),
            "keys": lambda: Reply(body={"keys": [key.as_dict(private=False) for key in self.keys]}),
            "authorize": lambda: self.authorize(request),
            "token": lambda: self.token(request),
            "sign-out": lambda: self.sign_out(request),
        }
        return endpoints[name]() if name in endpoints else Reply(404, {"error": "not_found"})

    def request_of(self, url: str) -> dict[str, str]:
        """The parameters of a URL to which a browser is sent."""
        return _parameters(urlsplit(url).query)

    def document(self) -> dict[str, Any]:
        """The discovery document."""
        return _changed(
            {
                "issuer": self.issuer,
                "authorization_endpoint": f"{self.issuer}/authorize",
                "token_endpoint": f"{self.issuer}/token",
                "jwks_uri": f"{self.issuer}/keys",
                "end_session_endpoint": f"{self.issuer}/sign-out",
                "response_types_supported": ["code"],
                "subject_types_supported": ["public"],
                "id_token_signing_alg_values_supported": ["RS256"],
                "code_challenge_methods_supported": ["S256"],
                "token_endpoint_auth_methods_supported": ["client_secret_post", "client_secret_basic"],
            },
            self.metadata,
        )

    def authorize(self, request: Request) -> Reply:
        """Send the browser back with a code for `person`, or with the error that nobody may sign in."""
        parameters = _parameters(urlsplit(request.path).query)
        if self.person is None:
            return self.back(parameters, error="access_denied", error_description="<b>You are not assigned</b>")
        return self.back(parameters, code=self.issue(parameters, self.person))

    def issue(self, parameters: dict[str, str], person: dict[str, Any]) -> str:
        """A new code."""
        code = secrets.token_urlsafe(16)
        self.codes[code] = Code(parameters, person)
        return code

    def back(self, parameters: dict[str, str], **answer: str) -> Reply:
        """A redirect to the client."""
        state = {"state": parameters["state"]} if "state" in parameters else {}
        return Reply(302, headers={"Location": f"{parameters['redirect_uri']}?{urlencode({**answer, **state})}"})

    def token(self, request: Request) -> Reply:
        """Exchange a code, as RFC 6749 and RFC 7636 say."""
        sent = _parameters(request.body)
        if _credentials(request, sent) != (CLIENT_ID, CLIENT_SECRET):
            return Reply(401, {"error": "invalid_client"})
        code = self.codes.pop(sent.get("code", ""), None)
        if code is None or sent.get("redirect_uri") != code.request["redirect_uri"]:
            return Reply(400, {"error": "invalid_grant"})
        digest = hashlib.sha256(sent.get("code_verifier", "").encode()).digest()
        if base64.urlsafe_b64encode(digest).rstrip(b"=").decode() != code.request.get("code_challenge"):
            return Reply(400, {"error": "invalid_grant", "error_description": "PKCE"})
        access_token = secrets.token_urlsafe(16)
        return Reply(
            body={
                "access_token": access_token,
                "token_type": "Bearer",
                "expires_in": 3600,
                "id_token": self.id_token(code),
            }
        )

    def id_token(self, code: Code) -> str:
        """The ID token for a code, with the changes of the test."""
        moment = int(time.time())
        claims = {
            "iss": self.issuer,
            "aud": CLIENT_ID,
            "iat": moment,
            "exp": moment + 300,
            "auth_time": moment,
            "nonce": code.request.get("nonce"),
            **code.person,
        }
        header = {"alg": "RS256", "kid": self.keys[0].kid, "typ": "JWT"}
        return self.sign(_changed(claims, self.claims), _changed(header, self.header))

    def signed(self, claims: dict[str, Any], header: dict[str, Any]) -> str:
        """A token that the first key signs."""
        return jwt.encode(header, claims, self.keys[0])

    def sign_out(self, request: Request) -> Reply:
        """End the session of the provider, and send the browser back."""
        self.person = None
        parameters = _parameters(urlsplit(request.path).query)
        return Reply(302, headers={"Location": parameters["post_logout_redirect_uri"]})


@contextmanager
def loopback_provider(folder: Path, issued: Issued | None = None) -> Iterator[LoopbackProvider]:
    """Run a provider until the end of the block, over plain http unless it gets a certificate."""
    with running(issued, folder) as server:
        yield LoopbackProvider(server)


@cache
def _first_key() -> RSAKey:
    # To generate a key takes a part of a second.
    return RSAKey.generate_key(2048, {"use": "sig", "alg": "RS256"}, auto_kid=True)


def _changed(members: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in {**members, **changes}.items() if value is not None}


def _parameters(text: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(text, keep_blank_values=True).items()}


def _credentials(request: Request, sent: dict[str, str]) -> tuple[str, str]:
    kind, _, encoded = request.headers.get("authorization", "").partition(" ")
    if kind == "Basic":
        name, _, secret = base64.b64decode(encoded).decode().partition(":")
        return unquote_plus(name), unquote_plus(secret)
    return sent.get("client_id", ""), sent.get("client_secret", "")
