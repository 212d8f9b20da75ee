"""The report to a chat is posted to a server that takes messages as a chat does."""

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from tests.drills.conftest import BuildMachine, Prepare
from tests.drills.machine import Machine

pytestmark = pytest.mark.long


class Chat(ThreadingHTTPServer):
    """Takes messages as an incoming webhook does."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Webhook)
        self.messages: list[tuple[str, str]] = []
        self.status = 200


class Webhook(BaseHTTPRequestHandler):
    """One message."""

    server: Chat

    def do_POST(self) -> None:
        """Keep the message."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.messages.append((self.path, json.loads(body)["text"]))
        self.send_response(self.server.status)
        self.end_headers()

    def log_message(self, *_words: object) -> None:
        """Print nothing."""


@pytest.fixture
def chat() -> Iterator[Chat]:
    """A running chat."""
    with Chat() as server:
        Thread(target=server.serve_forever).start()
        yield server
        server.shutdown()


@pytest.fixture
def reporting(build_machine: BuildMachine, fill_demo: Prepare, chat: Chat) -> Machine:
    """A machine that reports to the chat."""
    machine = fill_demo(
        build_machine(names={"https://chat.example.org": f"http://127.0.0.1:{chat.server_port}", "Acme": "Demo"})
    )
    machine.drill("chat-install")
    return machine


def test_the_chat_gets_the_agents_that_need_attention_with_their_reasons(reporting: Machine, chat: Chat) -> None:
    agent = reporting.type("agent-console agents attention | sed -n '2s/ .*//p'").strip()
    reporting.type(f"agent-console agents update {agent} --name '<!channel> & all'")

    assert reporting.drill("chat-try") == ""

    ((path, text),) = chat.messages
    assert path == "/hooks/SECRET"
    assert text.splitlines()[0].endswith(" agents need attention:")
    assert "- &lt;!channel&gt; &amp; all: The last test failed: " in text
    assert "<" not in text


def test_a_report_that_is_not_taken_or_not_made_is_said_and_one_without_agents_is_not_posted(
    reporting: Machine, chat: Chat
) -> None:
    chat.status = 500
    refused = reporting.run("agent-console-report Acme")
    assert refused.returncode != 0
    assert "500" in refused.stderr
    assert "SECRET" not in refused.stderr
    chat.status = 200
    assert "Error" in reporting.run("agent-console-report Nobody").stderr
    assert chat.messages.pop()[1] == "agent-console agents attention failed. Look at its log."
    chat.messages.clear()

    create = "agent-console accounts create --name Eva --email eva@example.org --organisation Empty --password-stdin"
    reporting.type(f"printf 'fourteen green kettles' | {create}\nagent-console-report Empty")

    assert chat.messages == []
