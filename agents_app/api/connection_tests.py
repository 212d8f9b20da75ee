"""The endpoints that test the connection and the model of an agent."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from flask import Response

from agents_app.api import responses
from agents_app.api.endpoint import Endpoint
from agents_app.operations import connection_tests
from agents_app.operations.permissions import Actor

Values = Mapping[str, Any]


def run(actor: Actor, agent_id: UUID, values: Values) -> Response:
    """The result of a test of an agent, with these changes."""
    return responses.as_json(connection_tests.run(actor, agent_id, values))


def run_unsaved(actor: Actor, values: Values) -> Response:
    """The result of a test of values that are not saved."""
    return responses.as_json(connection_tests.run_unsaved(actor, values))


LIMITS = (
    "A test takes at most 10 seconds. A failed test is also answered with 200: read `outcome`. 429 `too_many_tests`: "
    + "6 tests a minute for a person, 2 at once in an account. 503: `busy` (try again), `tests_off` (switched off)."
)
ENDPOINTS = (
    Endpoint(
        operation="testAgent",
        method="POST",
        path="/agents/{agent_id}/test",
        view=run,
        summary="Test an agent",
        permission="agents.test",
        description="Connects to the data source and to the model provider. Without a body, the saved state is "
        + "tested, and the "
        + "result becomes `last_test` of the agent. A body has changes as for PATCH, which are tested and never saved. "
        + "A body that changes nothing which a test uses (connection, model, secrets) tests the saved state too: "
        + "`is_saved` is true. A stored secret is used only if its destination is unchanged: otherwise 422 at the "
        + f"secret. {LIMITS}",
        body="UnsavedAgentUpdate",
        body_is_optional=True,
        responses={200: "TestResult"},
        errors=("too_many_tests", "tests_off", "secret_unavailable"),
        is_done_again=True,
    ),
    Endpoint(
        operation="testConnection",
        method="POST",
        path="/connections/test",
        view=run_unsaved,
        summary="Test values that are not saved",
        permission="agents.test",
        description=f"Takes the values of a whole agent. Nothing is saved. {LIMITS}",
        body="UnsavedAgent",
        responses={200: "TestResult"},
        errors=("too_many_tests", "tests_off", "secret_unavailable"),
        is_done_again=True,
    ),
)
