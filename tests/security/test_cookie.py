"""Content of a signed cookie that this release would not write is ignored."""

from typing import Any

from flask import Flask

from tests.conftest import OpenConsole
from tests.make import cookie_name, make_user
from tests.security.conftest import Caller
from tests.security.test_matrix import answered

ODD = [5, 5.5, True, None, [], ["x"], {}, {"x": 1}, "é", "\ud800", b"x", ("x", 1)]
FLASHES = [["x"], [["ok"]], [["ok", 5]], [["ok", "x", "y"]], [5], [None], "ok"]
CONTENTS: list[Any] = [
    *({name: value} for name in ("sid", "csrf_token", "_flashes") for value in ODD),
    *({"_flashes": value} for value in FLASHES),
    *({"sid": "x", "csrf_token": value} for value in ODD),
    *(value for value in ODD if not isinstance(value, dict)),
]
PAYLOADS = [b"", b"x", b'{" u": "x"}', b'{" t": 5}', b"\xff", b".x"]
FORMS = ["/sign-in", "/sign-out"]
PATHS = ["/", "/sign-in", "/join?code=x", "/docs"]


def cookie_with(app: Flask, content: Any) -> str:
    """A cookie with this content, signed with the console's key."""
    return str(app.session_interface.get_signing_serializer(app).dumps(content))  # type: ignore[attr-defined]


def test_a_signed_cookie_with_odd_content_counts_as_signed_out(
    sqlite_schema_url: str, open_console: OpenConsole
) -> None:
    app = open_console(sqlite_schema_url, API_DOCS_PATH="/docs", API_DOCS_PUBLIC="false")
    make_user(app)
    usual = asked_with(app, "")

    assert usual[0] == "in"
    for content in CONTENTS:
        assert asked_with(app, cookie_with(app, content)) == usual, content


def test_a_signed_cookie_with_another_format_counts_as_signed_out(console: Flask) -> None:
    make_user(console)
    serializer = console.session_interface.get_signing_serializer(console)  # type: ignore[attr-defined]
    signer, usual = serializer.make_signer(serializer.salt), asked_with(console, "")

    for payload in PAYLOADS:
        assert asked_with(console, signer.sign(payload).decode("latin-1")) == usual, payload


def asked_with(app: Flask, cookie: str) -> list[str]:
    """The response to a browser with this cookie."""
    browser = Caller(app)
    found = []
    for method, path in [*(("GET", path) for path in PATHS), *(("POST", path) for path in FORMS)]:
        browser.client.set_cookie(cookie_name(browser.client.application), cookie)
        form = {"csrf_token": "x"} if method == "POST" else None
        found.append(answered(browser.client.open(path, method=method, data=form)))
    return found
