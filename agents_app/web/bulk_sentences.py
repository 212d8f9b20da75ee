"""The words about bulk acts in the sentences of events."""

from collections.abc import Mapping
from typing import Any

from flask import url_for
from markupsafe import Markup

from agents_app.operations import bulk_words
from agents_app.operations.bulk_tests import NOT_STARTED
from agents_app.operations.bulk_words import UNDO
from agents_app.schemas.bulk_agents import BulkAct
from agents_app.wording import number_text

ACTS = {
    "enable": "enabled",
    "disable": "disabled",
    "delete": "deleted",
    "set_owner": "set the owner of",
    "set_environment": "set the environment of",
    "set_labels": "changed the labels of",
    "test": "tested",
}
REMOVED = {"set_owner": "removed the owner of", "set_environment": "removed the environment of"}
# The undo of each.
UNDONE = {
    "enable": "undid the enabling of",
    "disable": "undid the disabling of",
    "delete": "undid the deletion of",
    "set_owner": "undid a change of the owner of",
    "set_environment": "undid a change of the environment of",
    "set_labels": "undid a change of the labels of",
}


def act_words(details: Mapping[str, Any]) -> str:
    """What a bulk act did with its agents. Another release may know other acts."""
    if details.get("act") == UNDO:
        return undone_words(details.get("undone_act"))
    if bulk_words.removes(details):
        return REMOVED[details["act"]]
    return ACTS.get(str(details.get("act")), "changed")


def undone_words(undone_act: object) -> str:
    """What an undo of this act did, before the name of an agent or a number of agents."""
    return UNDONE.get(str(undone_act), "undid a change of")


def agents_link(event: Mapping[str, Any]) -> Markup:
    """How many agents an act changed, as a link to its result."""
    counts, asked = event["details"].get("counts"), event["details"].get("asked")
    counts = counts if isinstance(counts, dict) else {}
    changed, failed, left = counts.get("changed", asked), counts.get("failed"), 0
    if event["details"].get("act") == BulkAct.TEST and counts:
        # An agent whose test failed was tested too.
        left = sum(len(group["ids"]) for group in event["details"].get("failed", ()) if group["code"] in NOT_STARTED)
        failed = counts["failed"] - left
        changed = counts["changed"] + failed
    replaced = event["details"].get("new_reasons", 0)
    changed = changed - replaced if isinstance(changed, int) else changed
    text = f"{number_text(changed)} agent{'s' * (changed != 1)}" if isinstance(changed, int) else "agents"
    url = url_for("web.bulk_agents.show", bulk_id=event["id"]) if event.get("id") else ""
    link = Markup('<a href="{}">{}</a>').format(url, text) if url else Markup.escape(text)
    counted = ((replaced, "got a new reason"), (failed, "failed"), (left, "not tested"))
    parts = [f"{number_text(number)} {what}" for number, what in counted if number]
    return link + (f" ({', '.join(parts)})" if parts else "")
