"""Whether a process lives and can do its work, at /healthz and /readyz: for balancers and supervisors."""

import orjson
from flask import Flask, Response

from agents_app import errors
from agents_app.operations import encryption_keys, health


def init_app(app: Flask) -> None:
    """Add both addresses."""
    app.add_url_rule("/healthz", "healthz", _healthz)
    app.add_url_rule("/readyz", "readyz", _readyz)


def _healthz() -> Response:
    """Whether this process answers; nothing else is looked at."""
    return _health(200, "ok")


def _readyz() -> Response:
    """Whether this process can do its work: database there, schema fits, key fits."""
    try:
        state = health.schema()
        health.require_changes()
        wrong_key = None if state.pending else encryption_keys.find_problem()
    except errors.Unavailable as error:
        return _health(503, error.code)
    if state.pending:
        return _health(503, "schema_behind")
    if wrong_key:
        return _health(503, "secret_unavailable")
    return _health(200, "schema_ahead" if state.is_ahead else "ok")


def _health(status: int, word: str) -> Response:
    headers = {"Retry-After": str(errors.Unavailable.retry_after)} if status == 503 else {}
    return Response(orjson.dumps({"status": word}), status, headers, mimetype="application/json")
