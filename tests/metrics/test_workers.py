"""Metrics of `flask serve` with several workers: each of them answers for all, and a killed one loses nothing."""

import os
import signal
import socket
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import Checkout, Server, checkout, free_port, ready, serve, wait_for
from tests.metrics.conftest import Samples, samples

__all__ = ["checkout", "ready", "serve"]

Serve = Callable[..., Server]
ASKED = 40
HEALTH = "agent_console_http_requests_total", frozenset({"method": "GET", "route": "/healthz", "status": "200"}.items())


def read(port: int) -> Samples:
    """The metrics, over a new connection, which any worker may accept."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=60) as answer:
        return samples(answer.read().decode())


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
def test_it_says_where_the_metrics_are_and_leaves_no_file_of_them(ready: Checkout, serve: Serve) -> None:
    port = free_port()
    server = serve(ready, METRICS_BIND=str(port))
    folders = {
        Path(line.split(maxsplit=5)[5]).parent
        for line in Path(f"/proc/{server.workers()[0]}/maps").read_text().splitlines()
        if "agent-console-metrics-" in line
    }
    assert [folder.exists() for folder in folders] == [True]

    server.process.terminate()
    code, printed = server.end()

    assert (code, [folder.exists() for folder in folders]) == (0, [False])
    assert f"Metrics: http://127.0.0.1:{port}/metrics\n" in printed


@pytest.mark.long
def test_without_metrics_their_package_is_not_loaded(ready: Checkout, serve: Serve) -> None:
    server = serve(ready)

    maps = Path(f"/proc/{server.workers()[0]}/maps").read_text()

    assert "agent-console-metrics-" not in maps
    assert server.get("/metrics")[0] == 404
