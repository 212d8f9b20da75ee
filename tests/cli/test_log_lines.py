"""What a person sees at a terminal: the address, then one line for each request; and what a program reads."""

import json
import os
import pty
import subprocess
import sys
from collections.abc import Callable

import pytest

from tests.cli.conftest import Checkout, Server, wait_for

pytestmark = pytest.mark.long
Serve = Callable[..., Server]


def test_at_a_terminal_a_server_greets_and_writes_one_line_a_request(ready: Checkout) -> None:
    near, far = pty.openpty()
    environment = {"PATH": os.environ["PATH"], "HOME": str(ready.folder), "TERM": "xterm", **ready.settings}
    words = [ready.python or sys.executable, "-m", "flask", "serve"]
    process = subprocess.Popen(
        words, cwd=ready.folder, env=environment, stdin=subprocess.DEVNULL, stdout=far, stderr=far
    )
    os.close(far)
    server = Server(process, f"http://{ready.settings['BIND']}")
    wait_for(lambda: process.poll() is not None or server.answers("/healthz"))
    server.get("/no-such-page")
    process.terminate()

    lines = read_all(near).splitlines()

    greeting = [line for line in lines if server.url in line]
    requests = [line for line in lines if " ms" in line]
    assert process.wait() == 0
    assert [line.partition(":")[0] for line in greeting] == [
        lines[0].partition(":")[0],
        "There is no account yet. Create the first one at http",
    ]
    assert all("/healthz" in line for line in requests[:-1])
    assert "GET /no-such-page \x1b[33m404\x1b[0m" in requests[-1]
    assert len(lines) == len(greeting) + len(requests)


def read_all(terminal: int) -> str:
    """What was written to a terminal until its last program has ended."""
    found = b""
    while True:
        try:
            found += os.read(terminal, 65_536)
        except OSError:
            os.close(terminal)
            return found.decode()


def test_to_a_pipe_each_line_of_the_log_is_json_unless_text_is_asked_for(ready: Checkout, serve: Serve) -> None:
    for log_format, begins in (("", "{"), ("text", "")):
        server = serve(ready, LOG_FORMAT=log_format)
        server.get("/sign-in")
        server.process.terminate()

        printed = server.end()[1].splitlines()

        (line,) = [line for line in printed if "/sign-in" in line]
        assert line.startswith(begins)
        assert (json.loads(line)["path"] if begins else line.split()[2]) == "/sign-in"
