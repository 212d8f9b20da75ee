"""Limits the requests of each API token, and says in every response how many are left.

The fields are those of draft-ietf-httpapi-ratelimit-headers-10. Each process counts on its own, in memory: with several
processes a token can have as many times the limit.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock
from uuid import UUID

from flask import Flask, Response, current_app, g

from agents_app.config import Settings
from agents_app.errors import Throttled
from agents_app.wording import number_text

WINDOW_S = 60
CODE = "rate_limited"
POLICY = "RateLimit-Policy"
LIMIT = "RateLimit"
EXTENSION = "rate_limits"


@dataclass(frozen=True)
class Quota:
    """What a token has left: requests, and the seconds until it has all again."""

    is_exceeded: bool
    remaining: int
    seconds: int


class Windows:
    """The requests of each token in its present minute, which begins with its first request."""

    def __init__(self, most: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.most = most
        self._clock = clock
        self._lock = Lock()
        self._counts: dict[UUID, tuple[float, int]] = {}
        self._swept_at = clock()

    def __len__(self) -> int:
        return len(self._counts)

    def count(self, token_id: UUID) -> Quota:
        """Count a request of this token, unless it has none left."""
        with self._lock:
            now = self._clock()
            self._sweep(now)
            start, number = self._counts.get(token_id, (now, 0))
            if now - start >= WINDOW_S:
                start, number = now, 0
            is_exceeded = number >= self.most
            number = min(number + 1, self.most)
            self._counts[token_id] = start, number
        return Quota(is_exceeded, self.most - number, math.ceil(start + WINDOW_S - now))

    def _sweep(self, now: float) -> None:
        # Otherwise the memory would grow with every token that was ever used.
        if now - self._swept_at >= WINDOW_S:
            self._swept_at = now
            self._counts = {key: one for key, one in self._counts.items() if now - one[0] < WINDOW_S}


def init_app(app: Flask) -> None:
    """Make the counters of this process. Without a limit, there are none."""
    known: Settings = app.extensions["settings"]
    app.extensions[EXTENSION] = Windows(known.api_rate_limit) if known.api_rate_limit else None


def check(token_id: UUID) -> None:
    """Count a request of this token. Raises Throttled if it has sent too many."""
    windows: Windows | None = current_app.extensions[EXTENSION]
    if windows is None:
        return
    g.quota = quota = windows.count(token_id)
    if quota.is_exceeded:
        sentence = (
            f"This token has sent {number_text(windows.most)} requests in a minute, which is the limit. Nothing was "
            + f"done. Send the request again in {quota.seconds} {'second' if quota.seconds == 1 else 'seconds'}."
        )
        raise Throttled(sentence, code=CODE, retry_after=quota.seconds)


def add_fields(response: Response) -> Response:
    """Write into the response what the token has left."""
    if quota := g.get("quota"):
        most = current_app.extensions[EXTENSION].most
        response.headers[POLICY] = f'"requests";q={most};w={WINDOW_S}'
        response.headers[LIMIT] = f'"requests";r={quota.remaining};t={quota.seconds}'
    return response
