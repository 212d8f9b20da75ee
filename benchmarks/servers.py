"""Compares servers for the console: which requests they carry out, whom slow clients keep waiting, CPU a request.

    pip install -r benchmarks/requirements.txt
    python benchmarks/servers.py

Each serves the same app on the same SQLite file with one worker of eight threads, in interleaved rounds. CPU is that
of all the server's processes, in milliseconds a request of GET /api/v1/agents/{id} with a token.
"""

import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PORT, THREADS, ROUNDS, REQUESTS, STALLED = 8790, 8, 3, 700, 16
PYTHON = [sys.executable, "-m"]
ADDRESS = f"127.0.0.1:{PORT}"
ENVIRONMENT = {
    "PATH": os.environ["PATH"],
    "PYTHONPATH": str(ROOT),
    "BIND": ADDRESS,
    "POOL_SIZE": str(THREADS),
    "LOG_LEVEL": "error",
    "SECRET_KEY": "Zk3vXy8Qm1TtLw6RbNc4HsJd9GfPa2Ue",
    "ENCRYPTION_KEYS": "k1:nA9s0m3Qe7b2Vt5yXw8Rz1Lc4Kj6Hg0Pf2Du5Si8Tao=",
    "TOKEN_PEPPERS": "p1:Qw3er5Ty7ui9Op1as2Df4gh6Jk8lZx0cVb3nM5qWe7E=",
}
GATE = "agents_app.server.worker:app"
GUNICORN = [*PYTHON, "gunicorn", "--bind", ADDRESS, "--log-level", "critical"]
SERVERS = {
    "flask serve (uvicorn, gate)": [*PYTHON, "flask", "serve"],
    "gunicorn, ASGI worker, gate": [*GUNICORN, "--worker-class", "asgi", GATE],
    "hypercorn, gate": [*PYTHON, "hypercorn", "--bind", ADDRESS, "--log-level", "CRITICAL", GATE],
    "granian, WSGI": [
        *PYTHON,
        *(
            "granian",
            "--interface",
            "wsgi",
            "--no-log",
            "--port",
            str(PORT),
            "--blocking-threads",
            str(THREADS),
            "wsgi:app",
        ),
    ],
    "gunicorn, gthread": [*GUNICORN, "--threads", str(THREADS), "wsgi:app"],
    "waitress": [*PYTHON, "waitress", f"--listen={ADDRESS}", f"--threads={THREADS}", "wsgi:app"],
}


def main() -> None:
    """Print one table."""
    with tempfile.TemporaryDirectory() as folder:
        environment = ENVIRONMENT | {"DATABASE_URL": f"sqlite:///{folder}/console.db", "HOME": folder}
        token, agent_id = fill(environment)
        costs: dict[str, list[float]] = {name: [] for name in SERVERS}
        for _ in range(ROUNDS):
            for name, command in SERVERS.items():
                with running(command, environment) as process:
                    costs[name].append(cost(process, token, agent_id))
        least = min(statistics.median(found) for found in costs.values())
        print("| server | CPU a request | ratio | half a body is | 16 unfinished bodies hold up others |")
        print("|---|---|---|---|---|")
        for name, command in SERVERS.items():
            with running(command, environment):
                row = (half_a_body(token), holds_up())
            median = statistics.median(costs[name])
            print(f"| {name} | {median:.2f} ms | {median / least:.2f} | {row[0]} | {row[1]} |", flush=True)


def fill(environment: dict[str, str]) -> tuple[str, str]:
    """Make the tables, sixty agents and a token; answers the token and an agent's id."""

    def flask(*words: str) -> str:
        done = subprocess.run(
            [*PYTHON, "flask", *words], check=True, cwd=ROOT, env=environment, capture_output=True, text=True
        )
        return done.stdout

    flask("db", "upgrade")
    flask("demo")
    agents = json.loads(flask("agents", "list", "--limit", "1", "--json"))
    token = flask("tokens", "create", "--name", "benchmark", "--scope", "write")
    return token.strip(), agents["items"][0]["id"]


@contextmanager
def running(command: list[str], environment: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """A server that answers; ended at the end."""
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, start_new_session=True)
    try:
        until = time.monotonic() + 30
        while not answer(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"):
            assert time.monotonic() < until, command
            time.sleep(0.1)
        yield process
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def cost(process: subprocess.Popen[bytes], token: str, agent_id: str) -> float:
    """Milliseconds of CPU a request, after some that do not count."""
    request = f"GET /api/v1/agents/{agent_id} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", PORT)) as connection:
        send(connection, request.encode(), 200)
        before = cpu_seconds(process.pid)
        send(connection, request.encode(), REQUESTS)
        return (cpu_seconds(process.pid) - before) / REQUESTS * 1_000


def send(connection: socket.socket, request: bytes, times: int) -> None:
    """Ask again and again on one connection; every answer must be 200."""
    stream = connection.makefile("rb")
    for _ in range(times):
        connection.sendall(request)
        status, length = stream.readline(), 0
        assert b" 200 " in status, status
        while (line := stream.readline()) != b"\r\n":
            if line.lower().startswith(b"content-length:"):
                length = int(line.split(b":")[1])
        stream.read(length)


def cpu_seconds(group: int) -> float:
    """What all processes of a session have used."""
    ticks = 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            fields = stat.read_text().rpartition(")")[2].split()
            ticks += sum(map(int, fields[11:13])) if int(fields[3]) == group else 0
    return ticks / os.sysconf("SC_CLK_TCK")


def half_a_body(token: str) -> str:
    """What becomes of a request that is valid as far as it came in, and says that more follows."""
    body = b'{"reason": "half"}' + b" " * 20
    agents = f"/api/v1/agents/{'0' * 8}-0000-4000-8000-{'0' * 12}/disable"
    head = f"POST {agents} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n"
    head += f"Content-Type: application/json\r\nContent-Length: {len(body) + 100}\r\n\r\n"
    # An agent that is not there: 404 says that the operation was tried.
    return "carried out" if b" 404 " in answer(head.encode() + body, stop_sending=True)[:20] else "not carried out"


def holds_up() -> str:
    """Whether sixteen clients that do not finish keep another one waiting for more than two seconds."""
    head = b"POST /sign-in HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n"
    head += b"Content-Type: application/x-www-form-urlencoded\r\n\r\nemail="
    stalled = [socket.create_connection(("127.0.0.1", PORT)) for _ in range(STALLED)]
    for connection in stalled:
        connection.sendall(head)
    time.sleep(1)
    healthy = answer(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", patience=2)
    for connection in stalled:
        connection.close()
    return "no" if b" 200 " in healthy[:20] else "yes"


def answer(request: bytes, *, stop_sending: bool = False, patience: float = 5) -> bytes:
    """What comes back on a connection of its own; empty where nothing does."""
    received = b""
    with suppress(OSError), socket.create_connection(("127.0.0.1", PORT), timeout=patience) as connection:
        connection.sendall(request)
        if stop_sending:
            connection.shutdown(socket.SHUT_WR)
        while data := connection.recv(65_536):
            received += data
    return received


if __name__ == "__main__":
    main()
