"""/healthz and /readyz, for load balancers and supervisors: whether a process runs, and whether it can do its work."""

import orjson
from flask import Flask, Response

from agents_app import __version__, errors
from agents_app.operations import encryption_keys, health

PATHS = ("/healthz", "/readyz")


def init_app(app: Flask) -> None:
    """Add both addresses."""
    for path, view in zip(PATHS, (_healthz, _readyz), strict=True):
        app.add_url_rule(path, path[1:], view)


def _healthz() -> Response:
    """Answer that this process is alive, and its version. Nothing else is checked."""
    return _answer(200, "ok", version=__version__)


def _readyz() -> Response:
    """Whether this process can do its work: the database answers, and schema and keys fit."""
    try:
        state = health.schema()
        health.require_changes()
        wrong_key = encryption_keys.find_problem() if state.is_ready else None
    except errors.Unavailable as error:
        return _answer(503, error.code)
    if not state.is_ready:
        return _answer(503, "schema_behind")
    if wrong_key:
        return _answer(503, "secret_unavailable")
    if state.is_finish_pending:
        return _answer(200, "finish_pending")
    return _answer(200, "schema_ahead" if state.is_ahead else "ok")


def _answer(status: int, code: str, **more: str) -> Response:
    headers = {"Retry-After": str(errors.Unavailable.retry_after)} if status == 503 else {}
    return Response(orjson.dumps({"status": code, **more}), status, headers, mimetype="application/json")
