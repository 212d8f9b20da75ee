"""`flask events`: who did what in an account, as a list and as a file."""

import json
from collections.abc import Iterator
from operator import itemgetter
from typing import Any

import click

from agents_app.cli.actor import terminal_actor
from agents_app.cli.commands import ConsoleGroup, account_option, json_option
from agents_app.cli.files import output_option, write_file
from agents_app.cli.options import options_of
from agents_app.cli.output import JSON_ESCAPES, print_json, print_message, print_table
from agents_app.operations import event_exports
from agents_app.operations import events as operations
from agents_app.operations.token_owners import who
from agents_app.paths import COMMAND
from agents_app.schemas.events import EventQuery, parse_query
from agents_app.values.csv_text import csv_parts
from agents_app.wording import number_text

HEADINGS = ("TIME (UTC)", "USER", "INTERFACE", "IP ADDRESS", "ACTION", "TARGET")
# The members of each line of an export, and the headings of its CSV form. docs/security.md describes them.
MEMBERS = (
    *("id", "created_at", "actor_name", "user_id", "token_id", "door", "address", "request_id"),
    *("action", "target_kind", "target_id", "target_name", "details", "changes"),
)

events = ConsoleGroup("events", help="Show and export who did what in an account.")
# The name of the group in earlier releases.
activity = ConsoleGroup("activity", help=f"The former name of `{COMMAND} events`.", hidden=True)


@events.command("list")
@options_of(EventQuery)
@json_option
@account_option
def list_(account: str | None, *, as_json: bool, **asked: Any) -> None:
    """List events, newest first, one page at a time. Days are in UTC, and both are included."""
    actor = terminal_actor(account)
    page = operations.listing(actor, _query(asked))
    if as_json:
        print_json({"items": page.items, "next_cursor": page.next_cursor})
        return
    row = itemgetter("created_at", "who", "door", "address", "action", "target_name")
    named = ({**one, "who": who(one["actor_name"], one["token_owner"])} for one in page.items)
    print_table(HEADINGS, map(row, named))
    if page.searched_to:
        read, oldest = number_text(page.searched), f"{page.searched_to:%Y-%m-%d %H:%M}"
        print_message(f"The search has read {read} events, back to {oldest} UTC.")
    if page.next_cursor:
        print_message(f"For the next page: --cursor {page.next_cursor}")


@events.command()
@options_of(EventQuery, skip=("limit", "cursor"))
@click.option(
    "--format",
    "form",
    type=click.Choice(["jsonl", "csv"]),
    default="jsonl",
    show_default=True,
    help="One JSON object a line, or comma-separated values.",
)
@output_option
@account_option
def export(account: str | None, form: str, output: str | None, **asked: Any) -> None:
    """Export all events that match, oldest first, in UTF-8.

    The export is complete if the exit code is 0, and the number of its events is printed on standard error. With
    --output, a file that already exists is replaced only by a complete export.

    \b
    flask events export --since 2026-11-01 --until 2026-11-30 --format csv --output november.csv
    """
    found = _Counted(event_exports.export(terminal_actor(account), _query(asked)))
    lines = map(_json_line, found) if form == "jsonl" else csv_parts(MEMBERS, map(_cells, found))
    write_file(output, (line.encode() for line in lines))
    print_message(f"Exported {number_text(found.count)} event{'' if found.count == 1 else 's'}.")


activity.add_command(list_)
activity.add_command(export)


class _Counted:
    """Counts the events that pass."""

    def __init__(self, items: Iterator[dict[str, Any]]) -> None:
        self._items, self.count = items, 0

    def __iter__(self) -> Iterator[dict[str, Any]]:
        for item in self._items:
            self.count += 1
            yield {name: item[name] for name in MEMBERS} | {"created_at": item["created_at"].isoformat()}


def _query(asked: dict[str, Any]) -> EventQuery:
    return parse_query({name: value for name, value in asked.items() if value is not None})


def _json_line(item: dict[str, Any]) -> str:
    return json.dumps(item, ensure_ascii=False, default=str).translate(JSON_ESCAPES) + "\n"


def _cells(item: dict[str, Any]) -> list[object]:
    as_json = {name: json.dumps(item[name], ensure_ascii=False) for name in ("details", "changes") if item[name]}
    return [as_json.get(name) if name in ("details", "changes") else item[name] for name in MEMBERS]
