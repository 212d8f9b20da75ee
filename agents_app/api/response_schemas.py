"""What answers look like, for the OpenAPI document and for the tests that hold real answers against it."""

from datetime import date, datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema, create_model

from agents_app.connections import TYPES
from agents_app.schemas.agents import FIELDS, AgentValues
from agents_app.values.choices import AgentStatus, ConnectionType, Role, Scope

REF = "#/components/schemas/{model}"


def one_of(suffix: str) -> WithJsonSchema:
    """The union of all connection types, each in the variant with this suffix."""
    names = [declaration.__name__ + suffix for declaration in TYPES.values()]
    return WithJsonSchema({"oneOf": [{"$ref": REF.format(model=name)} for name in names]})


class ResponseSchema(BaseModel):
    """An answer or a part of one."""

    model_config = ConfigDict(extra="forbid")


class Named(ResponseSchema):
    """Something with an id and a name."""

    id: UUID
    name: str


class AgentSummary(ResponseSchema):
    """What every reading of an agent has."""

    id: UUID
    name: str
    description: str | None
    status: AgentStatus
    status_reason: str | None
    model_type: str | None
    connection_type: ConnectionType
    credential_expires_at: date | None
    version: int
    created_at: datetime
    updated_at: datetime
    created_by: Named | None = Field(description="Null where the person is gone, or an operator made the agent.")
    updated_by: str | None


class AgentInList(AgentSummary):
    """An agent without its long texts."""

    connection: dict[str, str | None] = Field(description="What tells this connection from others.")


class SecretFact(ResponseSchema):
    """What is known of a stored secret; null where it was not recorded."""

    set_at: datetime | None
    set_by: str | None
    last_four: str | None = Field(description="Its last four characters, where it is at least 16 long.")
    readable: bool = Field(description="False where it cannot be decrypted: an operator must look, or it be set anew.")


def with_fields(base: type[ResponseSchema], name: str) -> type[ResponseSchema]:
    """The shape `base` under another name, with those plain fields of an agent that it does not name itself."""
    left = {field: known for field, known in AgentValues.model_fields.items() if field in FIELDS}
    members: Any = {field: (known.annotation, ...) for field, known in left.items() if field not in base.model_fields}
    return create_model(name, __base__=base, __doc__=base.__doc__, **members)


class AgentWithDetails(AgentSummary):
    """An agent. The values of its secrets are never answered here."""

    connection_config: Annotated[dict[str, Any], one_of("Shown")]
    secrets_set: dict[str, SecretFact] = Field(description="The secrets that are stored, by JSON pointer.")


class AgentPage(ResponseSchema):
    """One page of a list."""

    items: list[AgentInList]
    next_cursor: str | None = Field(description="Null on the last page.")


class RuntimeFields(ResponseSchema):
    """Everything that is needed to run an agent, secrets in clear."""

    id: UUID
    version: int
    api_key: str | None
    connection_config: Annotated[dict[str, Any], one_of("InClear")]
    updated_at: datetime


Agent = with_fields(AgentWithDetails, "Agent")
RuntimeAgent = with_fields(RuntimeFields, "RuntimeAgent")


class Me(ResponseSchema):
    """The token that asks."""

    token: Named
    account: Named
    scopes: list[Scope]
    role: Role | None = Field(description="Its maker's present role; null where they are gone or deactivated.")
    agent_ids: list[UUID] = Field(description="The agents that its scope runtime is limited to; empty means all.")


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
    """One thing that is wrong with what was sent."""

    pointer: str = Field(description="A JSON pointer to the member, or to the name of the query's parameter.")
    detail: str


class Problem(ResponseSchema):
    """A refusal, after RFC 9457."""

    type: str
    title: str
    status: int
    code: str = Field(description="A stable word for programs.")
    detail: str = Field(description="A sentence for people.")
    errors: list[BrokenRule] = Field(default=[], description="Every broken rule, where there are any.")


ANSWERS: tuple[type[ResponseSchema], ...] = (Agent, AgentPage, RuntimeAgent, Me, ConnectionTypes, Problem)
