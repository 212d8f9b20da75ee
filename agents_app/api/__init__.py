"""The JSON door: its URL prefix and its authentication. The other modules declare the endpoints; errors are answered in
`refusals.py`.
"""

import re

from flask import Blueprint, Flask, g, request

from agents_app import http
from agents_app.api import about, agents, docs, openapi, runtime
from agents_app.api.endpoint import register
from agents_app.errors import NotSignedIn
from agents_app.operations import token_text, tokens

PREFIX = "/api/v1"
MALFORMED = "The header Authorization must be the word Bearer, a space and the token alone: Bearer agc_…"
BEARER = re.compile(r"bearer +(?P<token>[!-~]+) *", re.IGNORECASE)
HAS_SIGNS = (
    "The token in the header Authorization has signs around it: send it without quotes, brackets or punctuation."
)
ENDPOINTS = (*agents.ENDPOINTS, *runtime.ENDPOINTS, *about.ENDPOINTS)


def init_app(app: Flask) -> None:
    """Register every endpoint, the document that describes them, and the page that shows it."""
    door = Blueprint("api", __name__, url_prefix=PREFIX)
    door.before_request(_authenticate)
    for endpoint in ENDPOINTS:
        register(door, endpoint)
    app.register_blueprint(door)
    openapi.init_app(app, PREFIX, ENDPOINTS)
    docs.init_app(app)


def _authenticate() -> None:
    # The header alone: a cookie would let any page a person visits act for them.
    sent = request.headers.get("Authorization", "")
    found = BEARER.fullmatch(sent)
    if token_text.has_punctuation_around(sent):
        raise NotSignedIn(HAS_SIGNS, code="token_missing")
    if found is None and sent:
        raise NotSignedIn(MALFORMED, code="token_missing")
    if found is None:
        raise NotSignedIn("Send an API token with the request: Authorization: Bearer agc_…", code="token_missing")
    g.actor = tokens.authenticate(http.visitor(), found["token"])
