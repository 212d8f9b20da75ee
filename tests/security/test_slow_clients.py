"""Clients that send or read slowly, and many sign-ins at the same time, do not delay other requests."""

import ast
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import urlencode

import pytest
import sqlalchemy as sa
from flask import Flask

from agents_app import web
from agents_app.db import db
from agents_app.paths import ROOT
from tests.conftest import OpenConsole
from tests.make import cookie_name
from tests.security.conftest import Caller
from tests.security.served import HOST, Served, head, read_all, served, status_of

pytestmark = pytest.mark.long

UNFINISHED = (
    head("POST", "/sign-in", "Content-Type: application/x-www-form-urlencoded", "Content-Length: 99") + b"email="
)
PASSWORD_PATHS = (
    *("/sign-in", "/setup", "/join", "/reset", "/profile", "/profile/details"),
    *("/profile/second-factor", "/profile/second-factor/remove"),
)
# More than the socket buffers of the system.
LONG_PART, LONG_PARTS = b"x" * 65_536, 160
TOO_MANY = b"Too many passwords are being checked"


@pytest.fixture
def app(open_console: OpenConsole, schema_url: str) -> Flask:
    """The console on a database of its own, so that the test can block writers."""
    return open_console(schema_url)


@contextmanager
def writers_wait(app: Flask) -> Iterator[None]:
    """Within the block, every write of a sign-in attempt waits until the lock timeout of the database."""
    with app.app_context(), db.engine.execution_options(console_begin="BEGIN IMMEDIATE").connect() as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(sa.text("LOCK TABLE login_attempts IN ACCESS EXCLUSIVE MODE"))
        else:
            connection.execute(sa.text("SELECT 1"))
        yield
        connection.rollback()


def sign_in(app: Flask) -> bytes:
    """A request to sign in with a wrong password."""
    caller = Caller(app)
    form = urlencode({"csrf_token": caller.csrf, "email": "nobody@example.org", "password": "x"}).encode()
    cookie = caller.client.get_cookie(cookie_name(caller.client.application), domain=HOST)
    assert cookie is not None
    headers = ("Content-Type: application/x-www-form-urlencoded", f"Content-Length: {len(form)}", "Connection: close")
    return head("POST", "/sign-in", *headers, f"Cookie: {cookie.key}={cookie.value}") + form


def in_background(server: Served, request: bytes, answers: list[bytes]) -> threading.Thread:
    """Send a request in a thread, and record the response."""
    thread = threading.Thread(target=lambda: answers.append(server.ask(request)))
    thread.start()
    return thread


def test_two_hundred_unfinished_bodies_do_not_delay_other_requests(app: Flask) -> None:
    with served(app, PASSWORD_PATHS, threads=2) as server, ExitStack() as stack:
        for _ in range(200):
            stack.enter_context(server.connect(UNFINISHED))

        assert [server.status(path) for path in ("/healthz", "/readyz", "/agents")] == [200, 200, 303]
        assert status_of(server.ask(sign_in(app))) == 422


def test_a_body_that_takes_too_long_is_refused(app: Flask) -> None:
    with served(app, PASSWORD_PATHS, body_s=0.1) as server:
        answer = server.ask(UNFINISHED)

    assert status_of(answer) == 408
    assert b"connection: close" in answer
    assert b"The request took too long to arrive. Nothing was done." in answer


def test_fifty_sign_ins_leave_threads_for_other_requests() -> None:
    may_go_on = threading.Event()

    def checks_passwords(environ: dict[str, str], start_response: Callable[..., object]) -> list[bytes]:
        if environ["REQUEST_METHOD"] == "POST":
            may_go_on.wait()
        start_response("200 OK", [("Content-Length", "0")])
        return [b""]

    answers: list[bytes] = []
    request = head("POST", "/sign-in", "Content-Length: 0", "Connection: close")
    with served(checks_passwords, ["/sign-in"], threads=8) as server:
        threads = [in_background(server, request, answers) for _ in range(50)]
        others = [server.status("/") for _ in range(10)]
        answered = len(answers)
        may_go_on.set()
        for thread in threads:
            thread.join()

    assert (others, answered) == ([200] * 10, 0)
    assert [status_of(answer) for answer in answers] == [200] * 50


def test_fifty_sign_ins_at_the_same_time_are_all_answered(app: Flask) -> None:
    answers: list[bytes] = []
    requests = [sign_in(app) for _ in range(50)]
    with served(app, PASSWORD_PATHS) as server:
        threads = [in_background(server, request, answers) for request in requests]
        others = [server.status(path) for path in ("/healthz", "/readyz", "/agents")]
        for thread in threads:
            thread.join()

    assert others == [200, 200, 303]
    assert len(answers) == 50
    assert {status_of(answer) for answer in answers} <= {422, 429, 503}


def test_a_sign_in_without_a_free_thread_is_answered_with_when_to_try_again(app: Flask) -> None:
    answers: list[bytes] = []
    # Within the context of the app, both pages would have the CSRF value of the first session.
    requests = [sign_in(app) for _ in range(2)]
    with served(app, PASSWORD_PATHS, threads=2, wait_s=0.1) as server, writers_wait(app):
        threads = [in_background(server, request, answers) for request in requests]
        for thread in threads:
            thread.join()

    refused = [answer for answer in answers if TOO_MANY in answer]
    assert [status_of(answer) for answer in refused] == [503]
    assert b"retry-after: " in refused[0]


def test_clients_that_do_not_read_their_responses_do_not_delay_others() -> None:
    def answers_at_length(environ: dict[str, str], start_response: Callable[..., object]) -> Iterator[bytes]:
        start_response("200 OK", [])
        yield from [LONG_PART] * (LONG_PARTS if environ["PATH_INFO"] == "/long" else 1)

    with served(answers_at_length, threads=2) as server, ExitStack() as stack:
        readers = [stack.enter_context(server.connect(head("GET", "/long", "Connection: close"))) for _ in range(3)]

        assert server.status("/") == 200

        assert read_all(readers[0]).count(LONG_PART) == LONG_PARTS


def test_the_middleware_knows_every_form_whose_password_is_hashed(console: Flask) -> None:
    hashing, more = {"passwords.hash_password"}, {"passwords.hash_password", "passwords.is_correct"}
    while more - hashing:
        hashing |= more
        found = functions(ROOT / "agents_app" / "operations")
        more = {f"{path.stem}.{function.name}" for path, function in found if hashing & used(path, function)}
    forms = {
        f"web.{path.stem}.{function.name}"
        for path, function in functions(ROOT / "agents_app" / "web")
        if function.decorator_list and hashing & used(path, function)
    }

    assert {"sessions.sign_in", "accounts.claim", "user_details.change_password"} < hashing
    assert forms == set(web.PASSWORD_FORMS)
    assert web.password_paths(console) == set(PASSWORD_PATHS)


def functions(folder: Path) -> Iterator[tuple[Path, ast.FunctionDef]]:
    for path in sorted(folder.glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef):
                yield path, node


def used(path: Path, function: ast.FunctionDef) -> set[str]:
    """The names that a function uses: of other modules as `module.name`, and of its own module in the same form."""
    nodes = list(ast.walk(function))
    own = {f"{path.stem}.{node.id}" for node in nodes if isinstance(node, ast.Name)}
    return own | {ast.unparse(node) for node in nodes if isinstance(node, ast.Attribute)}
