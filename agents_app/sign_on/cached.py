"""A document of the provider in memory. Threads can share it."""

from collections.abc import Callable
from threading import Lock
from typing import Generic, TypeVar

from agents_app.sign_on.errors import ProviderUnavailable

T = TypeVar("T")

# After a failure, the provider is not asked again for this time.
FAILURE_S = 5
# How old a document may be while the provider is away, where old ones are allowed.
OLD_S = 86_400


class Cached(Generic[T]):
    """The document. One thread reads it, and the others wait; a failure is remembered for a moment."""

    def __init__(self, clock: Callable[[], float], lifetime: int) -> None:
        self._clock = clock
        self._lifetime = lifetime
        self._lock = Lock()
        self._found: tuple[T, float] | None = None
        self._failure: tuple[ProviderUnavailable, float] | None = None

    def fresh(self, age_max: int | None = None) -> T | None:
        """The document, if it is not older than `age_max`, or than its lifetime. It never waits."""
        most = self._lifetime if age_max is None else age_max
        found = self._found
        return found[0] if found and self._clock() - found[1] < most else None

    def get(self, fetch: Callable[[], T], *, age_max: int | None = None, can_be_old: bool = False) -> T:
        """The document, read again if it is not fresh. Raises ProviderUnavailable.

        With `can_be_old`, an old document is returned where it cannot be read again.
        """
        with self._lock:
            if (found := self.fresh(age_max)) is not None:
                return found
            try:
                return self._read(fetch)
            except ProviderUnavailable:
                if can_be_old and (old := self.fresh(OLD_S)) is not None:
                    return old
                raise

    def _read(self, fetch: Callable[[], T]) -> T:
        if self._failure and self._clock() - self._failure[1] < FAILURE_S:
            # A new error each time: threads share the first, and it would keep what each of them was doing.
            raise ProviderUnavailable(self._failure[0].detail, do=self._failure[0].do)
        began = self._clock()
        try:
            found = fetch()
        except ProviderUnavailable as failure:
            # The moment is when it failed, not when it began: those who waited must not all wait for another failure.
            self._failure = failure, self._clock()
            raise
        self._found, self._failure = (found, began), None
        return found
