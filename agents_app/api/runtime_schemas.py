"""The schemas of responses about runtimes: which agents have changed, and who runs an agent."""

from datetime import datetime
from uuid import UUID

from pydantic import Field

from agents_app.api.json_schemas import known_values
from agents_app.api.result_schemas import ResponseSchema


class CheckedAgent(ResponseSchema):
    """The state of one agent. Of an agent that is not found, all other members are null."""

    state: str = Field(description=known_values("unchanged", "changed", "disabled", "not_found"))
    id: UUID | None
    version: int | None
    etag: str | None = Field(description="The ETag of the current version.")
    reason: str | None = Field(description="Why the agent is disabled, if a reason was given.")


class CheckedAgents(ResponseSchema):
    """The state of each agent, by its key in the request."""

    agents: dict[str, CheckedAgent]
    check_again_after_s: int = Field(description="The number of seconds after which to check again.")


class RuntimeAgentSummary(ResponseSchema):
    """An active agent that the token may fetch."""

    id: UUID
    external_id: str | None
    name: str
    version: int
    etag: str = Field(description="The ETag of the configuration for runtimes.")


class RuntimeAgentPage(ResponseSchema):
    """One page of the agents that the token may fetch."""

    items: list[RuntimeAgentSummary]
    next_cursor: str | None = Field(description="Null on the last page.")


class Reader(ResponseSchema):
    """A token with which a runtime has fetched or checked an agent."""

    token_id: UUID
    token_name: str
    token_state: str = Field(description=known_values("active", "replaced", "expired", "revoked"))
    version: int = Field(description="The version that the runtime has: the last that it fetched or confirmed.")
    versions_behind: int
    fetches_at_least: int = Field(
        description="Requests to `/runtime`, those with the response 304 too. Fetches that were not stored before a "
        + "process of the console ended are missing."
    )
    first_fetched_at: datetime | None = Field(description="Null if the token only checked the agent.")
    last_fetched_at: datetime | None
    last_seen_at: datetime = Field(description="The last fetch or check. Later ones in the same minute are not stored.")


class Readers(ResponseSchema):
    """Who runs an agent, the last one first."""

    items: list[Reader]
