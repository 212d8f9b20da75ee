"""The schemas of the responses with versions of agents, and with deleted agents."""

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import Field

from agents_app.api.json_schemas import known_values
from agents_app.api.result_schemas import ResponseSchema

SecretChange = Literal["set", "replaced", "removed"]


class VersionSummary(ResponseSchema):
    """Who made a version of an agent, when and why, and what it changed."""

    version: int
    action: str = Field(
        description=known_values(
            "agent.created",
            "agent.cloned",
            "agent.updated",
            "agent.enabled",
            "agent.disabled",
            "agent.deleted",
            "agent.restored",
            "agent.version_restored",
            "agent.change_undone",
        )
    )
    door: str | None = Field(
        description=f"Where the change was made. Null if it is unknown. {known_values('page', 'token', 'terminal')}"
    )
    actor_name: str
    user_id: UUID | None = Field(description="Null at the terminal, and if the person was deleted.")
    token_owner: str | None = Field(
        description="The present name of the person whose API token made the change. Null without a token."
    )
    created_at: datetime
    note: str | None = Field(description="Why the change was made, as its maker says.")
    changed: list[str] = Field(
        description="JSON pointers to what was changed, without secrets. Empty if the version made the agent."
    )
    secrets: dict[str, SecretChange] = Field(description="What was done with secrets, by JSON pointer.")
    restored_version: int | None = Field(
        description="The number of the version that was restored, or that the agent is like again after an undo."
    )
    undone_act: str | None = Field(
        description="The act on many agents that this version undid, such as `disable`. Null if it undid none."
    )
    bulk_id: UUID | None = Field(
        description="The id of the act on many agents that made the version, which undoes it, or of such an undo. Null "
        + "if the version was made by itself."
    )


class VersionPage(ResponseSchema):
    """One page of the versions of an agent."""

    items: list[VersionSummary]
    next_cursor: str | None = Field(description="Null on the last page.")


class ChangedMember(ResponseSchema):
    """A member of an agent that differs between two versions."""

    pointer: str = Field(description="A JSON pointer to the member.")
    before: Any
    after: Any


class VersionDetails(VersionSummary):
    """An agent as one version recorded it, and what is different in another version."""

    content: dict[str, Any] | None = Field(
        description="The members of the agent, without secrets. An earlier release may have recorded values that this "
        + "release refuses. Null if they cannot be read."
    )
    secrets_set: list[str] = Field(description="JSON pointers to the secrets that were set.")
    problem: str | None = Field(description="Why this release cannot restore the version. Null if it can.")
    compared_with: int | None = Field(
        description="The version that `changes` begins at. Null if there is no version before."
    )
    changes: list[ChangedMember] = Field(description="What differs. Empty if one of the two cannot be read.")
    secret_changes: dict[str, SecretChange] = Field(
        description="What happened to secrets between the two versions, by JSON pointer."
    )


class DeletedAgent(ResponseSchema):
    """A deleted agent, which can be restored."""

    id: UUID
    name: str
    deleted_at: datetime
    deleted_by: str
    has_secrets: bool = Field(description="Whether it had secrets.")
    secrets_kept_until: datetime | None = Field(
        description="Until then its secrets are restored with it. Null if they are not stored."
    )


class DeletedAgentPage(ResponseSchema):
    """One page of the deleted agents."""

    items: list[DeletedAgent]
    next_cursor: str | None = Field(description="Null on the last page.")


HISTORY: tuple[type[ResponseSchema], ...] = (VersionPage, VersionDetails, DeletedAgentPage)
