"""What the log line of a request contains, and that a request cannot add lines of its own."""

import io
import json
import logging
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from flask import Flask

from agents_app.db import db
from agents_app.logs import JsonFormatter
from agents_app.operations import agent_reads
from agents_app.operations.permissions import Actor
from tests.api.test_permissions import forged
from tests.conftest import OpenConsole
from tests.make import make_user
from tests.security.conftest import Caller


class Lines:
    """The log lines of a test."""

    def __init__(self, text: io.StringIO) -> None:
        self.text = text

    def read(self) -> list[dict[str, Any]]:
        """Each line, which must be one JSON object."""
        return [json.loads(line) for line in self.text.getvalue().splitlines()]


@pytest.fixture
def lines() -> Iterator[Lines]:
    """The log lines that the console writes."""
    text, logger = io.StringIO(), logging.getLogger("agents_app")
    handler = logging.StreamHandler(text)
    handler.setFormatter(JsonFormatter())
    logger.addHandler(handler)
    yield Lines(text)
    logger.removeHandler(handler)


def test_a_denial_names_who_asked_for_what_from_where_and_when(console: Flask, admin: Actor, lines: Lines) -> None:
    viewer = make_user(console, "viewer", admin.account_id)
    caller = Caller(console, viewer)

    answer = caller.ask("GET", "/people")

    (line,) = lines.read()
    assert (line["method"], line["path"], line["status"]) == ("GET", "/people", 403)
    assert (line["user_id"], line["account_id"]) == (str(viewer.user_id), str(viewer.account_id))
    assert (line["address"], line["request_id"]) == (caller.address, answer.headers["X-Request-ID"])
    assert datetime.fromisoformat(line["time"]).utcoffset() == timedelta(0)


@pytest.mark.parametrize(
    ("method", "path", "token"),
    [
        ("GET", "/api/v1/agents", None),
        ("GET", "/api/v1/agents", forged()),
        ("POST", "/theme", None),
        ("GET", "/join", None),
    ],
)
def test_a_refused_caller_leaves_a_line(
    console: Flask, lines: Lines, method: str, path: str, token: str | None
) -> None:
    answer = Caller(console, token=token).ask(method, path, {"csrf_token": "x"} if method == "POST" else None)

    assert [line["status"] for line in lines.read()] == [answer.status_code]
    assert answer.status_code in (400, 401, 404)


def test_a_line_has_the_request_id_and_the_trace_of_the_caller(console: Flask, lines: Lines) -> None:
    trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

    answer = Caller(console).ask("GET", "/healthz", headers={"X-Request-ID": "job-17/3", "traceparent": trace})

    (line,) = lines.read()
    assert (line["client_request_id"], line["traceparent"]) == ("job-17/3", trace)
    assert line["request_id"] == answer.headers["X-Request-ID"] != "job-17/3"


def test_a_trace_of_a_later_version_can_have_more_fields(console: Flask, lines: Lines) -> None:
    ids = "4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

    for trace in (f"cc-{ids}-more", f"00-{ids}-more"):
        Caller(console).ask("GET", "/healthz", headers={"traceparent": trace})

    assert [line.get("traceparent") for line in lines.read()] == [f"cc-{ids}-more", None]


@pytest.mark.parametrize("odd", ["", "a" * 129, "a b", "a\u00e4", "00-" + "0" * 32 + "-00f067aa0ba902b7-01"])
def test_what_is_no_id_of_a_request_or_trace_is_not_logged(console: Flask, lines: Lines, odd: str) -> None:
    too_long = odd + "a" * 129

    Caller(console).ask("GET", "/healthz", headers={"X-Request-ID": too_long, "traceparent": odd})

    (line,) = lines.read()
    assert not {"client_request_id", "traceparent"} & line.keys()


@pytest.mark.parametrize("odd", ["\n", "\r\n", "\u2028", "\x1b[2J", '"}\n{"level": "error"', "\x85"])
def test_a_request_cannot_add_a_log_line(console: Flask, lines: Lines, odd: str) -> None:
    exactly = {"PATH_INFO": f"/nothing{odd}here".encode().decode("latin-1")}

    answer = Caller(console).ask("GET", "/", environ_overrides=exactly, headers={"X-Request-ID": "made-up"})

    (line,) = lines.read()
    assert line["status"] == answer.status_code == 404
    assert line["request_id"] != "made-up"


def test_a_database_that_does_not_answer_is_one_short_line_for_each_request(
    sqlite_schema_url: str, open_console: OpenConsole, capfd: pytest.CaptureFixture[str]
) -> None:
    console = open_console(sqlite_schema_url)
    caller = Caller(console, make_user(console))
    with console.app_context(), db.engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE user_sessions")
    capfd.readouterr()

    answer = caller.ask("GET", "/agents")

    written = [json.loads(line) for line in capfd.readouterr().err.splitlines()]
    (line,) = (one for one in written if one["level"] == "warning")
    assert (answer.status_code, line["message"], line["code"]) == (503, "unavailable", "schema_behind")
    assert "no such table: user_sessions" in line["cause"]
    assert "traceback" not in line
    assert "no such table" not in answer.text


def test_an_unexpected_error_is_shown_in_the_log_only(
    console: Flask, admin: Actor, lines: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_given: object) -> None:
        raise RuntimeError("nobody knows why")

    monkeypatch.setattr(agent_reads, "listing_with_counts", broken)

    answer = Caller(console, admin).ask("GET", "/agents")

    error = next(line for line in lines.read() if line["level"] == "error")
    assert "nobody knows why" in error["traceback"]
    assert error["request_id"] == answer.headers["X-Request-ID"]
    assert "nobody knows why" not in answer.text


def test_the_query_of_a_url_is_not_logged(console: Flask, lines: Lines) -> None:
    Caller(console).ask("GET", "/join?code=canary-code&password=canary-password")

    assert "canary" not in lines.text.getvalue()


SECRETS = {
    "an API token": f"asked with {forged()} today",
    "an encrypted value": "row v1:k1:" + "Ab0_-" * 10 + " is odd",
    "a database's address": "postgresql://console:canary-word@db.example.org/console",
    "credentials of a head": "Authorization: Bearer canary-word",
    "a cookie": "Cookie: theme=dark; __Host-session=canary-word; x=y",
    "a form": "name=Ada&password=canary-word&role=admin",
    "a private key": "-----BEGIN RSA PRIVATE KEY-----\ncanary-word\n-----END RSA PRIVATE KEY-----",
    "a private key that is cut off": "-----BEGIN PRIVATE KEY-----\ncanary-word",
}


@pytest.mark.parametrize("text", SECRETS.values(), ids=SECRETS)
def test_text_that_looks_like_a_secret_is_removed_from_messages_and_tracebacks(lines: Lines, text: str) -> None:
    logger = logging.getLogger("agents_app.test")
    logger.warning("It said: %s", text)
    try:
        raise ValueError(text)
    except ValueError:
        logger.exception("Nobody knows why")

    written = lines.text.getvalue()
    assert written.count("[removed]") == 2
    assert not [part for part in ("canary", forged()[4:30], "Ab0_-") if part in written]
