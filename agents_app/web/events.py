"""The page Activity, which lists the events of the account. `activity_sentences.py` has their sentences."""

import json
from dataclasses import replace
from datetime import date, datetime, timedelta
from itertools import groupby
from typing import Any, ClassVar
from uuid import UUID

from flask import Blueprint, render_template, request, url_for

from agents_app.db import now
from agents_app.errors import InvalidInput, Malformed
from agents_app.operations import event_exports, events
from agents_app.operations.permissions import Actor
from agents_app.operations.token_owners import who
from agents_app.schemas.events import EventQuery, EventSubject, parse_query
from agents_app.values.choices import Door
from agents_app.values.text import day_text
from agents_app.web.activity_sentences import activity_sentence, event_mark
from agents_app.web.csv_files import csv_response
from agents_app.web.forms.base import ConsoleForm
from agents_app.web.forms.choice_inputs import Select
from agents_app.web.forms.from_schema import input_spec, make_input
from agents_app.web.forms.inputs import SPAN_WHOLE, Text
from agents_app.web.list_error import list_error_page
from agents_app.web.sessions import Answer, current_actor, require_sign_in
from agents_app.web.urls import ListUrl

ANY = {"": "Any"}
ABOUT = {
    EventSubject.AGENT.value: "Agents",
    EventSubject.USER.value: "People",
    EventSubject.TOKEN.value: "API tokens",
    EventSubject.ACCOUNT.value: "Organisation",
    EventSubject.SECRETS.value: "Secrets",
    EventSubject.ACCESS.value: "Refusals",
}
DOORS = {Door.PAGE.value: "Page", Door.TOKEN.value: "API token", Door.TERMINAL.value: "Terminal"}

HEADINGS = (
    *("Time (UTC)", "Who", "Interface", "IP address", "Record type", "What", "Record", "Record ID", "Version"),
    *("Action", "Request ID", "User ID", "Token ID", "Details", "Event ID"),
)

pages = Blueprint("events", __name__, url_prefix="/activity")
pages.before_request(require_sign_in)
pages.add_app_template_filter(activity_sentence)
pages.add_app_template_filter(event_mark)


class ActivityUrl(ListUrl):
    """The URL of the list of events."""

    endpoint: ClassVar = "web.events.listing"
    filters: ClassVar = ("q", "about", "door", "person", "target", "since", "until")
    parameters: ClassVar = (*filters, "limit", "cursor")

    @property
    def export(self) -> str:
        """The URL of the CSV file of all events with these filters."""
        return url_for("web.events.export", **{name: self.args[name] for name in self.filters if name in self.args})


class ActivityForm(ConsoleForm):
    """The filters of the list."""

    q = Text(input_spec(EventQuery, "q", span=SPAN_WHOLE, is_optional=False))
    about = Select(input_spec(EventQuery, "about", span=SPAN_WHOLE, is_optional=False, labels=ANY | ABOUT))
    door = Select(input_spec(EventQuery, "door", span=SPAN_WHOLE, is_optional=False, hint="", labels=ANY | DOORS))
    person = Select(input_spec(EventQuery, "person", span=SPAN_WHOLE, is_optional=False, hint=""))
    since = make_input(EventQuery, "since", span=SPAN_WHOLE, is_optional=False, hint="")
    until = make_input(EventQuery, "until", span=SPAN_WHOLE, is_optional=False, hint="Days are in UTC.")

    def __init__(self, args: dict[str, str], people: dict[UUID, str]) -> None:
        super().__init__(data=args)
        names = {str(person_id): name for person_id, name in people.items()}
        self.person.spec = replace(self.person.spec, labels=ANY | names)


@pages.get("")
def listing() -> Answer:
    """List the events that the URL asks for, newest first."""
    address = ActivityUrl(request.args)
    actor = current_actor()
    try:
        query = parse_query(address.args)
        page = events.listing(actor, query)
    except (InvalidInput, Malformed) as error:
        return list_error_page(error, "Activity", url_for(".listing"), EventQuery)
    form = ActivityForm(address.args, events.user_names(actor))
    context = {"form": form, "chips": _chips(actor, query, form), "doors": DOORS, "days": _days(page.items)}
    return render_template("events/list.html", address=address, page=page, **context)


@pages.get("/export")
def export() -> Answer:
    """All events that the URL asks for, newest first, as a CSV file."""
    address = ActivityUrl(request.args)
    try:
        found = event_exports.export(current_actor(), parse_query(address.args), newest_first=True)
    except (InvalidInput, Malformed) as error:
        return list_error_page(error, "Activity", url_for(".listing"), EventQuery)
    return csv_response(f"activity-{now():%Y-%m-%d}.csv", HEADINGS, map(_row, found))


def _row(event: dict[str, Any]) -> list[object]:
    return [
        f"{event['created_at']:%Y-%m-%d %H:%M:%S}",
        who(event["actor_name"], event["token_owner"]),
        DOORS.get(event["door"], event["door"]),
        event["address"],
        ABOUT.get(event["action"].partition(".")[0], ""),
        activity_sentence(event).striptags(),
        event["target_name"],
        event["target_id"],
        event["details"].get("version"),
        event["action"],
        event["request_id"],
        event["user_id"],
        event["token_id"],
        json.dumps(event["details"], ensure_ascii=False) if event["details"] else None,
        event["id"],
    ]


def _days(items: list[dict[str, Any]]) -> list[tuple[date, str, list[dict[str, Any]]]]:
    """The events by their day in UTC: the day, what it is called, its events."""
    today = now().date()
    names = {today: "Today", today - timedelta(days=1): "Yesterday"}
    return [
        (day, names.get(day, ""), list(rows)) for day, rows in groupby(items, lambda item: item["created_at"].date())
    ]


def _chips(actor: Actor, query: EventQuery, form: ActivityForm) -> dict[str, tuple[str, str]]:
    """The filters that are set, by parameter: the label of the filter and its value as people read it."""
    person = form.person.spec.labels.get(form.person.text, "someone who is not here")
    filters = {
        "q": ("Search is", query.q or ""),
        "about": ("Record type", form.about.shown),
        "door": ("Interface", form.door.shown),
        "person": ("By", person),
        "target": ("Record", (query.target and events.record_name(actor, query.target)) or "unknown"),
        "since": ("From", _day(query.since)),
        "until": ("To", _day(query.until)),
    }
    return {name: chip for name, chip in filters.items() if getattr(query, name) is not None}


def _day(on: date | None) -> str:
    if isinstance(on, datetime):
        return f"{day_text(on)}, {on:%H:%M:%S} UTC"
    return day_text(on) if on else ""
