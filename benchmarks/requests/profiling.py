"""Where the time of a request goes: the app in this process, asked for one route as the benchmark asks for it."""

import cProfile
import io
import os
import pstats
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import redirect_stderr
from pathlib import Path
from typing import Any

from agents_app.app import create_app
from agents_app.server.bridge import environ_of
from benchmarks.requests.client import LoadError, Request

LINES = 40


def print_profile(
    requests: Sequence[Request], environment: Mapping[str, str], numbers: Iterator[int], count: int
) -> None:
    """Print the CPU of a request without a server, and the functions in which it is spent. Raises LoadError."""
    os.environ.update(environment)
    # The app keeps this stream for its log.
    with Path(os.devnull).open("w") as log, redirect_stderr(log):
        app = create_app()
        _ask_all(app, requests, numbers, count)
        began = time.process_time()
        _ask_all(app, requests, numbers, count)
        spent = time.process_time() - began
        # The time of waiting for the database is not counted.
        profile = cProfile.Profile(time.process_time)
        with profile:
            _ask_all(app, requests, numbers, count)
    print(f"{spent / count * 1000:.2f} ms of CPU for a request in the app. With the profiler, {count} requests:")
    text = io.StringIO()
    pstats.Stats(profile, stream=text).strip_dirs().sort_stats("tottime").print_stats(LINES)
    print(text.getvalue().strip())


def _ask_all(app: Any, requests: Sequence[Request], numbers: Iterator[int], count: int) -> None:
    for _, number in zip(range(count), numbers, strict=False):
        request, statuses = requests[number % len(requests)], list[str]()
        parts = app(_environ(request, number), lambda status, _headers, _error=None, into=statuses: into.append(status))
        body = b"".join(parts)
        parts.close()
        if not statuses[0].startswith(str(request.status)):
            raise LoadError(f"{request.method} {request.path}: {statuses[0]}: {body[:300].decode()}")


def _environ(request: Request, number: int) -> dict[str, Any]:
    path, _, query = request.path.partition("?")
    headers = {"host": "127.0.0.1", **request.headers}
    scope = {
        "method": request.method,
        "path": path,
        "query_string": query.encode(),
        "http_version": "1.1",
        "server": ("127.0.0.1", 80),
        "client": ("127.0.0.1", 50000),
        "headers": [
            (name.lower().encode(), value.replace("{n}", str(number)).encode()) for name, value in headers.items()
        ],
    }
    return environ_of(scope, request.body.replace("{n}", str(number)).encode())
