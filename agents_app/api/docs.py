"""The API reference: Swagger UI on a page of the console."""

from pathlib import Path

import flask_swagger_ui
from flask import Flask, Response, render_template, session, url_for

from agents_app import http, static_files
from agents_app.config import Settings, settings
from agents_app.errors import ConfigurationError, NotFound
from agents_app.operations import sessions

FILES = ("swagger-ui.css", "swagger-ui-bundle.js")
FOLDER = Path(flask_swagger_ui.__file__).parent / "dist"


def init_app(app: Flask) -> None:
    """Serve the page at API_DOCS_PATH, and its files below that path."""
    known: Settings = app.extensions["settings"]
    if known.api_docs_path.strip("/") in {rule.rule.split("/")[1] for rule in app.url_map.iter_rules()}:
        raise ConfigurationError("API_DOCS_PATH is the path of another page. Choose another path.")
    app.add_url_rule(known.api_docs_path, "api_docs", _page, provide_automatic_options=False)
    app.add_url_rule(f"{known.api_docs_path}/<name>", "api_docs_file", _file, provide_automatic_options=False)


def require_reader() -> None:
    """Raise NotSignedIn if API_DOCS_PUBLIC is false and the visitor is not signed in."""
    if not settings().api_docs_public:
        sessions.authenticate(http.visitor(), session.get(http.SESSION_ID, ""))


def _page() -> str:
    require_reader()
    return render_template("api/docs.html", file_url=_file_url)


def _file_url(name: str) -> str:
    return url_for("api_docs_file", name=name, v=static_files.read_below(FOLDER, name).fingerprint)


def _file(name: str) -> Response:
    if name not in FILES:
        raise NotFound("Nothing was found at this URL. Check the URL.")
    return static_files.send(static_files.read_below(FOLDER, name))
