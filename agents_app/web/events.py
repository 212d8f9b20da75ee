"""The page of what happened in the account. How each act is put into words is in `deeds.py`."""

from dataclasses import replace
from datetime import date
from typing import Any, ClassVar
from uuid import UUID

from flask import Blueprint, render_template, request

from agents_app import refusals
from agents_app.errors import InvalidInput, Malformed
from agents_app.operations import events
from agents_app.schemas.events import EventQuery, EventSubject, parse_query
from agents_app.values.choices import Door
from agents_app.web.activity_sentences import deed
from agents_app.web.addresses import PLACES, ListAddress
from agents_app.web.forms.base import ConsoleForm
from agents_app.web.forms.from_schema import spec_of
from agents_app.web.forms.inputs import SPAN_WHOLE, Choice, Text
from agents_app.web.sessions import Answer, current_actor, require_sign_in

ANY = {"": "Any"}
ABOUT = {
    EventSubject.AGENT.value: "Agents",
    EventSubject.USER.value: "People",
    EventSubject.TOKEN.value: "API tokens",
    EventSubject.ACCOUNT.value: "The account",
    EventSubject.SECRETS.value: "Secrets",
    EventSubject.ACCESS.value: "Refusals",
}
DOORS = {Door.PAGE.value: "Page", Door.TOKEN.value: "API token", Door.TERMINAL.value: "Terminal"}

pages = Blueprint("events", __name__, url_prefix="/activity")
pages.before_request(require_sign_in)
pages.add_app_template_filter(deed)


class ActivityAddress(ListAddress):
    """The address of the list of what happened."""

    endpoint: ClassVar = "web.events.listing"
    filters: ClassVar = ("about", "door", "person", "target", "since", "until")
    parameters: ClassVar = (*filters, "limit", *PLACES)


class ActivityForm(ConsoleForm):
    """What may narrow the list."""

    about = Choice(spec_of(EventQuery, "about", span=SPAN_WHOLE, is_optional=False, labels=ANY | ABOUT))
    door = Choice(spec_of(EventQuery, "door", span=SPAN_WHOLE, is_optional=False, labels=ANY | DOORS))
    person = Choice(spec_of(EventQuery, "person", span=SPAN_WHOLE, is_optional=False, hint=""))
    since = Text(spec_of(EventQuery, "since", span=SPAN_WHOLE, is_optional=False))
    until = Text(spec_of(EventQuery, "until", span=SPAN_WHOLE, is_optional=False, hint="Days begin and end in UTC."))

    def __init__(self, asked: dict[str, str], people: dict[UUID, str]) -> None:
        super().__init__(data=asked)
        names = {str(person_id): name for person_id, name in people.items()}
        self.person.spec = replace(self.person.spec, labels=ANY | names)


@pages.get("")
def listing() -> Answer:
    """What happened, newest first, as the address asks."""
    address = ActivityAddress(request.args)
    actor = current_actor()
    try:
        query = parse_query(address.asked)
        page = events.listing(actor, query)
    except (InvalidInput, Malformed) as error:
        refusal = refusals.from_error(error)
        sentences = [sentence for _, sentence in refusal.fields] or [refusal.detail]
        return render_template("events/list_refused.html", sentences=sentences), refusal.status
    form = ActivityForm(address.asked, events.user_names(actor))
    chips = _chips(query, form, page.items)
    return render_template("events/list.html", address=address, page=page, form=form, chips=chips, doors=DOORS)


def _chips(query: EventQuery, form: ActivityForm, items: list[dict[str, Any]]) -> dict[str, tuple[str, str]]:
    """What narrows the list, by parameter: words before, and the value as people call it."""
    target = next((item["target_name"] for item in items if item["target_id"] == query.target), str(query.target))
    shown = {
        "about": ("About", form.about.shown),
        "door": ("Through", form.door.shown),
        "person": ("By", form.person.shown),
        "target": ("Of", target),
        "since": ("From", _day(query.since)),
        "until": ("To", _day(query.until)),
    }
    return {name: words for name, words in shown.items() if getattr(query, name) is not None}


def _day(on: date | None) -> str:
    return f"{on:%-d %b %Y}" if on else ""
