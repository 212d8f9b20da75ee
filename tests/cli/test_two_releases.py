"""The recipe for a NOT NULL column, while the release before and the new one serve and write at once."""

import json
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.cli.conftest import PATIENCE_S, Checkout, Server, free_port, wait_for
from tests.conftest import OpenConsole
from tests.dbtools.tools import fetch_rows
from tests.make import KEYS, agent_values, make_agent, make_token, make_user
from tests.project import reused_copy

LAST_COLUMN = '    examined_version: Mapped[int] = mapped_column(default=0, server_default="0", info=REPLACE_FILLED)\n'
COLUMN = '    tier: Mapped[str] = mapped_column(sa.String(20), default="standard")\n'
UNFILLED = "SELECT count(*) FROM agents WHERE tier IS NULL"


@dataclass
class Writer:
    """Creates agents at a server, one after the other."""

    server: Server
    token: str
    created: int = 0
    failures: list[str] = field(default_factory=list)

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Write until the block ends, and at least five agents in it."""
        stop, begun = threading.Event(), self.created
        thread = threading.Thread(target=self._write, args=(stop,))
        thread.start()
        try:
            yield
            wait_for(lambda: bool(self.failures) or self.created >= begun + 5)
        finally:
            stop.set()
            thread.join()
        assert self.failures == []

    def _write(self, stop: threading.Event) -> None:
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        body = json.dumps(agent_values()).encode()
        while not stop.is_set() and not self.failures:
            request = urllib.request.Request(f"{self.server.url}/api/v1/agents", body, headers)
            try:
                with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:
                    self.created += answer.status == 201
            except urllib.error.HTTPError as refusal:
                with refusal:
                    self.failures.append(f"{refusal.code} {refusal.read().decode()}")
            except OSError as error:
                self.failures.append(repr(error))


@pytest.mark.long
def test_no_request_fails_and_no_row_is_without_a_value(
    tmp_path: Path,
    checkout: Checkout,
    schema_url: str,
    open_console: OpenConsole,
    serve: Callable[..., Server],
) -> None:
    app = open_console(schema_url)
    admin = make_user(app)
    for _ in range(20):
        make_agent(app, admin)
    token = make_token(app, admin, "write")
    checkout.settings.update(KEYS, DATABASE_URL=schema_url)
    old = Writer(_read_output(serve(checkout, **_address())), token)
    new_release = Checkout(reused_copy(tmp_path, "new release"), {**checkout.settings, "MIGRATION_BATCH": "2"})
    model = new_release.folder / "agents_app" / "models" / "agent.py"
    model.write_text(model.read_text().replace(LAST_COLUMN, f"{LAST_COLUMN}{COLUMN}"))

    with old.writing():
        _run(new_release, "migrate", "-m", "add_tier")
        assert "finish" in _run(new_release, "deploy", "--no-backup")
    # What the old release writes after the fill has no value yet.
    with old.writing():
        pass
    assert fetch_rows(schema_url, UNFILLED) != [(0,)]
    assert "which flask db deploy --finish fills" in _run(new_release, "status")
    new = Writer(_read_output(serve(new_release, **_address())), token)
    with new.writing(), old.writing():
        pass
    old.server.process.terminate()
    old.server.process.wait()
    with new.writing():
        assert "Filled " in _run(new_release, "deploy", "--finish", "--no-backup")

    assert fetch_rows(schema_url, UNFILLED) == [(0,)]
    assert fetch_rows(schema_url, "SELECT count(*) FROM agents") == [(20 + old.created + new.created,)]
    status = json.loads(_run(new_release, "status", "--check", "--json"))
    assert (status["drift"], status["problems"]) == ([], [])


def _address() -> dict[str, str]:
    # Without PUBLIC_URL, a server applies every step to an SQLite file first.
    bind = f"127.0.0.1:{free_port()}"
    return {"BIND": bind, "PUBLIC_URL": f"http://{bind}"}


def _read_output(server: Server) -> Server:
    # A server that logs each request waits when the pipe is full.
    assert server.process.stdout is not None
    threading.Thread(target=server.process.stdout.read, daemon=True).start()
    return server


def _run(checkout: Checkout, *words: str) -> str:
    done = checkout.flask("db", *words)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr if words[-1] != "--json" else done.stdout
