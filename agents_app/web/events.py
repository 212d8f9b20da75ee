"""The page Activity, which lists the events of the account. `activity_sentences.py` has their sentences."""

from dataclasses import replace
from datetime import date
from typing import Any, ClassVar
from uuid import UUID

from flask import Blueprint, redirect, render_template, request, url_for

from agents_app.errors import InvalidInput, Malformed
from agents_app.operations import events
from agents_app.schemas.events import EventQuery, EventSubject, parse_query
from agents_app.values.choices import Door
from agents_app.web.activity_sentences import activity_sentence
from agents_app.web.forms.base import ConsoleForm
from agents_app.web.forms.from_schema import input_spec
from agents_app.web.forms.inputs import SPAN_WHOLE, Select, Text
from agents_app.web.list_error import list_error_page
from agents_app.web.sessions import Answer, current_actor, require_sign_in
from agents_app.web.urls import CURSORS, ListUrl

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

pages = Blueprint("events", __name__, url_prefix="/activity")
pages.before_request(require_sign_in)
pages.add_app_template_filter(activity_sentence)


class ActivityUrl(ListUrl):
    """The URL of the list of events."""

    endpoint: ClassVar = "web.events.listing"
    filters: ClassVar = ("about", "door", "person", "target", "since", "until")
    parameters: ClassVar = (*filters, "limit", *CURSORS)


class ActivityForm(ConsoleForm):
    """The filters of the list."""

    about = Select(input_spec(EventQuery, "about", span=SPAN_WHOLE, is_optional=False, labels=ANY | ABOUT))
    door = Select(input_spec(EventQuery, "door", span=SPAN_WHOLE, is_optional=False, hint="", labels=ANY | DOORS))
    person = Select(input_spec(EventQuery, "person", span=SPAN_WHOLE, is_optional=False, hint=""))
    since = Text(input_spec(EventQuery, "since", span=SPAN_WHOLE, is_optional=False))
    until = Text(input_spec(EventQuery, "until", span=SPAN_WHOLE, is_optional=False, hint="Days are in UTC."))

    def __init__(self, args: dict[str, str], people: dict[UUID, str]) -> None:
        super().__init__(data=args)
        names = {str(person_id): name for person_id, name in people.items()}
        self.person.spec = replace(self.person.spec, labels=ANY | names)


@pages.get("")
def listing() -> Answer:
    """List the events that the URL asks for, newest first."""
    address = ActivityUrl(request.args)
    if address.has_empty_parameters:
        return redirect(str(address), 303)
    actor = current_actor()
    try:
        query = parse_query(address.args)
        page = events.listing(actor, query)
    except (InvalidInput, Malformed) as error:
        return list_error_page(error, "Activity", url_for(".listing"))
    form = ActivityForm(address.args, events.user_names(actor))
    chips = _chips(query, form, page.items)
    return render_template("events/list.html", address=address, page=page, form=form, chips=chips, doors=DOORS)


def _chips(query: EventQuery, form: ActivityForm, items: list[dict[str, Any]]) -> dict[str, tuple[str, str]]:
    """The filters that are set, by parameter: the label of the filter and its value as people read it."""
    target = next((item["target_name"] for item in items if item["target_id"] == query.target), str(query.target))
    filters = {
        "about": ("Record type", form.about.shown),
        "door": ("Interface", form.door.shown),
        "person": ("By", form.person.shown),
        "target": ("Record", target),
        "since": ("From", _day(query.since)),
        "until": ("To", _day(query.until)),
    }
    return {name: chip for name, chip in filters.items() if getattr(query, name) is not None}


def _day(on: date | None) -> str:
    return f"{on:%-d %b %Y}" if on else ""
