"""The pages of bulk acts: all agents that match, the question before an act, its result, and its undo.

An act is done with the agents whose ids the form carries, and not again with those that match a filter.
"""

from typing import Any
from uuid import UUID

from flask import Blueprint, flash, redirect, render_template, request, url_for

from agents_app.config import settings
from agents_app.errors import InvalidInput, Malformed
from agents_app.operations import bulk_agents, bulk_names, bulk_records, bulk_tests, bulk_words, started_tests
from agents_app.operations.bulk_results import BulkResult
from agents_app.operations.bulk_words import UNDO
from agents_app.operations.permissions import Actor
from agents_app.schemas import bulk_agents as schema
from agents_app.schemas import listing as list_schema
from agents_app.schemas.bulk_agents import IDS_MAX, TESTS_MAX, BulkAct
from agents_app.values.choices import AgentStatus
from agents_app.values.pasted import read_uuid
from agents_app.web import bulk_sentences, readers
from agents_app.web.forms.bulk_agents import BulkForm, bulk_form
from agents_app.web.forms.notes import NoteForm
from agents_app.web.list_error import list_error_page
from agents_app.web.messages import show_once
from agents_app.web.sessions import Answer, current_actor, require_sign_in
from agents_app.web.urls import ListUrl, url_with_back
from agents_app.wording import number_text

# What is done without a question: nothing is lost, and nothing needs to be typed.
AT_ONCE = (BulkAct.ENABLE, BulkAct.TEST)
# How many deleted agents a message names.
DELETED_MAX = 3
SENT_BEFORE = "This form was sent before. Nothing was done now: this is what it did the first time."
UNDONE_BEFORE = "This was undone before. Nothing was changed now: this is what the first undo did."

pages = Blueprint("bulk_agents", __name__, url_prefix="/agents/bulk")
pages.before_request(require_sign_in)


@pages.get("")
def select() -> Answer:
    """Offer the acts for all agents that the list of the parameter `back` shows on its pages."""
    actor, list_url = current_actor(), ListUrl.from_back_parameter()
    actor.require("agents.update")
    try:
        query = list_schema.parse(list_url.args)
        agents, has_more = bulk_agents.matching(actor, query)
    except (InvalidInput, Malformed) as error:
        return list_error_page(error, "Agents", url_for("web.agents.listing"), list_schema.AgentQuery)
    shown = {"agents": agents, "has_more": has_more, "most": IDS_MAX, "limits": _test_limits(len(agents))}
    return render_template("agents/bulk_select.html", list_url=list_url, **shown)


@pages.post("")
def do() -> Answer:
    """Ask before an act on the agents of the form. A form that is confirmed does it."""
    actor, list_url = current_actor(), ListUrl.from_back_parameter()
    act = schema.act_of(request.form)
    actor.require(bulk_records.permission(act))
    ids = [UUID(found) for text in request.form.getlist("ids") for one in text.split() if (found := read_uuid(one))]
    agents = bulk_agents.selected(actor, ids)
    if act is None or not agents:
        return _nothing_selected(actor, act, ids, list_url)
    there = {agent["id"] for agent in agents}
    missing = [one for one in dict.fromkeys(ids) if one not in there]
    asks = act not in AT_ONCE or (act is BulkAct.TEST and len(agents) > TESTS_MAX)
    if asks and "confirmed" not in request.form:
        form = bulk_form(act, None, [agent["id"] for agent in agents])
        return _ask_page(actor, form, agents, missing)
    # The result names those that do not exist any more. A deletion asks again, as its number was typed.
    chosen = [agent["id"] for agent in agents] if act is BulkAct.DELETE else list(dict.fromkeys(ids))
    # More agents than are tested at once stay together: the result offers the others.
    now = chosen[:TESTS_MAX] if act is BulkAct.TEST else chosen
    form, later = bulk_form(act, request.form, now), chosen[len(now) :]
    if not form.save(lambda values: bulk_agents.act(actor, values, request.form.get("key"), later)):
        return _ask_page(actor, form, agents, missing), 422
    return _after(actor, form.result, list_url)


@pages.get("/<uuid:bulk_id>")
def show(bulk_id: UUID) -> Answer:
    """Show what an act did with each agent."""
    return _result_page(current_actor(), bulk_id, NoteForm(None))


def _result_page(actor: Actor, bulk_id: UUID, form: NoteForm) -> str:
    record = bulk_agents.result(actor, bulk_id)
    left = [one for one in record.failed if record.act == BulkAct.TEST and one.code in bulk_tests.NOT_STARTED]
    failed = [one for one in record.failed if one not in left]
    can_undo = _can_undo(actor, record.act) and bool(record.changed) and not record.undo_id
    words = bulk_sentences.act_words(record.details)
    unchanged = (record.counts or {}).get("unchanged", 0)
    *changed, before = bulk_words.parts(record.act, record.changed, unchanged, removes=record.removes)
    # An agent whose test failed was tested too.
    number = (
        len(record.changed)
        - bulk_words.new_reasons(record.changed)
        + (len(failed) if record.act == BulkAct.TEST else 0)
    )
    context = {"words": words, "changed": changed, "before": before, "can_undo": can_undo, "form": form}
    context |= {"failed": failed, "left": left, "number": number, "it_was_not": bulk_tests.IT_WAS_NOT}
    context["next_tests"] = min(len(left), started_tests.PER_PERSON)
    return render_template("agents/bulk_result.html", record=record, list_url=ListUrl.from_back_parameter(), **context)


@pages.post("/<uuid:bulk_id>/undo")
def undo(bulk_id: UUID) -> Answer:
    """Undo an act for each agent that has not been changed since."""
    actor, form = current_actor(), NoteForm(request.form)
    if not form.save(lambda values: bulk_agents.undo(actor, bulk_id, values)):
        return _result_page(actor, bulk_id, form), 422
    return _after(actor, form.result, ListUrl.from_back_parameter())


def _nothing_selected(actor: Actor, act: BulkAct | None, ids: list[UUID], list_url: ListUrl) -> Answer:
    wanted = "Select at least one agent that exists." if act else "Choose what to do with the selected agents."
    gone = bulk_agents.deleted(actor, ids) if act else []
    said = [f"“{one.name}” was deleted {bulk_names.by_and_when(one)}." for one in gone[:DELETED_MAX]]
    flash(" ".join([*said, wanted, "Nothing was changed."]), "bad")
    return redirect(str(list_url), 303)


def _ask_page(actor: Actor, form: BulkForm, agents: list[dict[str, Any]], missing: list[UUID]) -> str:
    days, deleted = settings().deleted_secrets_days, bulk_agents.deleted(actor, missing)
    shown = {
        "agents": agents,
        "deleted": deleted,
        "missing": len(missing) - len(deleted),
        "act": form.act.value,
        "undo_days": days,
    }
    shown["limits"] = _test_limits(len(agents))
    if form.act is BulkAct.TEST:
        shown["startable"] = min(len(agents), TESTS_MAX, started_tests.startable(actor))
    if form.act in (BulkAct.DISABLE, BulkAct.DELETE):
        # Runtimes get a disabled agent no more than before.
        ending = [one["id"] for one in agents if form.act is BulkAct.DELETE or one["status"] == AgentStatus.ACTIVE]
        shown |= {
            "already": len(agents) - len(ending),
            "ending": len(ending),
            "recent": readers.before_the_end(actor, ending),
        }
    return render_template("agents/bulk_ask.html", form=form, list_url=ListUrl.from_back_parameter(), **shown)


def _after(actor: Actor, result: BulkResult, list_url: ListUrl) -> Answer:
    """The list with a message if nothing failed, else the page of the result."""
    show = url_with_back(".show", bulk_id=result.id)
    if result.is_repeated:
        flash(UNDONE_BEFORE if result.act == UNDO else SENT_BEFORE, "warn")
    if result.failed or result.is_repeated:
        return redirect(show, 303)
    can_undo = _can_undo(actor, result.act) and result.changed
    links = {"undo": url_with_back(".undo", bulk_id=result.id)} if can_undo else {}
    show_once(result.summary, show=show, **links)
    return redirect(str(list_url), 303)


def _test_limits(number: int) -> str:
    """What is said before so many agents are tested. Empty if they can all be tested at once."""
    if number <= started_tests.PER_PERSON:
        return ""
    most = f"At most {number_text(TESTS_MAX)} agents are tested at once, and" if number > TESTS_MAX else "At most"
    return (
        f"{most} {started_tests.PER_PERSON} tests start in a minute. The result names the agents that were not tested, "
        + "and offers to test them."
    )


def _can_undo(actor: Actor, act: str) -> bool:
    kind = bulk_records.undoable(act)
    return kind is not None and actor.may(bulk_records.undo_permission(kind))
