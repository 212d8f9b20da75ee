"""The OpenAPI document, and the API reference: Swagger UI on a page of the console, with the menu for people who are
signed in.
"""

from collections.abc import Sequence
from functools import cache
from pathlib import Path

import flask_swagger_ui
import orjson
from flask import Flask, Response, g, render_template, session, url_for

from agents_app import http, static_files
from agents_app.api.endpoint import Endpoint
from agents_app.config import Settings, settings
from agents_app.errors import ConfigurationError, NotFound, NotSignedIn
from agents_app.operations import sessions, users
from agents_app.operations.permissions import Actor
from agents_app.static_files import StaticFile

DOCUMENT = "/openapi.json"
FILES = ("swagger-ui.css", "swagger-ui-bundle.js")
FOLDER = Path(flask_swagger_ui.__file__).parent / "dist"


def init_app(app: Flask, prefix: str, endpoints: Sequence[Endpoint]) -> None:
    """Serve the document, the page at API_DOCS_PATH, and its files below that path."""
    known: Settings = app.extensions["settings"]

    @cache
    def document() -> StaticFile:
        # Imported and built when it is asked for, which few programs do.
        from agents_app.api import openapi

        content = openapi.document(prefix, endpoints, known.public_url or "/")
        return StaticFile(orjson.dumps(content), "application/json")

    def send_document() -> Response:
        reader()
        return static_files.send(document(), may_be_cached=False)

    app.add_url_rule(DOCUMENT, "openapi", send_document, provide_automatic_options=False)
    if known.api_docs_path.strip("/") in {rule.rule.split("/")[1] for rule in app.url_map.iter_rules()}:
        raise ConfigurationError("API_DOCS_PATH is the path of another page. Choose another path.")
    app.add_url_rule(known.api_docs_path, "api_docs", _page, provide_automatic_options=False)
    app.add_url_rule(f"{known.api_docs_path}/<name>", "api_docs_file", _file, provide_automatic_options=False)


def reader() -> Actor | None:
    """The person who is signed in, if any. Raises NotSignedIn if nobody is and API_DOCS_PUBLIC is false."""
    session_id = session.get(http.SESSION_ID, "")
    if not session_id and settings().api_docs_public:
        return None
    try:
        return sessions.authenticate(http.visitor(), session_id)
    except NotSignedIn:
        if settings().api_docs_public:
            return None
        raise


def _page() -> str:
    g.actor = actor = reader()
    admins = users.admins_to_ask(actor, "tokens.manage") if actor else []
    return render_template("api/docs.html", file_url=_file_url, admins=admins)


def _file_url(name: str) -> str:
    return url_for("api_docs_file", name=name, v=static_files.read_below(FOLDER, name).fingerprint)


def _file(name: str) -> Response:
    if name not in FILES:
        raise NotFound("Nothing was found at this URL. Check the URL.")
    return static_files.send(static_files.read_below(FOLDER, name))
