"""The API reference: Swagger UI on a page of the console."""

from pathlib import Path

import flask_swagger_ui
from flask import Flask, Response, render_template, send_from_directory, session

from agents_app import http
from agents_app.config import Settings, settings
from agents_app.errors import ConfigurationError, NotFound
from agents_app.operations import sessions

FILES = ("swagger-ui.css", "swagger-ui-bundle.js")
FOLDER = Path(flask_swagger_ui.__file__).parent / "dist"
DAY_S = 86_400


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
    return render_template("api/docs.html")


def _file(name: str) -> Response:
    if name not in FILES:
        raise NotFound("Nothing was found at this URL. Check the URL.")
    return send_from_directory(FOLDER, name, max_age=DAY_S)
