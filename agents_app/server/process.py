"""A worker process as its parent sees it: whether it gives signs of life, and how it ended."""

import os
import signal
import socket
from contextlib import suppress
from dataclasses import dataclass

# How often the parent looks at its workers.
TICK_S = 0.5
# In how many seconds a new worker must give its first sign of life. A busy machine needs much time for that.
START_S = 120


@dataclass
class Worker:
    """A worker process, and the parent's end of the socket on which it gives signs of life."""

    pid: int
    pulse: socket.socket
    has_started: bool = False
    silent_ticks: int = 0
    """Not a time: while the parent itself is stopped, as by Ctrl-Z, no worker is late."""
    ticks: int = 0

    def look(self, limit_s: float) -> str:
        """How it ended, or "" if it did not. One that was silent for too long is killed."""
        self.ticks += 1
        if ended := self.poll():
            return ended
        limit = limit_s if self.has_started else START_S
        if self._has_pulse():
            self.has_started, self.silent_ticks = True, 0
        else:
            self.silent_ticks += 1
        if self.silent_ticks * TICK_S <= limit:
            return ""
        os.kill(self.pid, signal.SIGKILL)
        killed = self._end(0)
        return f"did not respond in {limit} seconds" if killed.endswith("signal 9") else killed

    def poll(self) -> str:
        """How it ended, or "" if it did not."""
        return self._end(os.WNOHANG)

    def has_begun(self) -> bool:
        """Whether it has ever given a sign of life."""
        self.has_started = self.has_started or self._has_pulse()
        return self.has_started

    def _end(self, option: int) -> str:
        pid, status = os.waitpid(self.pid, option)
        if not pid:
            return ""
        self.pulse.close()
        code = os.waitstatus_to_exitcode(status)
        return f"was killed by signal {-code}" if code < 0 else f"ended by itself (exit code {code})"

    def _has_pulse(self) -> bool:
        with suppress(BlockingIOError):
            return bool(self.pulse.recv(1024))
        return False
