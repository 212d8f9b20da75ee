"""Benchmarks of the console. Each is a package that runs as a module, and a target of the Makefile."""

import signal
import sys


def stop_servers_on_sigterm() -> None:
    """Let SIGTERM end this process as Ctrl-C does, so that it stops the servers that it has started."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
