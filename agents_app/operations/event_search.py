"""Helpers that search the names of events. They write nothing."""

import time
from collections.abc import Sequence

from agents_app.values.text import fold_for_search

# The number of events that one search reads, and the processor time it spends. It stops at the first that is reached.
EVENTS_MAX, PROCESSOR_S = 10_000, 0.35


class NameSearch:
    """Compares the names of one event after another with the words of a search, and counts what that costs."""

    def __init__(self, words: Sequence[str]) -> None:
        self.events = 0
        self._words, self._start = words, time.thread_time()
        # Each name is folded once. The time of the search limits their number.
        self._folded: dict[str, str] = {}
        self._found: dict[tuple[str, str], bool] = {}

    def finds(self, actor_name: str, target_name: str) -> bool:
        """Whether all words are in the names of this event."""
        self.events += 1
        names = actor_name, target_name
        if names not in self._found:
            text = "\n".join(map(self._fold, names))
            self._found[names] = all(word in text for word in self._words)
        return self._found[names]

    @property
    def is_over(self) -> bool:
        """Whether the search has to stop here."""
        return self.events >= EVENTS_MAX or time.thread_time() - self._start >= PROCESSOR_S

    def _fold(self, name: str) -> str:
        if name not in self._folded:
            self._folded[name] = fold_for_search(name)
        return self._folded[name]
