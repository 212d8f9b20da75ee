"""docs/api.md and docs/runtimes.md, followed as they are written, from the first block to the last one of each.

A block `python file=NAME` or `javascript file=NAME` is a file, and the lines of a block `sh` are typed.
"""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from agents_app.api.error_codes import ERROR_CODES
from agents_app.paths import ROOT
from tests.cli.conftest import Checkout, Server, free_port, serve
from tests.clients.tools import Workshop
from tests.documents import Block, missing_lines, read_blocks, type_lines
from tests.make import KEYS
from tests.probes.postgresql.postgres_tls import tls_server
from tests.project import reused_copy

__all__ = ["serve"]

API, RUNTIMES = (read_blocks(ROOT / "docs" / name) for name in ("api.md", "runtimes.md"))
# Rows of other tables that begin with a name in code: the scopes, two operations, and a header.
OTHER_ROWS = 6
EXPORT = "export CONSOLE="
NEW_ACCOUNT = """flask accounts create --name Ada --email ada@example.org --organisation Acme --password-stdin <<END
correct-horse-battery-9
END"""
CREATE = """token=$(flask tokens create --name ci --scope write)
curl --fail -H "Authorization: Bearer $token" -H "Content-Type: application/json" -d @agent.json \\
     "$CONSOLE/api/v1/agents"
"""
ETAG = '"3-0a1b2c"'
# Prints what each call of `get` gives, one word a line. `ask_at` and `askAt` make the next call ask.
IN_PYTHON = """
from configuration import Configuration, Stopped
import sys
one = Configuration(sys.argv[1], "agc_x", "a/b c")
for _ in range(int(sys.argv[2])):
    try:
        print(one.get()["name"], one.ask_at > one.answered_at + 100)
    except Stopped as error:
        print(f"stopped: {error}")
    one.ask_at = 0
"""
IN_JAVASCRIPT = """
import { Configuration, Stopped } from "./configuration.mjs";
const one = new Configuration(process.argv[2], "agc_x", "a/b c");
for (let call = 0; call < Number(process.argv[3]); call++) {
  try {
    const { name } = await one.get();
    console.log(name, one.askAt > one.answeredAt + 100_000 ? "True" : "False");
  } catch (error) {
    if (!(error instanceof Stopped)) throw error;
    console.log(`stopped: ${error.message}`);
  }
  one.askAt = 0;
}
"""


class Guide:
    """A folder, a running console of an account without agents, and the lines of a reader."""

    def __init__(self, folder: Path, url: str, serve: Callable[..., Server]) -> None:
        self.folder = folder
        self.settings = {**KEYS, "DATABASE_URL": url, "BIND": f"127.0.0.1:{free_port()}"}
        self.settings["CONSOLE"] = f"http://{self.settings['BIND']}"
        self.type(NEW_ACCOUNT)
        serve(Checkout(folder, self.settings))

    def type(self, lines: str) -> "subprocess.CompletedProcess[str]":
        """Type lines, which must succeed."""
        done = type_lines(lines, self.folder, self.settings)
        assert done.returncode == 0, f"{lines}\n{done.stdout}\n{done.stderr}"
        return done

    def follow(self, block: Block) -> None:
        """Do what a block says, and compare what is printed."""
        if "file" in block.options:
            (self.folder / block.options["file"]).write_text(block.text)
        elif block.language == "sh" and not block.text.startswith(EXPORT):
            done = self.type(block.text)
            assert missing_lines(block, done) == [], f"{block.place}\n{done.stdout}{done.stderr}"


@pytest.fixture
def guide(tmp_path: Path, sqlite_schema_url: str, serve: Callable[..., Server]) -> Guide:
    """A reader of a guide."""
    return Guide(reused_copy(tmp_path), sqlite_schema_url, serve)


@pytest.mark.parametrize("block", [*API, *RUNTIMES], ids=lambda block: block.place)
def test_every_block_of_a_guide_is_run(block: Block) -> None:
    is_file = block.language in ("python", "javascript") and "file" in block.options
    assert is_file or block.language in ("sh", "text")


def test_the_guide_for_client_authors_lists_every_error_code() -> None:
    page = (ROOT / "docs" / "api.md").read_text()

    for code, known in ERROR_CODES.items():
        assert f"\n| `{code}` | {known.status} | {known.meaning} | {known.remedy} |\n" in page
    assert page.count("\n| `") == len(ERROR_CODES) + OTHER_ROWS


@pytest.mark.long
def test_the_guide_for_client_authors_works_as_it_is_written(guide: Guide, workshop: Workshop) -> None:
    # Otherwise npx would download the programs.
    (guide.folder / "node_modules").symlink_to(workshop.npm_packages().parent)
    for block in API:
        guide.follow(block)


@pytest.mark.long
def test_the_guide_for_runtimes_works_with_a_real_postgresql(guide: Guide) -> None:
    with tls_server() as server:
        server.execute("INSERT INTO sales.orders VALUES (1), (2), (3)", database="shop")
        config = {
            "dialect": "postgresql",
            **server.values(schema_allow_list=["sales"], table_allow_list=["sales.orders"]),
        }
        agent = {"name": "Orders", "external_id": "orders", "model_type": "gpt-5-mini", "connection_type": "DB"}
        (guide.folder / "agent.json").write_text(json.dumps({**agent, "connection_config": config}))
        guide.type(CREATE)
        for block in RUNTIMES:
            guide.follow(block)


@pytest.mark.long
@pytest.mark.parametrize("language", ["python", "javascript"])
def test_the_programs_for_runtimes_do_what_the_table_says(language: str, tmp_path: Path) -> None:
    for block in RUNTIMES:
        if "file" in block.options:
            (tmp_path / block.options["file"]).write_text(block.text)
    driver = tmp_path / ("driver.py" if language == "python" else "driver.mjs")
    driver.write_text(IN_PYTHON if language == "python" else IN_JAVASCRIPT)
    problem = {"detail": "The agent is disabled: Moving."}
    answers: list[tuple[int, dict[str, str], object]] = [
        (200, {"ETag": ETAG}, {"name": "Orders"}),
        (304, {}, None),
        (429, {"Retry-After": "300"}, problem),
        (503, {"Retry-After": "2"}, problem),
        (502, {}, problem),
        (403, {}, problem),
        (200, {"ETag": ETAG}, {"name": "Again"}),
        (404, {}, problem),
        (401, {}, problem),
    ]

    with console_that_answers(answers) as (address, asked):
        program = sys.executable if language == "python" else "node"
        words = [program, driver.name, address, str(len(answers))]
        done = subprocess.run(words, cwd=tmp_path, env=os.environ, capture_output=True, text=True, check=False)

    stopped = f"stopped: {problem['detail']}"
    assert done.stdout.splitlines() == [
        *["Orders False", "Orders False", "Orders True", "Orders False", "Orders False"],
        *[stopped, "Again False", stopped, stopped],
    ], done.stderr
    assert {path for path, _ in asked} == {"/api/v1/runtime/by-external-id/a%2Fb%20c"}
    # After a refusal that stops the agent, nothing is kept.
    known = [None, ETAG, ETAG, ETAG, ETAG, ETAG, None, ETAG, None]
    assert [tag for _, tag in asked] == known


@contextmanager
def console_that_answers(answers: list[tuple[int, dict[str, str], Any]]) -> Iterator[tuple[str, list[Any]]]:
    """A server that gives these answers one after the other, and its list of (path, If-None-Match) of each request."""
    asked: list[tuple[str, str | None]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, headers, body = answers[len(asked)]
            asked.append((self.path, self.headers["If-None-Match"]))
            content = b"" if body is None else json.dumps(body).encode()
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(content))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        do_POST = do_PUT = do_GET  # noqa: N815 (the names that the server looks up)

        def log_message(self, *_args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", asked
        server.shutdown()
        thread.join()
