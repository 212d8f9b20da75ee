"""Metrics of `flask serve` with several workers: each of them answers for all, and a killed one loses nothing."""

import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from itertools import count
from pathlib import Path

import pytest

from agents_app.metrics.folder import IN_MEMORY
from tests.cli.conftest import Checkout, Server, checkout, free_port, ready, serve, wait_for
from tests.drills.test_full_disk import NAMESPACE
from tests.metrics.conftest import Samples, samples

__all__ = ["checkout", "ready", "serve"]

Serve = Callable[..., Server]
ASKED = 40
PATHS = ("/sign-in", "/healthz", "/readyz", "/api/v1/agents", "/no-such", "/openapi.json")
HEALTH = "agent_console_http_requests_total", frozenset({"method": "GET", "route": "/healthz", "status": "200"}.items())


def read(port: int) -> Samples:
    """The metrics, over a new connection, which any worker may accept."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=60) as answer:
        return samples(answer.read().decode())


def replaced(port: int) -> float:
    """How many workers were replaced, and -1 while no worker answers."""
    try:
        return one(read(port), "agent_console_workers_replaced_total")
    except OSError:
        return -1


def folder_of(server: Server) -> Path:
    """The folder of the metrics of this server."""
    links = IN_MEMORY.glob("agent-console-metrics-*/parent-*")
    (found,) = (link.parent for link in links if link.readlink().name == str(server.process.pid))
    return found


def fill(folder: Path) -> None:
    """Write to a file until there is no room."""
    with (folder / "other-program").open("wb", 0) as file, pytest.raises(OSError, match="No space left"):
        deque(file.write(bytes(4096)) for _ in count())


def small_memory(tmp_path: Path, fill: str = "") -> str:
    """A program that runs Python with a small /dev/shm of its own; with a word, a full one. Skips if it cannot."""
    mount = "mount -t tmpfs -o size=600k none /dev/shm"
    if subprocess.run([*NAMESPACE, "sh", "-c", mount], check=False, capture_output=True).returncode:
        assert os.environ.get("REQUIRE_ALL") != "1"
        pytest.skip("No file system can be mounted here: a full one was NOT tried.")
    more = "dd if=/dev/zero of=/dev/shm/other-program bs=4k status=none" if fill else ""
    program = tmp_path / "python"
    inside = f'{mount}; {more}\nexec {sys.executable} "$@"'
    program.write_text(f'#!/bin/sh\nexec {" ".join(NAMESPACE)} sh -c {shlex.quote(inside)} sh "$@"\n')
    program.chmod(0o700)
    return str(program)


def one(found: Samples, name: str) -> float:
    return found[name, frozenset()]


@pytest.mark.long
def test_a_port_in_use_is_named_with_its_setting(ready: Checkout) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        refused = ready.flask("serve", METRICS_BIND=str(port))

    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr == f"Error: Port {port} is already in use. Stop that program, or change METRICS_BIND.\n"


@pytest.mark.long
def test_every_worker_answers_for_all_and_a_killed_one_loses_no_count(ready: Checkout, serve: Serve) -> None:
    port = free_port()
    server = serve(ready, WORKERS="2", METRICS_BIND=str(port))
    wait_for(lambda: one(read(port), "agent_console_workers") == 2)
    before = read(port)[HEALTH]
    for _ in range(ASKED):
        server.get("/healthz")

    counts = {read(port)[HEALTH] - before for _ in range(10)}
    killed = server.workers()[0]
    os.kill(killed, signal.SIGKILL)
    wait_for(lambda: one(read(port), "agent_console_workers_replaced_total") == 1)
    wait_for(lambda: one(read(port), "agent_console_database_pool_size") == 16)

    assert counts == {ASKED}
    after = read(port)
    assert after[HEALTH] - before == ASKED
    assert one(after, "agent_console_http_requests_in_progress") == 0
    memory = {
        dict(labels)["pid"]: dict(labels)["role"]
        for name, labels in after
        if name == "agent_console_process_resident_memory_bytes"
    }
    assert sorted(memory.values()) == ["parent", "worker", "worker"]
    assert str(killed) not in memory
    assert set(map(int, memory)) == {server.process.pid, *server.workers()}


@pytest.mark.long
def test_a_full_folder_for_shared_memory_costs_neither_a_worker_nor_a_count(
    ready: Checkout, serve: Serve, tmp_path: Path
) -> None:
    port = free_port()
    server = serve(replace(ready, python=small_memory(tmp_path)), WORKERS="2", METRICS_BIND=str(port))
    fill(Path(f"/proc/{server.process.pid}/root/dev/shm"))
    before = server.workers()
    wait_for(lambda: one(read(port), "agent_console_workers") == 2)

    for path in PATHS:
        server.get(path)
    os.kill(before[0], signal.SIGKILL)
    # Until the parent looks, the counts are those of the killed worker.
    wait_for(lambda: one(read(port), "agent_console_workers_replaced_total") == 1)
    wait_for(lambda: one(read(port), "agent_console_database_pool_size") == 16)

    assert {server.get(path)[0] for path in PATHS} <= {200, 401, 404}
    found = read(port)
    assert one(found, "agent_console_workers_replaced_total") == 1
    assert found["agent_console_fact_read", frozenset({("fact", "agents")})] == 1
    assert before[1] in server.workers()


@pytest.mark.long
def test_a_full_folder_for_shared_memory_does_not_keep_the_server_from_starting(
    ready: Checkout, serve: Serve, tmp_path: Path
) -> None:
    port = free_port()

    serve(replace(ready, python=small_memory(tmp_path, "full")), METRICS_BIND=str(port))

    assert one(read(port), "agent_console_workers") == 1


@pytest.mark.long
def test_without_its_folder_a_server_works_on_and_says_that_it_counts_nothing(ready: Checkout, serve: Serve) -> None:
    port = free_port()
    server = serve(ready, WORKERS="2", METRICS_BIND=str(port))
    wait_for(lambda: one(read(port), "agent_console_workers") == 2)
    shutil.rmtree(folder_of(server))
    before = server.workers()

    for worker in before:
        os.kill(worker, signal.SIGKILL)
    wait_for(lambda: len(set(server.workers()) - set(before)) == 2)

    assert server.get("/sign-in")[0] == 200
    with pytest.raises(urllib.error.HTTPError) as refused:
        read(port)
    with refused.value as answer:
        assert (answer.code, answer.read().decode()) == (
            503,
            "The folder of the metrics was removed. Restart the server to count again.\n",
        )
    server.process.terminate()
    code, printed = server.end()
    assert (code, "counts nothing for /metrics: No such file" in printed) == (0, True)


@pytest.mark.long
def test_the_memory_for_counts_does_not_grow_with_the_workers_that_were_replaced(ready: Checkout, serve: Serve) -> None:
    port = free_port()
    server = serve(ready, METRICS_BIND=str(port))
    names = {path.name for path in folder_of(server).rglob("*.db") if path.parent.name == "all"}
    before, counted = sum(1 for _ in folder_of(server).rglob("*")), read(port)[HEALTH]

    for number in range(1, 4):
        server.get("/healthz")
        os.kill(server.workers()[0], signal.SIGKILL)
        wait_for(lambda number=number: replaced(port) == number)
        wait_for(lambda: one(read(port), "agent_console_database_pool_size") == 8)

    assert sum(1 for _ in folder_of(server).rglob("*")) == before
    assert {path.name for path in folder_of(server).rglob("*.db") if path.parent.name == "all"} == names
    assert read(port)[HEALTH] - counted == 3


@pytest.mark.long
def test_it_says_where_the_metrics_are_and_leaves_no_file_of_them(ready: Checkout, serve: Serve) -> None:
    port = free_port()
    server = serve(ready, METRICS_BIND=str(port))
    folders = [folder_of(server)]

    server.process.terminate()
    code, printed = server.end()

    assert (code, [folder.exists() for folder in folders]) == (0, [False])
    assert f"Metrics: http://127.0.0.1:{port}/metrics\n" in printed


@pytest.mark.long
def test_without_metrics_their_package_is_not_loaded(ready: Checkout, serve: Serve) -> None:
    server = serve(ready)

    maps = Path(f"/proc/{server.workers()[0]}/maps").read_text()

    assert "agent-console-metrics" not in maps
    assert server.get("/metrics")[0] == 404


@pytest.mark.long
def test_without_the_package_of_metrics_the_start_is_refused_in_one_line(ready: Checkout) -> None:
    (ready.folder / "prometheus_client.py").write_text("raise ModuleNotFoundError(name='prometheus_client')\n")

    refused = ready.flask("serve", METRICS_BIND=str(free_port()))

    assert refused.returncode == 1
    assert refused.stderr.splitlines()[-1].startswith(
        "Error: Metrics need the package of prometheus_client, which is not"
    )
    assert "Traceback" not in refused.stderr
