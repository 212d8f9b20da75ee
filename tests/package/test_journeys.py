"""The main journeys with the installed wheel: in an empty folder and a bare environment, without a checkout."""

import hashlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.cli.conftest import Server
from tests.make import PASSWORD, agent_values
from tests.nginx import Client
from tests.wheel import Installed, programs_of_wheel

pytestmark = pytest.mark.long

SETUP = {"account_name": "Acme", "name": "Ada", "email": "ada@example.org", "password": PASSWORD}
AGENT = {"name": "By page", "DB-host": "db.example.org", "DB-database": "sales", "DB-username": "reader"}


@pytest.fixture
def server(installed: Installed) -> Iterator[Server]:
    """A first start in the empty folder."""
    started = installed.serve()
    yield started
    started.kill()


def set_up(server: Server) -> Client:
    """Create the organisation and its first admin, and return the browser of that admin."""
    client = Client(server.url, urlsplit(server.url).port or 0)
    answer = client.send(client.get("/setup"), "/setup", values=SETUP)
    assert (answer.status, answer.headers["Location"]) == (303, "/agents")
    return client


def ask(server: Server, token: str, method: str, path: str, body: object = None) -> tuple[int, str]:
    """Send one request to the API."""
    client = Client(server.url, urlsplit(server.url).port or 0)
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    answer = client.ask(method, f"/api/v1{path}", json.dumps(body) if body else None, headers)
    return answer.status, answer.text


def printed(installed: Installed, *words: str) -> str:
    """What a command prints on standard output; it must succeed."""
    run = installed(*words)
    assert run.returncode == 0, run.stderr
    return run.stdout.strip()


def hashes(folder: Path) -> dict[Path, str]:
    """The hash of every file of a folder."""
    return {path: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.rglob("*") if path.is_file()}


def test_a_first_start_in_an_empty_folder_serves_pages_the_api_and_runtimes(
    installed: Installed, server: Server
) -> None:
    browser = set_up(server)
    created = browser.send(browser.get("/agents/new?type=DB"), "/agents/new?type=DB", "/agents/new", AGENT)
    assert created.status == 303, created.text
    token = printed(installed, "tokens", "create", "--name", "writer", "--scope", "write")
    runtime = printed(installed, "tokens", "create", "--name", "runtime", "--scope", "runtime")

    status, text = ask(server, token, "POST", "/agents", {**agent_values(name="By API"), "api_key": "sk-0123456789"})
    assert status == 201
    (installed.folder / "agent.json").write_text(json.dumps(agent_values(name="By terminal")))
    printed(installed, "agents", "create", "--file", "agent.json")

    listed = json.loads(ask(server, token, "GET", "/agents")[1])["items"]
    assert {agent["name"] for agent in listed} == {"By page", "By API", "By terminal"}
    agent_id = json.loads(text)["id"]
    fetched = ask(server, runtime, "GET", f"/agents/{agent_id}/runtime")
    assert (fetched[0], "sk-0123456789" in fetched[1]) == (200, True)
    for path in ("/static/app.css", "/openapi.json"):
        assert browser.get(path).status == 200
    assert {path.name for path in installed.folder.iterdir()} == {".env", "agent.json", "instance"}


def test_the_commands_for_the_database_work_and_a_second_start_finds_the_data(
    installed: Installed, server: Server
) -> None:
    set_up(server)
    printed(installed, "demo")
    server.process.terminate()
    assert server.end()[0] == 0

    printed(installed, "db", "backup")
    (backup,) = installed.folder.glob("backups/*.sqlite")
    for words in ("current", "history", "plan", "downgrade -1", "upgrade", "status --check", "check"):
        printed(installed, "db", *words.split())
    restored = installed("db", "restore", str(backup), DATABASE_URL="sqlite:///restored.db")
    assert (restored.returncode, (installed.folder / "restored.db").exists()) == (0, True), restored.stderr
    doctor = installed("doctor")
    assert doctor.returncode == 0, doctor.stdout
    assert "The packages have the versions of requirements.txt" in doctor.stdout

    again = installed.serve()
    try:
        browser = Client(again.url, urlsplit(again.url).port or 0)
        assert browser.get("/setup").status == 303
    finally:
        again.process.terminate()
    code, text = again.end()
    assert (code, text.splitlines()[0].startswith("Agent Console")) == (0, True)


def test_a_database_on_postgresql_is_deployed_and_served(installed: Installed, postgres_url: str) -> None:
    installed.settings["DATABASE_URL"] = postgres_url
    behind = installed("prepare")
    assert behind.stderr.splitlines()[-1] == (
        "Error: The database schema is behind the program. Run: agent-console db deploy"
    )

    printed(installed, "db", "deploy", "--yes")

    server = installed.serve(PUBLIC_URL="https://agents.example.org")
    server.process.terminate()
    code, text = server.end()
    assert (code, "Set-up code: " in text) == (0, True)


def test_no_command_changes_a_file_of_the_installation(installed: Installed) -> None:
    before = hashes(programs_of_wheel().parent)

    for words in ("--help", "prepare", "db status", "db upgrade", "doctor", "db backup", "--version"):
        printed(installed, *words.split())
    installed.serve().kill()

    assert hashes(programs_of_wheel().parent) == before


@pytest.mark.parametrize("words", ["db migrate -m x", "db revision -m x", "db edit"])
def test_steps_are_written_in_a_checkout_only(installed: Installed, words: str) -> None:
    refused = installed(*words.split())

    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr.count("\n") == 1
    assert re.search("In a checkout of the project, use: flask db", refused.stderr)


def test_the_module_is_the_command(installed: Installed) -> None:
    run = installed("--version")

    assert run.stdout.startswith("Agent Console 0.2")
    assert installed("db", "--help").stdout.startswith("Usage: agent-console db [OPTIONS]")
