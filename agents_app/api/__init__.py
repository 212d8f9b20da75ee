"""The JSON API: its URL prefix and its authentication. The other modules declare the endpoints; errors are answered in
`refusals.py`.
"""

import re

from flask import Blueprint, Flask, g, request

from agents_app import http
from agents_app.api import (
    about,
    agent_files,
    agent_versions,
    agents,
    bulk_agents,
    connection_tests,
    docs,
    external_agents,
    rate_limits,
    runtime,
)
from agents_app.api.endpoint import register
from agents_app.errors import NotSignedIn
from agents_app.operations import token_text, tokens

PREFIX = "/api/v1"
BAD_AUTHORIZATION = "The header Authorization must be the word Bearer, a space and the token alone: Bearer agc_…"
BEARER = re.compile(r"bearer +(?P<token>[!-~]+) *", re.IGNORECASE)
RIGHT = re.compile(rf"bearer +(?P<token>{token_text.FORM.pattern}) *", re.IGNORECASE)
REPEATED_BEARER = re.compile(r"bearer[ :]+bearer\b.*", re.IGNORECASE)
BEARER_TWICE = "The header Authorization has the word Bearer twice. Send it once: Bearer agc_…"
QUOTED_TOKEN = (
    "The header Authorization has extra characters around the token. "
    + "Send the token without quotes, brackets or punctuation."
)
PARTS = (agents, external_agents, agent_versions, agent_files, bulk_agents, connection_tests, runtime, about)
ENDPOINTS = tuple(endpoint for part in PARTS for endpoint in part.ENDPOINTS)


def init_app(app: Flask) -> None:
    """Register every endpoint, the OpenAPI document and the API reference."""
    blueprint = Blueprint("api", __name__, url_prefix=PREFIX)
    blueprint.before_request(_authenticate)
    blueprint.after_request(rate_limits.add_fields)
    for endpoint in ENDPOINTS:
        register(blueprint, endpoint)
    app.register_blueprint(blueprint)
    rate_limits.init_app(app)
    docs.init_app(app, PREFIX, ENDPOINTS)


def _authenticate() -> None:
    g.actor = tokens.authenticate(http.visitor(), _sent_token())
    if g.actor.token_id is not None:
        rate_limits.check(g.actor.token_id)


def _sent_token() -> str:
    # Cookies are not read: with a cookie, a page of another site could send requests as the signed-in person.
    sent = request.headers.get("Authorization", "")
    if right := RIGHT.fullmatch(sent):
        return right["token"]
    if REPEATED_BEARER.fullmatch(sent):
        raise NotSignedIn(BEARER_TWICE, code="token_missing")
    if token_text.has_punctuation_around(sent):
        raise NotSignedIn(QUOTED_TOKEN, code="token_missing")
    if found := BEARER.fullmatch(sent):
        return found["token"]
    if sent:
        raise NotSignedIn(BAD_AUTHORIZATION, code="token_missing")
    raise NotSignedIn("Send an API token with the request: Authorization: Bearer agc_…", code="token_missing")
