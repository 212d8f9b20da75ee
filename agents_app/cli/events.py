"""`flask activity`: who did what in an account."""

from typing import Any

from agents_app.cli.console import ConsoleGroup, account_option, acting, json_option, print_json, print_table, say
from agents_app.cli.options import options_of
from agents_app.operations import events as operations
from agents_app.schemas.events import EventQuery, parse_query

HEADINGS = ("WHEN (UTC)", "WHO", "THROUGH", "FROM", "WHAT", "OF")

activity = ConsoleGroup("activity", help="Show who did what in an account.")


@activity.command("list")
@options_of(EventQuery)
@json_option
@account_option
def list_(account: str | None, *, as_json: bool, **asked: Any) -> None:
    """List what happened, newest first, a page at a time. Days are in UTC, both ends included."""
    actor = acting(account)
    page = operations.listing(actor, parse_query({name: value for name, value in asked.items() if value is not None}))
    if as_json:
        print_json({"items": page.items, "next_cursor": page.next_cursor})
        return
    print_table(HEADINGS, [_row(event) for event in page.items])
    if page.next_cursor:
        say(f"There is more: --cursor {page.next_cursor}")


def _row(event: dict[str, Any]) -> tuple[object, ...]:
    return tuple(event[name] for name in ("created_at", "actor_name", "door", "address", "action", "target_name"))
