"""Steps that do not follow each other in a line: two last migrations, and the merges that join them."""

from collections.abc import Collection, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from agents_app.errors import Unavailable
from agents_app.paths import COMMAND

if TYPE_CHECKING:
    from alembic.script import ScriptDirectory

# The revisions that each revision follows: one, or several for a merge.
Parents = dict[str, tuple[str, ...]]

TWO_HEADS = "Two migrations have the same down_revision."
PUT_IN_ORDER = (
    f"In the newer file, set down_revision to the revision of the older one; or join them: {COMMAND} db merge heads"
)
SEVERAL_REVISIONS = "The table alembic_version has more than one row:"
STAMP_ONE = (
    f"Each step follows one other step here. Set the revision of the database: {COMMAND} db stamp --purge REVISION"
)
RELATIVE_UP = "A pending step joins two branches, so that {target} does not say how far. Name the revision, or head."


def ancestors(parents: Parents, revisions: Iterable[str]) -> set[str]:
    """These revisions and all that they follow. Unknown ones are left out."""
    found: set[str] = set()
    remaining = list(revisions)
    while remaining:
        revision = remaining.pop()
        if revision in parents and revision not in found:
            found.add(revision)
            remaining += parents[revision]
    return found


def descendants(parents: Parents, revision: str) -> set[str]:
    """All revisions that follow this one."""
    return {other for other in parents if other != revision and revision in ancestors(parents, [other])}


def are_separate(parents: Parents, revisions: list[str]) -> bool:
    """Whether none of these known revisions follows another one of them, as at the ends of branches."""
    return all(
        one in parents and one not in ancestors(parents, [other])
        for one in revisions
        for other in revisions
        if one != other
    )


def phase_levels(
    parents: Parents, pending: Iterable[str], marked: Collection[str], merges: Collection[str]
) -> dict[str, int]:
    """The phase of each pending revision: 0 for unmarked ones, 1 for the marked ones after them, 2 for unmarked ones
    that follow these, and so on.

    Only what a revision follows counts, not the other branches. One of `merges` has the phase of what it joins.
    `pending` has each revision after those that it follows.
    """
    levels: dict[str, int] = {}
    for revision in pending:
        level = max((levels[parent] for parent in parents[revision] if parent in levels), default=0)
        is_between = revision not in merges and (level % 2 == 1) != (revision in marked)
        levels[revision] = level + 1 if is_between else level
    return levels


def last_of(parents: Parents, revisions: Collection[str]) -> list[str]:
    """Those of these revisions that no other one of them follows, in their order."""
    followed = ancestors(parents, (before for revision in revisions for before in parents[revision]))
    return [revision for revision in revisions if revision not in followed]


def last_ones(parents: Parents) -> list[str]:
    """The revisions that no other one follows."""
    followed = {parent for found in parents.values() for parent in found}
    return sorted(parents.keys() - followed)


def two_heads(script: "ScriptDirectory") -> tuple[str, str] | None:
    """What is wrong if there are several last migrations, with their files, and what to do; None if there is one."""
    heads = sorted(script.get_heads())
    if len(heads) < 2:
        return None
    files = [f"{Path(script.get_revision(head).path).name} ({head})" for head in heads]
    return f"{TWO_HEADS} The last ones are {' and '.join(files)}; only one is allowed.", f"{PUT_IN_ORDER}."


def require_one_head(script: "ScriptDirectory") -> None:
    """Raise CommandError, with both files and what to do, if there are several last migrations."""
    from alembic.util import CommandError

    if problem := two_heads(script):
        raise CommandError(" ".join(problem))


def ambiguous_way_back(parents: Parents, current: Iterable[str], target: str) -> str | None:
    """Why a way back like -1 is not clear, and what to type instead; None if the steps are a line."""
    revisions = list(current)
    for _ in range(abs(int(target))):
        if len(revisions) > 1:
            what = f"The database is at {' and '.join(revisions)}, so that {target} is not clear."
            return f"{what} {_choices(parents, revisions)}"
        if not revisions:
            return None
        before = parents.get(revisions[0], ())
        if len(before) > 1:
            what = f"The step {revisions[0]} joins {' and '.join(before)}, so that {target} is not clear."
            kept = f"which keeps {' and '.join(before[1:])} too."
            only = f"To undo only this step: {COMMAND} db downgrade {before[0]}, {kept}"
            return f"{what} {only} {_choices(parents, list(before))}"
        revisions = list(before)
    return None


def _choices(parents: Parents, revisions: list[str]) -> str:
    common = set.intersection(*(ancestors(parents, [revision]) for revision in revisions))
    last = last_ones({revision: parents[revision] for revision in common})
    return f"To undo {' and '.join(revisions)} too: {COMMAND} db downgrade {last[0] if last else 'base'}"


def applied_revisions(parents: Parents, found: list[str]) -> set[str]:
    """The revisions that a database at `found` has. Raises Unavailable at several that no pending merge joins."""
    if len(found) < 2:
        return ancestors(parents, found)
    if not are_separate(parents, found):
        raise Unavailable(f"{SEVERAL_REVISIONS} {', '.join(found)}. {STAMP_ONE}", code="schema_unclear")
    if len(last_ones(parents)) > 1:
        what = f"The database is at {len(found)} last migrations: {', '.join(found)}."
        raise Unavailable(
            f"{what} Join them: {COMMAND} db merge heads, then {COMMAND} db deploy", code="schema_unclear"
        )
    return ancestors(parents, found)
