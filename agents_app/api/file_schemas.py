"""The schemas of answers with a file of agents or with its plan, for the OpenAPI document."""

from typing import Any, Literal
from uuid import UUID

from pydantic import Field

from agents_app.api.result_schemas import ResponseSchema, SaveWarning, add_agent_fields
from agents_app.schemas.agent_files import FORMAT
from agents_app.values.choices import AgentStatus


class AgentFields(ResponseSchema):
    """An agent of a file, without secrets. A member that is absent has its default."""

    name: str
    connection_type: str
    connection_config: dict[str, Any]
    status: AgentStatus = Field(default=AgentStatus.ACTIVE, description="Default: `active`.")
    status_reason: str | None = None
    secrets: dict[str, str | None] = Field(default={}, description="By name: `stored` means that the console has it.")


ExportedAgent = add_agent_fields(AgentFields, "ExportedAgent", None)


class ExportedAgentFile(ResponseSchema):
    """A file of agents. `POST /agents/import` takes it."""

    format: str = Field(description=f"Always {FORMAT}.")
    agents: list[ExportedAgent]  # type: ignore[valid-type]


class Difference(ResponseSchema):
    """A value that a file changes."""

    pointer: str
    before: Any
    after: Any


class PlannedAgent(ResponseSchema):
    """What a file does with one agent."""

    kind: Literal["new", "same", "changed", "missing"]
    name: str
    external_id: str | None
    place: str = Field(description="The JSON pointer in the file. Empty for an agent that the file does not have.")
    agent_id: UUID | None = Field(description="Null for an agent that is not stored yet.")
    connection_type: str
    connection: dict[str, Any] = Field(description="What the connection leads to, as in the list of agents.")
    differences: list[Difference]
    secrets: dict[str, Literal["set", "replaced", "removed"]] = Field(description="By JSON pointer of the agent.")
    sources: dict[str, str] = Field(description="Where secrets are read from. Empty over the API.")
    destinations: dict[str, list[str]] = Field(description="Where they are sent. Empty over the API.")
    secrets_to_set: list[str] = Field(description="The JSON pointers of the secrets that the console does not have.")
    is_incomplete: bool


class AppliedPlan(ResponseSchema):
    """What a file did or would do."""

    is_applied: bool
    digest: str = Field(description="Two plans have it in common only if they do the same: see `expected_plan`.")
    changes_something: bool
    prune: bool
    counts: dict[str, int]
    agents: list[PlannedAgent]
    warnings: list[SaveWarning] = Field(
        description="What looks like a secret in the note; in a plan, that it would delete most agents."
    )
