"""What a signed cookie may hold: whatever this release would not have written there is as if it were not there."""

from typing import Any

import pytest
from flask import Flask

from tests.conftest import OpenConsole
from tests.make import make_user
from tests.security.conftest import Visitor
from tests.security.test_matrix import answered

ODD = [5, 5.5, True, None, [], ["x"], {}, {"x": 1}, "é", "\ud800", b"x", ("x", 1)]
FLASHES = [["x"], [["ok"]], [["ok", 5]], [["ok", "x", "y"]], [5], [None], "ok"]
CONTENTS: list[Any] = [
    *({name: value} for name in ("sid", "csrf_token", "_flashes") for value in ODD),
    *({"_flashes": value} for value in FLASHES),
    *({"sid": "x", "csrf_token": value} for value in ODD),
    *(value for value in ODD if not isinstance(value, dict)),
]
PATHS = ["/", "/agents", "/agents/new", "/profile", "/people", "/sign-in", "/setup", "/join?code=x", "/docs"]


def cookie_with(app: Flask, content: Any) -> str:
    """A cookie with this content, signed with the console's key."""
    return str(app.session_interface.get_signing_serializer(app).dumps(content))  # type: ignore[attr-defined]


@pytest.mark.parametrize("content", CONTENTS, ids=repr)
def test_a_signed_cookie_with_odd_content_is_a_browser_that_is_signed_out(
    sqlite_schema_url: str, open_console: OpenConsole, content: Any
) -> None:
    app = open_console(sqlite_schema_url, API_DOCS_PATH="/docs", API_DOCS_PUBLIC="false")
    make_user(app)

    assert_signed_out(app, cookie_with(app, content))


@pytest.mark.parametrize("payload", [b"", b"x", b'{" u": "x"}', b'{" t": 5}', b"\xff", b".x"])
def test_a_signed_cookie_of_another_make_is_a_browser_that_is_signed_out(console: Flask, payload: bytes) -> None:
    make_user(console)
    serializer = console.session_interface.get_signing_serializer(console)  # type: ignore[attr-defined]

    assert_signed_out(console, serializer.make_signer(serializer.salt).sign(payload).decode("latin-1"))


def assert_signed_out(app: Flask, cookie: str) -> None:
    """With this cookie every page answers as it does without one, and forms can be sent."""
    for path in PATHS:
        found = []
        for visitor in (Visitor(app), Visitor(app)):
            if found:
                visitor.client.set_cookie("session", cookie)
            found.append(answered(visitor.ask("GET", path)))
        assert found[0] == found[1], path
    for path in ("/sign-in", "/sign-out", "/agents/new", "/theme"):
        visitor = Visitor(app)
        visitor.client.set_cookie("session", cookie)
        assert visitor.ask("POST", path, headers={}, data={"csrf_token": "x"}).status_code == 400
