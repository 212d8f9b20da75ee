"""Everyday changes of the models, as a developer makes them, one after the other in a copy of the checkout."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.migrations.releases import BenchmarkError, Release

AGENT = Path("agents_app/models/agent.py")
CHOICES = Path("agents_app/values/choices.py")
VERSIONS = Path("migrations/versions")
BACKFILL = """
AGENTS = sa.table("agents", *(sa.column(name, sa.Uuid()) for name in ("id", "created_by", "reviewer_id")))


def upgrade() -> None:
    op.fill_rows(
        AGENTS,
        AGENTS.c.reviewer_id.is_(None) & AGENTS.c.created_by.is_not(None),
        lambda agent: {"reviewer_id": agent.created_by},
        "UPDATE agents SET reviewer_id = created_by WHERE reviewer_id IS NULL",
    )


def downgrade() -> None:
    pass
"""


@dataclass(frozen=True)
class Change:
    """A change: its name in the table, how the folder of the copy is edited, and how its step is written by hand."""

    title: str
    edit: Callable[[Path], None]
    by_hand: str | None = None


def write_files(release: Release, change: Change, number: int) -> int:
    """Make the change in the copy of this release, and write its migrations. Returns the number of files."""
    versions = release.folder / VERSIONS
    before = set(versions.glob("*.py"))
    change.edit(release.folder)
    name = re.sub(r"[^a-z]+", "_", f"change_{number}_{change.title}".lower())
    release.flask("db", "revision" if change.by_hand else "migrate", "-m", name)
    written = sorted(set(versions.glob("*.py")) - before)
    if not written:
        raise BenchmarkError(f"flask db migrate wrote no file for: {change.title}")
    for path in written:
        text = path.read_text().replace('\nis_rename = "?"\n', "\nis_rename = True\n")
        if change.by_hand:
            text = text[: text.index("\ndef upgrade()")] + change.by_hand
        path.write_text(text)
    return len(written)


def _models(line: str, instead_of: str | None = None) -> Callable[[Path], None]:
    # Adds lines at the end of the model of agents, or puts them in the place of other ones.
    def edit(folder: Path) -> None:
        path = folder / AGENT
        text = path.read_text()
        if instead_of is not None and instead_of not in text:
            raise BenchmarkError(f"The model of agents has no line: {instead_of}")
        path.write_text(text.replace(instead_of, line) if instead_of is not None else f"{text}\n{line}\n")

    return edit


def _label(folder: Path) -> None:
    path = folder / CHOICES
    path.write_text(path.read_text().replace('    DB = "DB"\n', '    DB = "DB"\n    MAILBOX = "MAILBOX"\n', 1))


def _nothing(_folder: Path) -> None:
    return None


REVIEWER = "Agent.reviewer_id = mapped_column(sa.Uuid, nullable=True)"
REVIEWER_WITH_KEY = 'Agent.reviewer_id = mapped_column(sa.ForeignKey("users.id", ondelete="SET NULL"), nullable=True)'
TIER = 'Agent.tier = mapped_column(sa.String(20), default="standard", nullable=False)'
LEVEL = TIER.replace("tier", "level")
CHANGES = (
    Change("a column", _models(REVIEWER)),
    Change("a backfill (op.fill_rows)", _nothing, BACKFILL),
    Change("a foreign key", _models(REVIEWER_WITH_KEY, REVIEWER)),
    Change("an index", _models('sa.Index("ix_agents_model_type", Agent.model_type)')),
    Change("a CHECK", _models('Agent.__table__.append_constraint(sa.CheckConstraint("version > 0", name="version"))')),
    Change(
        "a UNIQUE constraint", _models('Agent.__table__.append_constraint(sa.UniqueConstraint("account_id", "id"))')
    ),
    Change("a label of an enum", _label),
    Change("a NOT NULL column, with its fill", _models(TIER)),
    Change("a rename of that column", _models(LEVEL, TIER)),
    Change("no column any more", _models("", LEVEL)),
)
