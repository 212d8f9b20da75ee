"""The schemas of the results of tests, and of the reasons why an agent needs attention."""

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, create_model

from agents_app.api.json_schemas import known_values
from agents_app.operations.test_results import RESPONSIBLE_CODES, STEP_NAMES
from agents_app.schemas.agents import FIELDS, AgentValues

Outcome = Literal["passed", "warning", "failed"]


class ResponseSchema(BaseModel):
    """A response or a part of one."""

    model_config = ConfigDict(extra="forbid")


def add_agent_fields(base: type[ResponseSchema], name: str, default: Any = ...) -> type[ResponseSchema]:
    """A subclass of `base` with this name, which also has the fields of an agent that `base` does not declare.

    Without a default, each of them is in every answer.
    """
    fields = {name: field for name, field in AgentValues.model_fields.items() if name in FIELDS}
    added: Any = {name: (field.annotation, default) for name, field in fields.items() if name not in base.model_fields}
    return create_model(name, __base__=base, __doc__=base.__doc__, **added)


class SaveWarning(ResponseSchema):
    """A member that looks like a secret, cannot work with row-level security, or is missing."""

    pointer: str = Field(description="A JSON pointer to the member.")
    detail: str = Field(description="What is doubtful or missing. It never repeats a secret.")


class TestSummary(ResponseSchema):
    """The last test of the saved state of an agent."""

    outcome: Outcome = Field(description="`warning`: the agent works, but something should be changed.")
    cause: str | None = Field(description="The code of the cause. Codes do not change between releases.")
    version: int | None = Field(description="The version of the agent that was tested. Null for values not saved.")
    tested_at: datetime
    tested_by: str
    is_out_of_date: bool = Field(description="Whether the connection, the model or a secret was changed after it.")
    is_sample: bool = Field(
        description="Whether the result is a sample, of an agent that was made as an example. It was not tested."
    )


class TestStep(ResponseSchema):
    """One step of a test. If the test failed, the last step is the one that failed."""

    name: str = Field(description=known_values(*STEP_NAMES))
    label: str
    outcome: Outcome
    milliseconds: int


class TestCause(ResponseSchema):
    """A cause or a warning: what is wrong, what to do, and who can do it."""

    code: str
    what: str
    next_step: str
    responsible: str = Field(
        description=f"The code of the person who can do the next step. {known_values(*RESPONSIBLE_CODES)}"
    )
    responsible_label: str


class TestPart(ResponseSchema):
    """The test of the connection, or of the model."""

    part: Literal["connection", "model"]
    label: str
    outcome: Outcome
    steps: list[TestStep]
    cause: TestCause | None
    warnings: list[TestCause]
    facts: dict[str, Any] = Field(description="Values that the steps read, such as the name of a dataset.")
    statements: list[str] = Field(description="SQL that gives the user of the database the rights that it should have.")


class TestDetails(TestSummary):
    """The last test of the saved state of an agent, with its steps."""

    parts: list[TestPart]


class TestResult(TestDetails):
    """The result of a test."""

    is_saved: bool = Field(
        description="Whether the saved state was tested, so that this is now its `last_test`. A request that changes "
        + "nothing which a test uses tests the saved state."
    )


class Reason(ResponseSchema):
    """One reason why an agent needs attention."""

    code: str = Field(
        description=known_values(
            "test_failed", "incomplete", "expiring", "expired", "owner_left", "not_fetched", "secret_unreadable"
        )
    )
    detail: str


class Attention(ResponseSchema):
    """Why an agent needs attention."""

    reasons: list[Reason] = Field(description="Empty if the agent does not need attention.")
