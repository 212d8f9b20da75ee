"""docs/api.md and docs/runtimes.md, followed as they are written, from the first block to the last one of each.

A block `python file=NAME` or `javascript file=NAME` is a file, and the lines of a block `sh` are typed.
"""

import json
import os
import re
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
Answer = tuple[int, dict[str, str], Any]
ETAG = '"3-0a1b2c"'
PROBLEM = {"detail": "The agent is disabled: Moving."}
PAGE = "<html>A page of a proxy.</html>"
# In place of a status: the body is sent without a status line and headers.
NO_HTTP = 0
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


def test_git_ignores_the_files_in_which_the_guides_keep_tokens() -> None:
    kept = {name for block in (*API, *RUNTIMES) for name in re.findall(r"tokens create .* > (\S+)", block.text)}

    assert {f"/{name}" for name in kept} == {"/token", "/runtime-token"}
    assert {f"/{name}" for name in kept} <= set((ROOT / ".gitignore").read_text().split())


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
    assert (guide.folder / "runtime-token").stat().st_mode & 0o077 == 0
    # It is another file than the one of docs/api.md.
    assert not (guide.folder / "token").exists()


STOPPED = f"stopped: {PROBLEM['detail']}"
# One call of `get` each: what is answered, and what the program prints. The last word: whether it waits for minutes.
TABLE: list[tuple[Answer, str]] = [
    ((503, {}, PAGE), "stopped: The console has not answered yet."),
    ((200, {"ETag": ETAG}, {"name": "Orders"}), "Orders False"),
    ((304, {}, None), "Orders False"),
    ((429, {"Retry-After": "300"}, PROBLEM), "Orders True"),
    ((503, {"Retry-After": "2"}, PROBLEM), "Orders False"),
    ((502, {}, PROBLEM), "Orders False"),
    # What a proxy sends in place of the console, and what is broken off, is no answer.
    ((200, {"ETag": ETAG}, PAGE), "Orders False"),
    ((401, {}, PAGE), "Orders False"),
    ((403, {"Content-Type": "application/json"}, {"message": "Forbidden"}), "Orders False"),
    ((404, {}, PAGE), "Orders False"),
    ((503, {"Retry-After": "300"}, PAGE), "Orders True"),
    ((503, {"Retry-After": "\N{SUPERSCRIPT TWO}"}, PAGE), "Orders False"),
    ((200, {"ETag": ETAG, "Content-Length": "999"}, {"name": "Cut"}), "Orders False"),
    ((403, {"Content-Length": "999"}, PROBLEM), "Orders False"),
    ((NO_HTTP, {}, PAGE), "Orders False"),
    ((403, {}, PROBLEM), STOPPED),
    # The reason stays until the console answers again.
    ((502, {}, PAGE), STOPPED),
    ((NO_HTTP, {}, PAGE), STOPPED),
    ((200, {"ETag": ETAG}, {"name": "Again"}), "Again False"),
    ((404, {}, PROBLEM), STOPPED),
    ((401, {}, PROBLEM), STOPPED),
]


@pytest.mark.long
@pytest.mark.parametrize("language", ["python", "javascript"])
def test_the_programs_for_runtimes_do_what_the_table_says(language: str, tmp_path: Path) -> None:
    for block in RUNTIMES:
        if "file" in block.options:
            (tmp_path / block.options["file"]).write_text(block.text)
    driver = tmp_path / ("driver.py" if language == "python" else "driver.mjs")
    driver.write_text(IN_PYTHON if language == "python" else IN_JAVASCRIPT)

    with console_that_answers([answer for answer, _ in TABLE]) as (address, asked):
        program = sys.executable if language == "python" else "node"
        words = [program, driver.name, address, str(len(TABLE))]
        done = subprocess.run(words, cwd=tmp_path, env=os.environ, capture_output=True, text=True, check=False)

    assert done.stdout.splitlines() == [printed for _, printed in TABLE], done.stderr
    assert {path for path, _ in asked} == {"/api/v1/runtime/by-external-id/a%2Fb%20c"}
    # After a refusal that stops the agent, nothing is kept.
    before = [None, *(printed for _, printed in TABLE)]
    has_values = [printed is not None and not printed.startswith("stopped") for printed in before[:-1]]
    assert [tag for _, tag in asked] == [ETAG if known else None for known in has_values]


@contextmanager
def console_that_answers(answers: list[Answer]) -> Iterator[tuple[str, list[Any]]]:
    """A server that gives these answers one after the other, and its list of (path, If-None-Match) of each request."""
    asked: list[tuple[str, str | None]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, headers, body = answers[len(asked)]
            asked.append((self.path, self.headers["If-None-Match"]))
            content = b"" if body is None else (body if isinstance(body, str) else json.dumps(body)).encode()
            if status != NO_HTTP:
                self.send_response(status)
                for name, value in {**media_type(status, body), "Content-Length": str(len(content)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
            self.wfile.write(content)

        def do_POST(self) -> None:
            self.do_GET()

        def do_PUT(self) -> None:
            self.do_GET()

        def log_message(self, *_args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", asked
        server.shutdown()
        thread.join()


def media_type(status: int, body: object) -> dict[str, str]:
    """The header Content-Type of a page, of a configuration and of a problem."""
    if body is None:
        return {}
    known = (
        "text/html" if isinstance(body, str) else "application/json" if status == 200 else "application/problem+json"
    )
    return {"Content-Type": f"{known}; charset=utf-8"}
