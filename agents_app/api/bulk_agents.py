"""The endpoints that change many agents at once."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from flask import Response

from agents_app.api import responses
from agents_app.api.endpoint import Endpoint
from agents_app.operations import bulk_agents
from agents_app.operations.permissions import Actor
from agents_app.schemas.bulk_agents import IDS_MAX, TESTS_MAX
from agents_app.wording import number_text

Values = Mapping[str, Any]


def act(actor: Actor, values: Values) -> Response:
    """What the act did with each agent."""
    return responses.as_json(bulk_agents.act(actor, values).as_json())


def undo(actor: Actor, bulk_id: UUID, values: Values) -> Response:
    """What the undo did with each agent."""
    return responses.as_json(bulk_agents.undo(actor, bulk_id, values).as_json())


ENDPOINTS = (
    Endpoint(
        operation="changeAgents",
        method="POST",
        path="/agents/bulk",
        view=act,
        summary="Change many agents",
        permission="agents.update",
        description=f"Takes up to {number_text(IDS_MAX)} ids; a repeated id counts once. Each agent is changed, "
        + "stays as it "
        + "is (`unchanged`), or fails with a reason. A failure does not stop the others, and the status is 200: read "
        + "`failed`. Each change makes a version. If-Match is refused, and Idempotency-Key has no effect. "
        + "The same request again changes nothing more (deleted agents are in `failed`), but tests again. Its `id` "
        + "undoes nothing. The `id` of the first does: it is the `bulk_id` of the versions that it made. "
        + "`set_labels` adds or replaces the labels that have a value, removes those that are null, and keeps all "
        + "others. `delete` needs a token whose owner is an admin. "
        + f"`test` takes up to {TESTS_MAX} ids and tests the agents one after the other within the "
        + "limits of single tests. An agent whose test fails or could not start is in `failed`. "
        + "`warnings` names each member that looks like a secret: the act is done nevertheless.",
        body="BulkAct",
        responses={200: "BulkResult"},
    ),
    Endpoint(
        operation="undoAgentsChange",
        method="POST",
        path="/agents/bulk/{bulk_id}/undo",
        view=undo,
        summary="Undo a change of many agents",
        permission="agents.update",
        description="`bulk_id` is the `id` in the response to the change. An agent that has not been changed since "
        + "gets back what "
        + "the change replaced; the others are in `failed` with the code `stale`. Deleted agents are restored, which "
        + "needs a token whose owner is an admin. A second undo changes nothing, and has `is_repeated`. 409: a test "
        + "cannot be undone.",
        body="ChangeNote",
        body_is_optional=True,
        responses={200: "BulkResult"},
        errors=("cannot_be_undone",),
    ),
)
