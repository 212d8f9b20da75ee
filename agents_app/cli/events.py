"""`flask activity`: who did what in an account."""

from operator import itemgetter
from typing import Any

from agents_app.cli.actor import terminal_actor
from agents_app.cli.commands import ConsoleGroup, account_option, json_option
from agents_app.cli.options import options_of
from agents_app.cli.output import print_json, print_message, print_table
from agents_app.operations import events as operations
from agents_app.schemas.events import EventQuery, parse_query
from agents_app.wording import number_text

HEADINGS = ("TIME (UTC)", "USER", "INTERFACE", "IP ADDRESS", "ACTION", "TARGET")

activity = ConsoleGroup("activity", help="Show who did what in an account.")


@activity.command("list")
@options_of(EventQuery)
@json_option
@account_option
def list_(account: str | None, *, as_json: bool, **asked: Any) -> None:
    """List events, newest first, one page at a time. Days are in UTC, and both are included."""
    actor = terminal_actor(account)
    page = operations.listing(actor, parse_query({name: value for name, value in asked.items() if value is not None}))
    if as_json:
        print_json({"items": page.items, "next_cursor": page.next_cursor})
        return
    row = itemgetter("created_at", "actor_name", "door", "address", "action", "target_name")
    print_table(HEADINGS, map(row, page.items))
    if page.searched_to:
        read, oldest = number_text(page.searched), f"{page.searched_to:%Y-%m-%d %H:%M}"
        print_message(f"The search has read {read} events, back to {oldest} UTC.")
    if page.next_cursor:
        print_message(f"For the next page: --cursor {page.next_cursor}")
