"""A mixed load of the JSON API at a fixed rate. Each request is kept, with its time and its status.

The rate does not depend on the answers: requests begin at fixed times, and each is measured from the time for which it
was planned. A request that had to wait for a free thread counts that wait, so nothing slow is left out. The rate is
low, so that neither the load nor the server is the limit, and what a migration delays is seen.
"""

import http.client
import json
import queue
import random
import threading
import time
from collections import deque
from dataclasses import dataclass
from typing import Any

THREADS = 80
# Longer than any wait on a busy machine: a slow request is slow, and has not failed.
TIMEOUT = 120
API = "/api/v1/agents"
# How often each kind of request comes among 20.
MIX = ("list", "read", "runtime", "search", "update") * 3 + ("list", "read", "list", "create", "delete")
EXPECTED = {"list": 200, "search": 200, "read": 200, "runtime": 200, "create": 201, "update": 200, "delete": 204}
WORDS = ("sales", "orders", "stock", "report")
SORTS = ("-updated_at", "created_at", "name", "-created_at")


@dataclass(frozen=True)
class Account:
    """An account of the console: its tokens, and the ids of agents with secrets that the console has encrypted."""

    token: str
    runtime_token: str
    agents: tuple[str, ...]


@dataclass(frozen=True)
class Record:
    """A request: what it was, when it was due (of `time.monotonic`), its seconds from then, and what went wrong."""

    kind: str
    due: float
    seconds: float
    failure: str | None


class Load:
    """Sends requests to an address until it is stopped. The address can be changed while it runs."""

    def __init__(self, accounts: tuple[Account, ...], rate: float, address: tuple[str, int]) -> None:
        self.records: list[Record] = []
        self.address = address
        self._accounts, self._rate = accounts, rate
        self._created: dict[int, deque[str]] = {number: deque() for number in range(len(accounts))}
        self._planned: queue.Queue[tuple[int, float] | None] = queue.Queue()
        self._count = 0
        self._is_stopped = threading.Event()
        self._threads = [threading.Thread(target=self._send_all, daemon=True) for _ in range(THREADS)]
        self._planner = threading.Thread(target=self._plan, daemon=True)

    def start(self) -> None:
        """Begin to send requests."""
        for thread in (*self._threads, self._planner):
            thread.start()

    def stop(self) -> None:
        """Plan no more requests, and wait for those that are in progress."""
        self._is_stopped.set()
        self._planner.join()
        for _ in self._threads:
            self._planned.put(None)
        for thread in self._threads:
            thread.join()

    def between(self, start: float, end: float) -> list[Record]:
        """The requests that were due in this time. Waits for those that are in progress."""
        planned, patience = self._count, time.monotonic() + 2 * TIMEOUT
        while len(self.records) < planned and time.monotonic() < patience:
            time.sleep(0.01)
        return [record for record in list(self.records) if start <= record.due < end]

    def settle(self) -> None:
        """Wait until every request that is planned so far has its answer."""
        self.between(0, 0)

    def _plan(self) -> None:
        start = time.monotonic()
        while not self._is_stopped.is_set():
            due = start + self._count / self._rate
            time.sleep(max(0.0, due - time.monotonic()))
            self._count += 1
            self._planned.put((self._count, due))

    def _send_all(self) -> None:
        while (planned := self._planned.get()) is not None:
            number, due = planned
            kind, failure = MIX[number % len(MIX)], None
            try:
                kind, failure = self._send(number, kind)
            except (OSError, http.client.HTTPException) as error:
                failure = f"{kind}: {type(error).__name__} {error}"
            self.records.append(Record(kind, due, time.monotonic() - due, failure))

    def _send(self, number: int, kind: str) -> tuple[str, str | None]:
        # Returns the kind, and why the request failed.
        which = number // len(MIX) % len(self._accounts)
        created = self._created[which]
        if kind == "delete" and not created:
            kind = "read"
        method, path, body = self._request(number, kind, self._accounts[which], created)
        token = self._accounts[which].runtime_token if kind == "runtime" else self._accounts[which].token
        status, answer = send(self.address, method, path, token, body)
        if status != EXPECTED[kind]:
            return kind, f"{kind}: {status} {answer[:300].decode(errors='replace')}"
        if kind == "create":
            created.append(json.loads(answer)["id"])
        return kind, None

    def _request(
        self, number: int, kind: str, account: Account, created: deque[str]
    ) -> tuple[str, str, dict[str, Any] | None]:
        one = f"{API}/{random.choice(account.agents)}"
        match kind:
            case "list":
                return "GET", f"{API}?limit=20&sort={SORTS[number % len(SORTS)]}", None
            case "search":
                return "GET", f"{API}?limit=20&q={WORDS[number % len(WORDS)]}", None
            case "read":
                return "GET", one, None
            case "runtime":
                return "GET", f"{one}/runtime", None
            case "create":
                return "POST", API, agent_values(f"Made by the load {number}")
            case "update":
                return "PATCH", one, {"description": f"Changed by request {number}."}
        return "DELETE", f"{API}/{created.popleft()}", None


def agent_values(name: str) -> dict[str, Any]:
    """The values of an agent with two secrets."""
    return {
        "name": name,
        "description": "Answers questions about orders, stock and revenue.",
        "model_type": "gpt-5-mini",
        "api_key": "sk-benchmark-0123456789abcdef",
        "system_instructions": "Answer in one paragraph. " * 8,
        "connection_type": "DB",
        "connection_config": {
            "dialect": "postgresql",
            "host": "db.example.org",
            "database": "sales",
            "username": "reader",
            "password": "pass word 12",
        },
    }


def send(
    address: tuple[str, int], method: str, path: str, token: str, body: dict[str, Any] | None = None
) -> tuple[int, bytes]:
    """Send one request over a connection of its own. Returns the status and the body of the answer."""
    headers = {"Authorization": f"Bearer {token}", "Connection": "close"}
    if body is not None:
        headers["Content-Type"] = "application/json"
    connection = http.client.HTTPConnection(*address, timeout=TIMEOUT)
    try:
        connection.request(method, path, None if body is None else json.dumps(body), headers)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()
