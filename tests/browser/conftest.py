"""A real browser and a real server. Without chromium these tests are skipped, unless REQUIRE_ALL is set."""

import os
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright
from werkzeug.serving import WSGIRequestHandler, make_server

from agents_app.config import Settings
from agents_app.db import db
from agents_app.operations.permissions import Actor
from tests.cli.conftest import free_port
from tests.make import PASSWORD, make_app, make_user

FLAGS = [
    "--no-sandbox",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
]
PROGRAM = shutil.which("chromium") or shutil.which("chromium-browser")
SOURCE = ("REFERER", "ORIGIN", "SEC_FETCH_SITE")
# On a busy machine a step takes long. A step that succeeds never waits for this.
PATIENCE_MS = 30_000
expect.set_options(timeout=PATIENCE_MS)
NO_CHROMIUM = "No chromium: the pages were NOT tried in a browser. Debian: apt-get install chromium."


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """The installed browser."""
    if PROGRAM is None and os.environ.get("REQUIRE_ALL") == "1":
        pytest.fail(NO_CHROMIUM)
    if PROGRAM is None:
        pytest.skip(NO_CHROMIUM)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=PROGRAM, args=FLAGS)
        yield browser
        browser.close()


class Site:
    """A console that listens on a local port: that of PUBLIC_URL where it is set, else `port` (0: a free one)."""

    def __init__(self, app: Flask, port: int = 0) -> None:
        self.app = app
        # The headers Referer, Origin and Sec-Fetch-Site of the forms that arrived.
        self.sources: list[tuple[str | None, ...]] = []
        settings: Settings = app.extensions["settings"]
        port, tls = (settings.origin.port if settings.public_url else port), ("adhoc" if settings.is_https else None)
        self.server = make_server(
            "127.0.0.1", port, self._answer, threaded=True, request_handler=_Quiet, ssl_context=tls
        )
        self.address = settings.public_url or f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()

    def _answer(self, environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
        """Yield the response. A generator closes it also where Werkzeug does not: after a reset of the connection."""
        if environ["REQUEST_METHOD"] == "POST":
            self.sources.append(tuple(environ.get(f"HTTP_{name}") for name in SOURCE))
        with closing(self.app(environ, start_response)) as response:
            yield from response

    def stop(self) -> None:
        """Close the port and the database."""
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()
        with self.app.app_context():
            db.engine.dispose()


class _Quiet(WSGIRequestHandler):
    def log(self, *_: Any) -> None:
        """Write no log."""


@pytest.fixture
def empty_site(sqlite_schema_url: str) -> Iterator[Site]:
    """A console without an account, at the address that its settings have."""
    port = free_port()
    site = Site(make_app(sqlite_schema_url, BIND=f"127.0.0.1:{port}"), port)
    yield site
    site.stop()


@pytest.fixture(scope="session")
def site(_sqlite_at_head: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A console that the tests of one process share. Each test creates its own account."""
    file = shutil.copy(_sqlite_at_head, tmp_path_factory.mktemp("browser") / "console.db")
    site = Site(make_app(f"sqlite:///{file}"))
    yield site
    site.stop()


Open = Callable[..., Page]


@pytest.fixture
def open_page(chromium: Browser) -> Iterator[Open]:
    """A function that opens a page of a site in a new browser. Script errors fail the test."""
    contexts: list[BrowserContext] = []
    problems: list[str] = []

    def open_one(site: Site, **options: Any) -> Page:
        context = chromium.new_context(base_url=site.address, **options)
        context.set_default_timeout(PATIENCE_MS)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("console", lambda message: _note(problems, message.type, message.text))
        return page

    yield open_one
    for context in contexts:
        context.close()
    assert not problems


def _note(problems: list[str], kind: str, text: str) -> None:
    # Chromium also logs responses with status 4xx, which are expected.
    if kind == "error" and "Failed to load resource" not in text:
        problems.append(text)


def sign_in(page: Page, email: str) -> None:
    """Sign in, which leads to the list of agents."""
    page.goto("sign-in")
    send_password(page, email)
    page.get_by_role("heading", name="Agents").wait_for()


def send_password(page: Page, email: str) -> None:
    """Send the form of the sign-in page."""
    page.get_by_label("Email address").fill(email)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()


@pytest.fixture
def admin(site: Site) -> Actor:
    """The admin of a new account."""
    return make_user(site.app, name="Ada Lovelace")


@pytest.fixture
def page(site: Site, open_page: Open, admin: Actor) -> Page:
    """A page on which the admin is signed in."""
    page = open_page(site)
    sign_in(page, admin.email)
    return page
