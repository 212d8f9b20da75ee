"""Helpers that tell a version of an agent from one with the same number in another branch of its history.

After a backup was restored, the next change makes a version with a number that there was before. The time of the change
differs, so the mark does. Within a branch, no two versions of an agent have one number.
"""

from collections.abc import Collection
from datetime import UTC, datetime
from hashlib import sha256
from uuid import UUID

from agents_app.connections import TYPES
from agents_app.schemas.agents import FIELDS

MARK_LENGTH = 12
READ_AGAIN = "Read it again, then repeat the change."


def marked(agent_id: UUID, version: int, updated_at: datetime | None) -> str:
    """The version with its mark, such as "12-0f3a9c41d27e". `updated_at` is the time of the last change."""
    # Rows of other programs can lack the time.
    moment = updated_at.astimezone(UTC).isoformat(timespec="microseconds") if updated_at else ""
    return f"{version}-{digest(f'{agent_id} {version} {moment}'.encode())}"


def runtime_marked(agent_id: UUID, version: int, updated_at: datetime | None) -> str:
    """The same for a runtime, with a hash of the members that a configuration has in this release."""
    return f"{marked(agent_id, version, updated_at)}-{MEMBERS}"


def digest(content: bytes) -> str:
    """A short hash, in hexadecimal digits."""
    return sha256(content).hexdigest()[:MARK_LENGTH]


# With a release that adds a member, every runtime fetches again.
MEMBERS = digest(repr([FIELDS, [(kind.value, list(one.model_fields)) for kind, one in TYPES.items()]]).encode())


def why_stale(current: str, wanted: Collection[str]) -> str:
    """Why a caller who wants one of these versions, marked or bare, cannot change the agent with the version `current`.

    A bare number is from an ETag of an earlier release, or from a page.
    """
    version, numbers = _number(current), set(map(_number, wanted))
    if not wanted:
        return f'This ETag is not from this console. Send the ETag of the agent, such as "{current}".'
    if str(version) in wanted:
        return f"An ETag of an earlier release does not tell whether the agent was changed. {READ_AGAIN}"
    if version in numbers:
        return (
            f"The agent is at another version {version} than the one that was read. "
            + "The ETag is of another agent, or in between the agent was deleted and created again, or the database "
            + f"was restored from a backup. {READ_AGAIN}"
        )
    if min(numbers) > version:
        return (
            f"The agent is at version {version}, and the requested version does not exist. "
            + "The database may have been restored from a backup. Read the agent again."
        )
    return f"The agent has changed since it was read. It is now at version {version}. {READ_AGAIN}"


def _number(version: str) -> int:
    return int(version.partition("-")[0])
