"""What can be wrong with a database: which problems stop a deployment is decided here."""

from collections.abc import Collection
from dataclasses import dataclass

from agents_app.paths import COMMAND

PENDING, NO_BACKUP, CHANGED = "migrations.pending", "backups.possible", "migrations.changed"
# What to do while a migration is running.
WAIT = f"Wait until it has ended, then: {COMMAND} db status"
# With one of these no step can succeed. The others do not stop a deployment.
STOPS_STEPS = {
    "database.encoding",
    "database.foreign_tables",
    "database.read_only",
    "database.rights",
    "migrations.heads",
    "migrations.marks",
    "migrations.unstamped",
    "models.names",
}


@dataclass(frozen=True)
class Problem:
    """What is wrong, and what to do about it. Programs read `code`, which does not change.

    A problem of certain `tables` stops only steps that change one of them; one without tables concerns every step.
    """

    what: str
    do: str
    code: str = "database.structure"
    tables: tuple[str, ...] = ()

    def stops_steps(self, changed: Collection[str]) -> bool:
        """Whether steps that change these tables cannot succeed."""
        return self.code in STOPS_STEPS and (not self.tables or any(table in changed for table in self.tables))

    @property
    def is_about_files(self) -> bool:
        """Whether the database itself is as its steps made it: `deploy` then prints the problem, and ends with 0."""
        return self.code == CHANGED

    @property
    def only_prevents_backup(self) -> bool:
        return self.code == NO_BACKUP
