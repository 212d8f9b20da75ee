"""The endpoints for the history of an agent, and for deleted agents."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from flask import Response

from agents_app.api import etags, responses
from agents_app.api.agents import AGENT_PATH, IF_MATCH, WARNINGS, saved_response
from agents_app.api.endpoint import Endpoint
from agents_app.errors import InvalidInput
from agents_app.operations import agent_history, agent_secrets, agents, deleted_agents
from agents_app.operations.agent_history import Change
from agents_app.operations.permissions import Actor
from agents_app.operations.version_contents import value_at
from agents_app.schemas.listing import PageQuery
from agents_app.schemas.versions import CompareQuery

Values = Mapping[str, Any]

# How a secret is set and removed by the request that restores a version.
SECRET_WAYS = ("Send it in this request", "send null to remove it")


def listing(actor: Actor, agent_id: UUID, query: PageQuery) -> Response:
    """A page of the versions, the newest first."""
    page = agent_history.listing(actor, agent_id, query.cursor, query.limit)
    return responses.as_json({"items": list(map(_summary, page.items)), "next_cursor": page.next_cursor})


def read(actor: Actor, agent_id: UUID, version: int, query: CompareQuery) -> Response:
    """One version, compared with another."""
    found = agent_history.read_version(actor, agent_id, version)
    compared = agent_history.difference(actor, agent_id, version, query.compare)
    changes = [
        {"pointer": one, "before": value_at(one, compared.before), "after": value_at(one, compared.after)}
        for one in compared.changed
    ]
    content = {"content": found.content, "secrets_set": found.secrets, "problem": found.problem}
    comparison = {"compared_with": compared.base, "changes": changes, "secret_changes": compared.secrets}
    return responses.as_json({**_summary(found.change), **content, **comparison})


def restore(actor: Actor, agent_id: UUID, version: int, values: Values) -> Response:
    """The agent with the content of the version."""
    try:
        agents.restore_version(actor, agent_id, version, values, etags.expected_versions())
    except InvalidInput as refusal:
        raise agent_secrets.name_ways(refusal, lambda _: SECRET_WAYS) from None
    return saved_response(actor, agent_id, values)


def list_deleted(actor: Actor, query: PageQuery) -> Response:
    """A page of the deleted agents, the last deleted first."""
    found, next_cursor = deleted_agents.listing(actor, query.cursor, query.limit)
    items = [
        {
            "id": agent.id,
            "name": agent.name,
            "deleted_at": agent.deleted_at,
            "deleted_by": agent.actor_name,
            "has_secrets": agent.has_secrets,
            "secrets_kept_until": agent.kept_until if agent.has_kept_secrets else None,
        }
        for agent in found
    ]
    return responses.as_json({"items": items, "next_cursor": next_cursor})


def restore_deleted(actor: Actor, agent_id: UUID, values: Values) -> Response:
    """The agent that was deleted."""
    agents.restore_deleted(actor, agent_id, values)
    return saved_response(actor, agent_id, values)


def _summary(change: Change) -> dict[str, Any]:
    return {
        "version": change.version,
        "action": change.action,
        "door": change.door,
        "actor_name": change.actor_name,
        "user_id": change.user_id,
        "token_owner": change.token_owner,
        "created_at": change.created_at,
        "note": change.note,
        "changed": change.fields,
        "secrets": change.secrets,
        "restored_version": change.restored_version,
        "undone_act": change.undone_act,
        "bulk_id": change.bulk_id,
    }


VERSIONS_PATH = f"{AGENT_PATH}/versions"
VERSION_PATH = f"{VERSIONS_PATH}/{{version}}"
ENDPOINTS = (
    Endpoint(
        operation="listAgentVersions",
        method="GET",
        path=VERSIONS_PATH,
        view=listing,
        summary="List the versions of an agent",
        permission="agents.read",
        description="Returns one page, the newest version first. For the next page, send `next_cursor` as `cursor`. "
        + "The history of "
        + "a deleted agent is kept.",
        query=PageQuery,
        responses={200: "VersionPage"},
        tag="History",
    ),
    Endpoint(
        operation="getAgentVersion",
        method="GET",
        path=VERSION_PATH,
        view=read,
        summary="Read a version and what it changed",
        permission="agents.read",
        description="`changes` compares the version with the one before it, or with the version `compare`, which can "
        + "also be a "
        + "later one. Values of secrets are not recorded: `secret_changes` says what happened to each secret between "
        + "the two.",
        query=CompareQuery,
        responses={200: "VersionDetails"},
        tag="History",
    ),
    Endpoint(
        operation="restoreAgentVersion",
        method="POST",
        path=f"{VERSION_PATH}/restore",
        view=restore,
        summary="Restore a version of an agent",
        permission="agents.restore",
        description="The agent gets the members and the connection of that version again, as a new version. Its "
        + "status stays as it "
        + "is. Its secrets stay too, but those that the connection type of that version has not are removed. Where the "
        + "destination of a secret differs, the secret must be sent in the same request, or removed with null: "
        + "otherwise 422 at the secret. If the agent has the content of that version already, nothing is stored. 409: "
        + "`snapshot_unreadable` (this release cannot use the version), `external_id_reused` (another agent has the "
        + f"external ID by now). {WARNINGS}",
        body="VersionRestore",
        body_is_optional=True,
        responses={200: "SavedAgent"},
        errors=("external_id_reused", "snapshot_unreadable"),
        headers=IF_MATCH,
        tag="History",
    ),
    Endpoint(
        operation="listDeletedAgents",
        method="GET",
        path="/agents/deleted",
        view=list_deleted,
        summary="List deleted agents",
        permission="agents.read",
        description="Returns one page, the last deleted agent first. For the next page, send `next_cursor` as "
        + "`cursor`.",
        query=PageQuery,
        responses={200: "DeletedAgentPage"},
        tag="History",
    ),
    Endpoint(
        operation="restoreAgent",
        method="POST",
        path=f"{AGENT_PATH}/restore",
        view=restore_deleted,
        summary="Restore a deleted agent",
        permission="agents.restore_deleted",
        description="The agent is as it was when it was deleted, with `last_test`, and has its secrets if they are "
        + "still kept. "
        + "Without them, the test is out of date. An agent that is not "
        + "deleted is not found. To restore a version of an agent that exists, use `/versions/{version}/restore`. 409: "
        + "`snapshot_unreadable` (this release cannot use what was recorded), `external_id_reused` (another agent has "
        + f"the external ID by now). {WARNINGS}",
        body="ChangeNote",
        body_is_optional=True,
        responses={200: "SavedAgent"},
        errors=("external_id_reused", "snapshot_unreadable"),
        tag="History",
    ),
)
