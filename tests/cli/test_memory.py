"""The memory of two workers, as the sum of PSS. It is no time, so it can be a bound."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.cli.conftest import Checkout, Server

# In MB. docs/performance.md has what was measured.
TOTAL_MAX, RISE_MAX = 200, 15
PATHS = ("/setup", "/readyz", "/openapi.json", "/static/app.js", "/api/v1/agents", "/nothing")


def proportional_mb(server: Server) -> float:
    """The sum of PSS of the server's processes."""
    total = 0
    for process in (server.process.pid, *server.children()):
        lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
        total += next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return total / 1024


@pytest.mark.long
@pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="Linux only")
def test_two_workers_share_their_memory_and_do_not_grow(ready: Checkout, serve: Callable[..., Server]) -> None:
    server = serve(ready, WORKERS="2", LOG_LEVEL="error")

    def load(count: int) -> float:
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda number: server.get(PATHS[number % len(PATHS)]), range(count)))
        return proportional_mb(server)

    load(600)
    before, after = load(600), load(600)

    assert after < TOTAL_MAX
    assert after - before < RISE_MAX
