"""How long a migration waits for others."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Patience:
    """All times are in seconds."""

    # Until another migration has ended.
    migration: float = 600
    # For one lock on a table: readers queue behind a migration that waits, so this is short.
    lock: float = 1
    # How often a step is tried that met somebody else's lock, and how long it rests in between.
    tries: int = 15
    pause: float = 1
