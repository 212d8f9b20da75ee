"""The endpoints that write the agents of an account as a file, and plan and apply such a file."""

from flask import Response

from agents_app.api import responses
from agents_app.api.endpoint import Endpoint
from agents_app.operations import agent_files as operations
from agents_app.operations import save_warnings
from agents_app.operations.permissions import Actor
from agents_app.operations.planned_agents import as_json
from agents_app.schemas import agent_files as schema
from agents_app.schemas.agent_files import AgentFile
from agents_app.schemas.listing import ExportQuery, ImportQuery
from agents_app.schemas.repeated_filters import with_several
from agents_app.values import limits
from agents_app.values.choices import FileFormat
from agents_app.wording import number_text

MEDIA_TYPES = {FileFormat.JSON: "application/json", FileFormat.YAML: "application/yaml"}


def export(actor: Actor, query: ExportQuery) -> Response:
    """The agents that match, as a file."""
    document = operations.export(actor, query)
    text = schema.to_text(document, query.format)
    headers = {"Content-Disposition": f'attachment; filename="agents.{query.format}"'}
    if names := operations.shared_names(actor, document):
        headers["Export-Warning"] = schema.shared_names_warning(names)
    return Response(text, 200, headers, content_type=MEDIA_TYPES[query.format])


def import_file(actor: Actor, query: ImportQuery, file: AgentFile) -> Response:
    """What was changed, or what would change."""
    if query.plan:
        done = operations.plan(actor, file, prune=query.prune, expected=query.expected_plan)
    else:
        expected = query.expected_plan
        done = operations.apply(actor, file, prune=query.prune, note=query.note, expected=expected)
    warnings = [{"pointer": pointer, "detail": said} for pointer, said in save_warnings.of_note({"note": query.note})]
    if query.plan and done.doubt:
        warnings.append({"pointer": "/agents", "detail": done.doubt})
    return responses.as_json({"is_applied": not query.plan, **as_json(done), "warnings": warnings})


ENDPOINTS = (
    Endpoint(
        operation="exportAgents",
        method="GET",
        path="/agents/export",
        view=export,
        summary="Export agents as a file",
        permission="agents.read",
        description="The file has every agent that matches, without secrets: of each it says that it is stored. Two "
        + "exports of the "
        + "same agents are equal to the byte. `format=yaml` gives the same content in YAML. The header "
        + "`Export-Warning` says that agents share a name without an `external_id`, so that an import refuses them. "
        + f"422 if more than {number_text(limits.FILE_AGENTS)} agents match: export in parts, with filters.",
        query=with_several(ExportQuery),
        excluded=frozenset({"sort", "limit", "cursor", "before"}),
        responses={200: "ExportedAgentFile"},
        media_types=tuple(MEDIA_TYPES.values()),
    ),
    Endpoint(
        operation="importAgents",
        method="POST",
        path="/agents/import",
        view=import_file,
        summary="Import a file of agents",
        permission="agents.import",
        description="Makes the account as the file says, all of it or nothing. An agent is matched by `external_id`, "
        + "else by a "
        + "name that is single, else refused. A member that is absent has its default, but a secret that is absent is "
        + "kept. Agents that the file does not have are deleted only with `prune=1`. `plan=1` changes nothing. "
        + "With `expected_plan`, the `digest` of a plan, only that plan is applied: 409 if it is another one now. "
        + "422 names everything that is wrong, by its JSON pointer in the file. The body has at most "
        + f"{number_text(limits.FILE_BODY_BYTES // 1_000_000)} MB and {number_text(limits.FILE_AGENTS)} agents, in "
        + "JSON or YAML. Secrets of the form `env:NAME` and `file:PATH` are read only at the terminal.",
        body="AgentFile",
        takes_file=True,
        query=ImportQuery,
        responses={200: "AppliedPlan"},
        errors=("conflict", "other_plan"),
        media_types=tuple(MEDIA_TYPES.values()),
    ),
)
