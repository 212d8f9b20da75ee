"""The load: each runtime asks at its own moment of every minute, whether earlier requests were answered or not.

A request is measured from the moment for which it was planned, so what had to wait is not left out.
"""

import asyncio
import json
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from benchmarks.runtimes.fleet import Runtime

PATIENCE_S = 30


@dataclass
class Done:
    """What was answered: the seconds of each check and of each fetch, and how many requests failed, by reason."""

    checks: list[float] = field(default_factory=list)
    fetches: list[float] = field(default_factory=list)
    changes: list[float] = field(default_factory=list)
    failures: Counter[str] = field(default_factory=Counter)
    changed: set[str] = field(default_factory=set)
    """The ids of the agents that were changed. Some of their runtimes do not know it yet."""
    seconds: float = 0.0

    @property
    def requests(self) -> int:
        """The number of all answers."""
        return len(self.checks) + len(self.fetches) + len(self.changes)


def run(port: int, fleet: Sequence[Runtime], writer: Runtime, seconds: float, interval: float, changes: float) -> Done:
    """Let the runtimes ask once in `interval`, for so many seconds, while so many agents a second are changed."""
    return asyncio.run(_Load(port, fleet, writer).run(seconds, interval, changes))


class _Load:
    def __init__(self, port: int, fleet: Sequence[Runtime], writer: Runtime) -> None:
        self._port, self._fleet, self._writer = port, fleet, writer
        self._done = Done()

    async def run(self, seconds: float, interval: float, changes: float) -> Done:
        began = time.perf_counter()
        checks = self._at_rate(began, seconds, len(self._fleet) / interval, self._check)
        changed = self._at_rate(began, seconds, changes, self._change)
        await asyncio.gather(checks, changed)
        self._done.seconds = time.perf_counter() - began
        return self._done

    async def _at_rate(
        self, began: float, seconds: float, rate: float, ask: Callable[[int, float], Awaitable[None]]
    ) -> None:
        """Begin a request at each of these moments, and wait for the last answer."""
        async with asyncio.TaskGroup() as tasks:
            for number in range(int(seconds * rate)):
                due = began + number / rate
                await asyncio.sleep(max(0.0, due - time.perf_counter()))
                tasks.create_task(ask(number, due))  # type: ignore[arg-type]

    async def _check(self, number: int, due: float) -> None:
        runtime = self._fleet[number % len(self._fleet)]
        body = await self._ask(runtime.check(), due, self._done.checks, 200)
        for agent_id, found in (json.loads(body)["agents"] if body else {}).items():
            if found["state"] == "changed":
                # What has changed is fetched.
                fetched = runtime.request("GET", f"/agents/{agent_id}/runtime")
                if await self._ask(fetched, time.perf_counter(), self._done.fetches, 200):
                    runtime.tags[agent_id] = found["etag"]

    async def _change(self, number: int, due: float) -> None:
        # Far from the runtime that asks at the same time.
        runtime = self._fleet[number * 7919 % len(self._fleet)]
        agent_id = list(runtime.tags)[number % len(runtime.tags)]
        self._done.changed.add(agent_id)
        body = json.dumps({"description": f"Changed by {number}."})
        await self._ask(self._writer.request("PATCH", f"/agents/{agent_id}", body), due, self._done.changes, 200)

    async def _ask(self, request: bytes, due: float, times: list[float], status: int) -> bytes:
        """Send a request. Returns the body of the answer, nothing where it failed."""
        try:
            async with asyncio.timeout(PATIENCE_S):
                reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
                writer.write(request)
                head, _, body = (await reader.read(-1)).partition(b"\r\n\r\n")
                writer.close()
        except (OSError, TimeoutError) as error:
            self._done.failures[type(error).__name__] += 1
            return b""
        times.append(time.perf_counter() - due)
        if head[9:12] != str(status).encode():
            self._done.failures[head[9:12].decode()] += 1
            return b""
        return body
