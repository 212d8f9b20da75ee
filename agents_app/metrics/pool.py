"""The pool of database connections, which measures how long each request waits for one."""

import logging
import time
from collections.abc import Callable
from typing import Any

from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.pool import PoolProxiedConnection, QueuePool

from agents_app.config import Settings

# SQLAlchemy writes what a pool does to the logger of its module, where it would be a line of the console.
logging.getLogger(__name__).setLevel(logging.WARNING)
# Each is called with the seconds of a wait, and whether it ended without a connection.
observers: list[Callable[[float, bool], None]] = []


class TimedPool(QueuePool):
    """The pool that SQLAlchemy uses by itself. It calls `observers` after each wait."""

    def connect(self) -> PoolProxiedConnection:
        """Take a connection. Raises TimeoutError of SQLAlchemy."""
        began, has_failed = time.perf_counter(), False
        try:
            return super().connect()
        except PoolTimeoutError:
            has_failed = True
            raise
        finally:
            for observe in observers:
                observe(time.perf_counter() - began, has_failed)


def pool_options(settings: Settings) -> dict[str, Any]:
    """The options of `create_engine` for the pool. None where metrics are off."""
    return {"poolclass": TimedPool} if settings.has_metrics else {}
