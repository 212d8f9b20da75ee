"""The page of one version of an agent: who changed what, compared with the version before."""

from uuid import UUID

from flask import Blueprint, render_template

from agents_app.operations import agent_history
from agents_app.operations.agent_history import Difference
from agents_app.schemas.field_titles import field_title
from agents_app.web.activity_sentences import VERSION_WORDS
from agents_app.web.differences import SECRET_CHANGES, AgentValuesShown, ChangedField
from agents_app.web.sessions import Answer, current_actor, require_sign_in

pages = Blueprint("agent_versions", __name__)
pages.before_request(require_sign_in)


@pages.get("/agents/<uuid:agent_id>/versions/<int:version>")
def show(agent_id: UUID, version: int) -> Answer:
    """Show what this version changed. The agent may be deleted."""
    found = agent_history.difference(current_actor(), agent_id, version)
    fields, secrets = _changed_fields(found), _changed_secrets(found)
    name = str((found.after or found.before or {}).get("name") or "an agent")
    what = VERSION_WORDS.get(found.change.action, "changed the agent")
    context = {"agent_id": agent_id, "name": name, "fields": fields, "secrets": secrets, "what": what}
    return render_template("agents/version.html", difference=found, change=found.change, **context)


def _changed_fields(found: Difference) -> list[ChangedField]:
    if found.after is None:
        return []
    before, after = found.before and AgentValuesShown(found.before), AgentValuesShown(found.after)
    fields = []
    for pointer in found.changed:
        label = after.label(pointer) or (before.label(pointer) if before else "")
        texts = before.text(pointer) if before else None, after.text(pointer)
        if label and texts[0] != texts[1] and any(texts):
            fields.append(ChangedField(label, *texts, after.is_long(pointer)))
    return fields


def _changed_secrets(found: Difference) -> list[tuple[str, str]]:
    """The label of each changed secret, and what was done with it."""
    kind = (found.after or {}).get("connection_type")
    old = (found.before or {}).get("connection_type")
    titles = {pointer: field_title(pointer, kind) or field_title(pointer, old) for pointer in found.change.secrets}
    changes = found.change.secrets.items()
    return [(titles[pointer] or "Secret", SECRET_CHANGES.get(what, "Changed")) for pointer, what in changes]
