"""`flask serve`: errors stop it before it listens; signals, killed workers and requests in progress."""

import json
import os
import signal
import socket
import threading
import urllib.request
from collections.abc import Callable
from pathlib import Path

import psycopg2
import pytest
import sqlalchemy as sa

from tests.cli.conftest import PATIENCE_S, Checkout, Server, free_port, wait_for
from tests.conftest import OpenConsole
from tests.make import KEYS, make_account, make_token, make_user

PUBLIC = "https://agents.example.org"

Serve = Callable[..., Server]


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        ({"SECRET_KEY": "too short"}, "Error: SECRET_KEY is too short;"),
        ({"TOKEN_PEPPERS": "", "PUBLIC_URL": PUBLIC}, "Error: TOKEN_PEPPERS is not set."),
        ({"TOKEN_PEPPERS": KEYS["ENCRYPTION_KEYS"]}, "Error: TOKEN_PEPPERS has a key of ENCRYPTION_KEYS."),
        ({"LOG_LEVEL": "loud"}, "LOG_LEVEL must be one of"),
        ({"BIND": "192.0.2.1:8000", "PUBLIC_URL": PUBLIC}, "Error: BIND cannot be used:"),
    ],
)
def test_an_invalid_setting_stops_it_with_one_line(ready: Checkout, settings: dict[str, str], line: str) -> None:
    refused = ready.flask("serve", **settings)

    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr.startswith(line)
    assert refused.stderr.count("\n") == 1


def test_a_port_in_use_stops_it_with_one_line(ready: Checkout) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        refused = ready.flask("serve", BIND=f"127.0.0.1:{port}")

    assert refused.returncode == 1
    assert refused.stderr == f"Error: Port {port} is already in use. Stop that program, or change BIND.\n"


def test_a_schema_that_is_behind_stops_it_with_one_line(checkout: Checkout, database_url: str) -> None:
    bind = f"127.0.0.1:{free_port()}"

    refused = checkout.flask("serve", DATABASE_URL=database_url, PUBLIC_URL=PUBLIC, BIND=bind, **KEYS)

    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr == "Error: The database schema is behind the program. Run: flask db deploy\n"


def test_a_postgresql_schema_is_not_changed_without_a_public_url_either(checkout: Checkout, postgres_url: str) -> None:
    refused = checkout.flask("serve", DATABASE_URL=postgres_url, BIND=f"127.0.0.1:{free_port()}", **KEYS)

    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr == "Error: The database schema is behind the program. Run: flask db deploy\n"


def test_a_missing_sqlite_file_stops_it_and_is_not_created(ready: Checkout, tmp_path: Path) -> None:
    refused = ready.flask("serve", DATABASE_URL=f"sqlite:///{tmp_path / 'moved.db'}", PUBLIC_URL=PUBLIC)

    assert refused.returncode == 1
    assert refused.stderr == (
        "Error: There is no database yet. Run: flask db deploy. If there was one, restore a backup of it instead: "
        + f"flask db restore --newest\n  there is no such file: {tmp_path / 'moved.db'}\n"
    )
    assert not (tmp_path / "moved.db").exists()


def test_a_port_in_use_stops_it_before_anything_is_created(checkout: Checkout) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        refused = checkout.flask("serve", BIND=f"127.0.0.1:{other.getsockname()[1]}")

    assert refused.returncode == 1
    assert not checkout.env_file.exists()
    assert not (checkout.folder / "instance").exists()


def test_without_a_public_url_it_creates_keys_and_tables_and_serves(checkout: Checkout, serve: Serve) -> None:
    server = serve(checkout, BIND=f"127.0.0.1:{free_port()}")

    assert server.get("/readyz") == (200, '{"status":"ok"}')
    server.process.terminate()
    printed = server.end()[1].splitlines()
    assert printed[0] == "Creating the database instance/console.db..."
    assert printed[1].startswith("Wrote SECRET_KEY, ENCRYPTION_KEYS, TOKEN_PEPPERS to .env.")
    assert server.url in printed[2]


@pytest.mark.long
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_to_it_or_to_all_its_processes_ends_it_with_0(ready: Checkout, serve: Serve, number: int) -> None:
    for send in (os.kill, os.killpg):
        server = serve(ready, WORKERS="2")

        send(server.process.pid, number)

        code, printed = server.end()
        assert (code, "Traceback" in printed) == (0, False)


@pytest.mark.long
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
def test_a_worker_that_starts_ignores_the_signals_of_a_terminal(ready: Checkout, serve: Serve, number: int) -> None:
    server = serve(ready)
    known = server.children()
    (worker,) = server.workers()

    os.kill(worker, signal.SIGKILL)
    wait_for(lambda: server.children() - known != set())
    started = server.children() - known
    for child in started:
        os.kill(child, number)

    wait_for(lambda: server.answers("/healthz"))
    assert started <= server.children()
    server.process.terminate()
    assert "Traceback" not in server.end()[1]


def test_a_request_knows_nothing_of_the_one_before(ready: Checkout, serve: Serve, open_console: OpenConsole) -> None:
    app = open_console(ready.settings["DATABASE_URL"])
    token = make_token(app, make_user(app), "read")
    server = serve(ready)
    request = urllib.request.Request(f"{server.url}/api/v1/agents", headers={"Authorization": f"Bearer {token}"})

    with urllib.request.urlopen(request, timeout=PATIENCE_S):
        server.get("/healthz")

    server.process.terminate()
    lines = [json.loads(line) for line in server.end()[1].splitlines() if '"message": "request"' in line]
    asked, after = next(line for line in lines if line["path"] == "/api/v1/agents"), lines[-1]
    assert ("token_id" in asked, "token_id" in after, "user_id" in after) == (True, False, False)


def test_its_pages_use_the_key_that_signs_cookies(ready: Checkout, serve: Serve) -> None:
    status, page = serve(ready).get("/")

    assert status == 200
    assert 'name="csrf_token"' in page


def test_it_prints_its_url_and_how_to_start(ready: Checkout, serve: Serve) -> None:
    local, public = serve(ready), serve(ready, PUBLIC_URL=PUBLIC, BIND=f"127.0.0.1:{free_port()}")
    assert local.get("/readyz") == (200, '{"status":"ok"}')
    for server in (local, public):
        server.process.terminate()

    local_text, public_text = local.end()[1], public.end()[1]

    assert f": {local.url} (" in local_text
    assert f"There is no account yet. Create the first one at {local.url}/setup\n" in local_text
    assert "Set-up code" not in local_text
    assert ": https://agents.example.org (" in public_text
    assert "Set-up code: " in public_text


@pytest.mark.parametrize("host", ["[::1]", "127.0.0.2"])
def test_the_address_that_it_prints_opens(ready: Checkout, serve: Serve, host: str) -> None:
    server = serve(ready, BIND=f"{host}:{free_port()}")

    status, page = server.get("/")
    server.process.terminate()

    assert (status, 'name="csrf_token"' in page) == (200, True)
    assert f": {server.url} (" in server.end()[1]


def test_a_server_with_an_account_prints_no_set_up_code(
    ready: Checkout, serve: Serve, open_console: OpenConsole
) -> None:
    make_account(open_console(ready.settings["DATABASE_URL"]))
    server = serve(ready, PUBLIC_URL=PUBLIC)
    server.process.terminate()

    text = server.end()[1]

    assert "There is no account" not in text
    assert "Set-up code" not in text


@pytest.mark.long
def test_a_worker_that_is_killed_is_replaced(ready: Checkout, serve: Serve) -> None:
    server = serve(ready)
    (worker,) = server.workers()

    os.kill(worker, signal.SIGKILL)

    wait_for(lambda: server.workers() not in ([], [worker]))
    wait_for(lambda: server.answers("/healthz"))
    server.process.terminate()
    code, log = server.end()
    assert code == 0
    assert f"The worker {worker} was killed by signal 9. It is replaced." in log


@pytest.mark.long
def test_its_workers_end_when_it_is_killed(ready: Checkout, serve: Serve) -> None:
    server = serve(ready, WORKERS="2")
    wait_for(lambda: len(server.workers()) == 2)

    server.process.kill()

    wait_for(lambda: server.workers() == [])


@pytest.mark.long
def test_a_new_worker_has_the_settings_of_the_others(ready: Checkout, serve: Serve, tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text(KEYS["SECRET_KEY"])
    server = serve(ready, SECRET_KEY="", SECRET_KEY_FILE=str(key))
    (worker,) = server.workers()

    key.write_text("too short")
    os.kill(worker, signal.SIGKILL)

    wait_for(lambda: server.workers() not in ([], [worker]))
    assert server.get("/setup")[0] == 200


def test_it_starts_without_its_database_and_readyz_reports_it(ready: Checkout, serve: Serve) -> None:
    server = serve(ready, DATABASE_URL="postgresql://user:canary@127.0.0.1:1/console")

    assert server.get("/healthz")[0] == 200
    assert server.get("/readyz") == (503, '{"status":"database_unavailable"}')
    server.process.terminate()
    code, printed = server.end()
    assert (code, "canary" in printed) == (0, False)
    assert printed.startswith("Warning: The database cannot be reached.")


@pytest.mark.long
def test_requests_in_progress_at_sigterm_are_answered(ready: Checkout, serve: Serve, postgres_schema_url: str) -> None:
    server = serve(ready, DATABASE_URL=postgres_schema_url)
    locker = psycopg2.connect(**connection_arguments(postgres_schema_url))
    answers: list[int] = []

    with locker, locker.cursor() as cursor:
        cursor.execute("LOCK TABLE alembic_version IN ACCESS EXCLUSIVE MODE")
        request = threading.Thread(target=lambda: answers.append(server.get("/readyz")[0]))
        request.start()
        wait_for(lambda: has_waiting_session(cursor))
        server.process.terminate()
        wait_for(lambda: not listens(server))
    request.join()
    locker.close()

    assert len(answers) == 1
    assert server.end()[0] == 0


def connection_arguments(url: str) -> dict[str, object]:
    parts = sa.make_url(url)
    return {"host": parts.query.get("host", parts.host), "port": parts.port, "user": parts.username} | {
        "password": parts.password,
        "dbname": parts.database,
    }


def has_waiting_session(cursor: "psycopg2.extensions.cursor") -> bool:
    cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
    return bool(cursor.fetchone()[0])


def listens(server: Server) -> bool:
    host, port = server.url.removeprefix("http://").split(":")
    try:
        socket.create_connection((host, int(port)), timeout=1).close()
    except OSError:
        return False
    return True


def test_after_its_end_and_that_of_a_command_the_sqlite_file_alone_has_everything(
    checkout: Checkout, serve: Serve
) -> None:
    server = serve(checkout, BIND=f"127.0.0.1:{free_port()}")
    assert server.get("/readyz")[0] == 200
    server.process.terminate()
    server.end()
    after_serve = unfinished_files(checkout)
    checkout.flask("demo")

    assert (after_serve, unfinished_files(checkout)) == ([], [])


def unfinished_files(checkout: Checkout) -> list[str]:
    """The files of SQLite with what is not in the database file yet."""
    return [file.name for file in (checkout.folder / "instance").iterdir() if file.name.endswith("-wal")]
