"""Where the time of a request goes: the app in this process, asked for one route as the benchmark asks for it."""

import cProfile
import io
import os
import pstats
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import redirect_stderr
from pathlib import Path
from typing import Any

from agents_app.app import create_app
from agents_app.paths import ROOT
from agents_app.server.bridge import environ_of
from benchmarks.requests.client import LoadError, Request

LINES, PARTS = 40, 10


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
    print(f"{spent / count * 1000:.2f} ms of CPU for a request in the app, by the profiler in:")
    text = io.StringIO()
    stats = pstats.Stats(profile, stream=text)
    for name, part in _parts(stats).most_common(PARTS):
        print(f"{part:4.0%} {name}")
    stats.strip_dirs().sort_stats("tottime").print_stats(LINES)
    print(text.getvalue().rstrip())


def _parts(stats: Any) -> Counter[str]:
    """The part of the time that each package needs itself. What is written in C counts for who called it."""
    seconds = Counter[str]()
    for (file, _, function), (_, _, own, _, callers) in stats.stats.items():
        if file != "~" or "psycopg2" in function:
            seconds["psycopg2" if file == "~" else _package(file)] += own
            continue
        for (caller, _, _), (_, _, of_caller, _) in callers.items():
            seconds[_package(caller)] += of_caller
    return Counter({name: spent / seconds.total() for name, spent in seconds.items()})


def _package(file: str) -> str:
    if file.endswith(".html"):
        return "templates"
    if "site-packages/" in file:
        return file.partition("site-packages/")[2].partition("/")[0]
    return "the console" if file.startswith(str(ROOT / "agents_app")) else "Python's library"


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
