"""The parent's side of a test: starts a child process for each probe, reads its messages and ends it in time.

`__main__.py` is the child. No thread, file, process or open pipe remains when `run` returns.
"""

import contextlib
import json
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from agents_app.paths import ROOT
from agents_app.probes.network.addresses import AddressRules
from agents_app.probes.results import Finding, Result
from agents_app.probes.transcript import Transcript

LIMIT_SECONDS = 10.0
"""The time that all probes of one test have together, from the first start to the last answer."""
OUTPUT_MAX = 1_000_000
# The result where this machine has no room for another process, pipe or file.
BUSY = Result((), Finding("console_busy"))
COMMAND = [sys.executable, "-B", "-s", "-m", "agents_app.probes"]
# Nothing else of the environment reaches a driver: no PG* variable, no proxy, no home folder with password files.
KEPT = ("PATH", "PYTHONPATH", "LD_LIBRARY_PATH", "SSL_CERT_FILE", "SSL_CERT_DIR")
FIXED = {"HOME": "/nonexistent", "LANG": "C.UTF-8"}


@dataclass(frozen=True)
class Request:
    """One probe to run: its name, the values of the connection (secrets included), and the rules for addresses."""

    probe: str
    values: Mapping[str, Any]
    rules: AddressRules

    def to_line(self) -> bytes:
        """The request as the child reads it."""
        parts = {"probe": self.probe, "values": dict(self.values), "rules": self.rules.to_json()}
        return json.dumps(parts, default=str).encode() + b"\n"


def run(requests: Sequence[Request]) -> list[Result]:
    """Run the probes at the same time. The results have the order of the requests."""
    deadline = time.monotonic() + LIMIT_SECONDS
    children: list[_Child] = []
    try:
        opened = selectors.DefaultSelector()
    except OSError:
        return [BUSY] * len(requests)
    with opened as selector:
        try:
            for request in requests:
                children.append(_Child(request, selector))
                children[-1].start()
            while selector.get_map() and (left := deadline - time.monotonic()) > 0:
                for key, _ in selector.select(left):
                    key.data()
        finally:
            for child in children:
                child.end()
    return [child.result() for child in children]


class _Child:
    """A child process and its pipes. `end` removes all of it."""

    def __init__(self, request: Request, selector: selectors.BaseSelector) -> None:
        self._request, self._selector = request, selector
        self._transcript = Transcript()
        self._process: subprocess.Popen[bytes] | None = None
        self._pipes: list[int] = []
        self._unsent, self._unread, self._received = request.to_line(), b"", 0
        self._is_late = False

    def start(self) -> None:
        """Start the process, and watch its pipes. If this machine has no room for it, the result says so."""
        try:
            self._pipes += (input_end := os.pipe())
            self._pipes += (output_end := os.pipe())
            self._process = _start_process(input_end[0], output_end[1])
        except OSError:
            return
        for pipe in (input_end[0], output_end[1]):
            self._close(pipe)
        self._input, self._output = input_end[1], output_end[0]
        os.set_blocking(self._input, False)
        self._selector.register(self._input, selectors.EVENT_WRITE, self._write)
        self._selector.register(self._output, selectors.EVENT_READ, self._read)

    def end(self) -> None:
        """End the process and everything that it started, and close its pipes."""
        if self._process is not None:
            self._is_late = self._output in self._selector.get_map()
            # Until it is waited for, its process ID, which is also that of its group, belongs to no other process.
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        for pipe in list(self._pipes):
            self._close(pipe)

    def result(self) -> Result:
        """The result of the probe, after `end`."""
        if self._process is None:
            return BUSY
        return self._transcript.result(str(self._request.values.get("host", "")), self._is_late)

    def _write(self) -> None:
        try:
            self._unsent = self._unsent[os.write(self._input, self._unsent) :]
        except BrokenPipeError:
            self._unsent = b""
        if not self._unsent:
            # It stays open: the child ends when its standard input is closed.
            self._forget(self._input)

    def _read(self) -> None:
        received = os.read(self._output, 65_536)
        self._received += len(received)
        *lines, self._unread = (self._unread + received).split(b"\n")
        try:
            for line in lines:
                self._transcript.add(line)
            is_over = not received or self._transcript.is_done or self._received > OUTPUT_MAX
        except ValueError:
            is_over = True
        if is_over:
            self._forget(self._input)
            self._forget(self._output)

    def _forget(self, pipe: int) -> None:
        if pipe in self._selector.get_map():
            self._selector.unregister(pipe)

    def _close(self, pipe: int) -> None:
        self._forget(pipe)
        self._pipes.remove(pipe)
        os.close(pipe)


def _start_process(input_end: int, output_end: int) -> "subprocess.Popen[bytes]":
    environment = {name: os.environ[name] for name in KEPT if name in os.environ} | FIXED
    return subprocess.Popen(  # noqa: S603 - no word of the command comes from a request
        COMMAND,
        stdin=input_end,
        stdout=output_end,
        stderr=subprocess.DEVNULL,
        cwd=ROOT,
        env=environment,
        start_new_session=True,
    )
