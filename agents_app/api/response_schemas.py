"""The schemas of responses, for the OpenAPI document and for the tests that check real responses."""

from datetime import date, datetime
from typing import Any
from uuid import UUID

from pydantic import Field

from agents_app.api.file_schemas import AppliedPlan, ExportedAgentFile
from agents_app.api.history_schemas import HISTORY
from agents_app.api.result_schemas import (
    Attention,
    ResponseSchema,
    SaveWarning,
    TestDetails,
    TestResult,
    TestSummary,
    add_agent_fields,
)
from agents_app.api.runtime_schemas import CheckedAgents, Readers, RuntimeAgentPage
from agents_app.values.choices import AgentStatus, ConnectionType, Environment, ModelProvider, Role, Scope


class Named(ResponseSchema):
    """Something with an id and a name."""

    id: UUID
    name: str


class AgentSummary(ResponseSchema):
    """The fields that every response with an agent has."""

    id: UUID
    name: str
    description: str | None
    status: AgentStatus
    status_reason: str | None
    external_id: str | None
    owner: str | None
    environment: Environment | None
    labels: dict[str, str]
    model_provider: ModelProvider | None
    model_type: str | None
    api_key_expires_at: date | None
    connection_type: ConnectionType
    credential_expires_at: date | None
    version: int
    created_at: datetime
    updated_at: datetime
    created_by: Named | None = Field(
        description="Null if the person was deleted, or if the agent was created at the terminal."
    )
    updated_by: str | None
    updated_by_token_owner: str | None = Field(
        description="The present name of the person whose API token made the last change. Null without a token."
    )
    last_test: TestSummary | None = Field(description="Null if the agent was never tested.")


class AgentInList(AgentSummary):
    """An agent without its long texts."""

    connection: dict[str, str | None] = Field(description="The members of the connection that identify it.")
    last_fetched_at: datetime | None = Field(
        description="When a runtime last fetched it. Null if none has. Stored at most once a minute for each token."
    )


class SecretFact(ResponseSchema):
    """Facts about a stored secret. A fact is null if it was not recorded."""

    set_at: datetime | None
    set_by: str | None
    last_four: str | None = Field(description="Its last four characters, if it has at least 16.")
    readable: bool = Field(description="False if it cannot be decrypted: restore its encryption key, or set it again.")


class AgentWithDetails(AgentSummary):
    """An agent, without the values of its secrets."""

    connection_config: dict[str, Any]
    last_test: TestDetails | None = Field(description="Null if the agent was never tested.")
    secrets_set: dict[str, SecretFact] = Field(description="The stored secrets, by JSON pointer.")


class AgentPage(ResponseSchema):
    """One page of a list."""

    items: list[AgentInList]
    next_cursor: str | None = Field(description="Null on the last page.")


class RuntimeFields(ResponseSchema):
    """The configuration to run an agent, with its secrets in clear text."""

    id: UUID
    version: int
    api_key: str | None
    connection_config: dict[str, Any]
    updated_at: datetime


class AgentWithWarnings(AgentWithDetails):
    """An agent that was saved, with warnings about its members."""

    warnings: list[SaveWarning]


Agent = add_agent_fields(AgentWithDetails, "Agent")
SavedAgent = add_agent_fields(AgentWithWarnings, "SavedAgent")
RuntimeAgent = add_agent_fields(RuntimeFields, "RuntimeAgent")


class BulkCounts(ResponseSchema):
    """The numbers of agents."""

    changed: int
    unchanged: int
    failed: int


class BulkAgent(ResponseSchema):
    """An agent, and its version after the act."""

    id: UUID
    name: str
    version: int | None
    reason_replaced: bool = Field(
        description="For `disable`: the agent was disabled already, and only got a new reason."
    )


class BulkFailure(ResponseSchema):
    """An agent that was not changed, and why."""

    id: UUID
    name: str | None = Field(description="Null if there is no agent with this id.")
    code: str = Field(description="An error code, or for a test the code of the cause.")
    detail: str


class BulkResult(ResponseSchema):
    """What an act did with each of many agents."""

    id: UUID = Field(description="The id of the act, for its undo.")
    act: str = Field(description="The act, or `undo`.")
    is_repeated: bool = Field(
        description="True for a second undo of the same act. It changes nothing: the agents that the first one changed "
        + "are in `unchanged`."
    )
    summary: str = Field(description="What was done, in sentences with the numbers of agents.")
    counts: BulkCounts
    changed: list[BulkAgent] = Field(description="For `test`: the agents whose test did not fail.")
    unchanged: list[BulkAgent] = Field(description="Agents that have been so already.")
    failed: list[BulkFailure]
    warnings: list[SaveWarning]


class Me(ResponseSchema):
    """The token of the request."""

    token: Named
    account: Named
    scopes: list[Scope]
    role: Role | None = Field(
        description="The current role of the token's owner. Null if that person was deleted or deactivated."
    )
    all_agents: bool = Field(description="Whether the scope `runtime` of the token is not limited to some agents.")
    agent_ids: list[UUID] = Field(
        description="The agents that the scope `runtime` is limited to. Empty if `all_agents` is true."
    )


class ConnectionTypeInfo(ResponseSchema):
    """One connection type."""

    connection_type: ConnectionType
    label: str
    summary: str
    secrets: list[str]
    destination: list[str]
    schema_: dict[str, Any] = Field(alias="schema", description="JSON Schema of `connection_config`.")


class ConnectionTypes(ResponseSchema):
    """All connection types."""

    items: list[ConnectionTypeInfo]


class BrokenRule(ResponseSchema):
    """One error in the values that were sent: in the body (`pointer`) or in the query (`parameter`)."""

    pointer: str = Field(default="", description="A JSON pointer to the member of the body. Absent for the query.")
    parameter: str = Field(default="", description="The name of the query parameter. Absent for the body.")
    detail: str


class Problem(ResponseSchema):
    """An error (RFC 9457)."""

    type: str
    title: str
    status: int
    code: str = Field(description="An error code that does not change between releases.")
    detail: str = Field(description="A description of the error for people.")
    request_id: str = Field(description="The id of the request, as in the log and in the header X-Request-ID.")
    errors: list[BrokenRule] = Field(default=[], description="Every error in the values that were sent.")


ANSWERS: tuple[type[ResponseSchema], ...] = (
    AppliedPlan,
    ExportedAgentFile,
    Agent,
    SavedAgent,
    AgentPage,
    RuntimeAgent,
    RuntimeAgentPage,
    TestResult,
    Attention,
    BulkResult,
    CheckedAgents,
    Readers,
    Me,
    ConnectionTypes,
    *HISTORY,
    Problem,
)
