"""The child process of a test: `python -m agents_app.probes`. The module `runner` starts it and says what it may do.

It reads one line of JSON from standard input and writes one line of JSON for each message of the recorder. It ends when
the probe ends, at the time limit, or when its parent has ended.
"""

import fcntl
import json
import os
import resource
import select
import signal
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from pathlib import Path

from agents_app.probes.faults import place
from agents_app.probes.network.addresses import AddressRules
from agents_app.probes.recorder import Message, ProbeFailed, Recorder

# The parent ends the child at its limit. This ends a child without a parent, whatever its driver does.
ALARM_SECONDS = 12
# A server that sends without end cannot use the memory of the console. If the machine has none left, the system ends
# this process first.
MEMORY_BYTES = 512 << 20
OOM_SCORE = Path("/proc/self/oom_score_adj")


def main() -> None:
    """Run the probe that standard input names."""
    _limit_process()
    send = _sender()
    request = json.loads(sys.stdin.buffer.readline())
    _end_with_parent()
    recorder = Recorder(send)
    try:
        # Of the probes, only this one is imported.
        probe = import_module(f"agents_app.probes.{request['probe']}.probe")
        probe.run(request["values"], AddressRules.from_json(request["rules"]), recorder)
    except ProbeFailed as failure:
        # A step has sent its own cause already. The parent keeps the first one.
        send({"cause": failure.code, "facts": failure.facts})
    except MemoryError:
        # The console itself needs little: the server has sent too much.
        send({"cause": "answer_too_large", "facts": {"host": request["values"].get("host") or "the server"}})
    except BaseException as error:
        send({"cause": "internal_error", "facts": {"fault": place(error)}})
    send({"done": True})
    # Threads and clean-up code of a driver are not waited for.
    os._exit(0)


def _limit_process() -> None:
    # A parent may have started this process with signals ignored or blocked.
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    signal.alarm(ALARM_SECONDS)
    # A core would contain the password. With the limit 0 the system still gives it to a program that collects cores;
    # with 1 it does neither (Linux, core(5) and fs/coredump.c).
    _limit(resource.RLIMIT_CORE, 1)
    _limit(resource.RLIMIT_AS, MEMORY_BYTES)
    with suppress(OSError):
        OOM_SCORE.write_text("1000")


def _limit(kind: int, most: int) -> None:
    # A limit that is lower already cannot be raised.
    _, highest = resource.getrlimit(kind)
    least = most if highest == resource.RLIM_INFINITY else min(most, highest)
    resource.setrlimit(kind, (least, least))


def _sender() -> Callable[[Message], None]:
    """A function that writes a message to standard output. What a driver prints goes nowhere."""
    output = os.dup(1)
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)

    def send(message: Message) -> None:
        line = json.dumps(message).encode() + b"\n"
        while line:
            line = line[os.write(output, line) :]

    return send


def _end_with_parent() -> None:
    """End this process when its parent ends, which holds standard input open as long as it runs."""
    threading.Thread(target=_end_with_input, daemon=True).start()
    if hasattr(fcntl, "F_SETSIG"):
        # A thread waits for code in C that computes. On Linux the system itself kills this process at the end of input.
        fcntl.fcntl(0, fcntl.F_SETOWN, os.getpid())
        fcntl.fcntl(0, fcntl.F_SETSIG, signal.SIGKILL)
        fcntl.fcntl(0, fcntl.F_SETFL, fcntl.fcntl(0, fcntl.F_GETFL) | os.O_ASYNC)
        # The parent may have ended before this.
        input_state = select.poll()
        input_state.register(0, 0)
        if input_state.poll(0):
            os._exit(1)


def _end_with_input() -> None:
    while os.read(0, 4096):
        pass
    os._exit(1)


if __name__ == "__main__":
    main()
